"""What is trained: a recipe holds every hyper-parameter; options, files and the names of runs are made from it."""

from mnist_twice.recipes.naming import differences, differences_of, run_name, run_path
from mnist_twice.recipes.options import Options, command_words, name_problem, parse_options
from mnist_twice.recipes.recipe import (
    HEADS,
    RECIPES,
    Augmentation,
    Recipe,
    complete_record,
    find_problem,
    read_recipe,
    recipe_record,
    settle_precision,
    with_precision,
)
