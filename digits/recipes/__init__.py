"""What is trained: a recipe holds every hyper-parameter; options, files and the names of runs are made from it.

May import: files, data and runs.
"""

from digits.recipes.name import name_problem, run_name
from digits.recipes.naming import differences, differences_of, run_path
from digits.recipes.options import Options, command_line, command_words, parse_options, settle_precision
from digits.recipes.recipe import (
    HEADS,
    RECIPES,
    Augmentation,
    Recipe,
    complete_record,
    find_problem,
    recipe_record,
    with_precision,
)
from digits.recipes.recipe_file import read_recipe
