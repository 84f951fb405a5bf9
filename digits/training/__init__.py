"""What a training needs beside its framework: options and recipes, batches, schedules, checkpoints, the saved run.

May import: files, data and runs. Both training scripts and both folders of models/ build on it.
"""

from digits.training.batches import epoch_length, epoch_order, evaluation_set, images_of_epochs, split_dataset
from digits.training.checkpoint import Checkpoint, checkpoint_path, history_so_far
from digits.training.naming import differences, differences_of, run_path
from digits.training.network_hash import network_code
from digits.training.options import Options, command_line, command_words, parse_options, settle_precision
from digits.training.progress import Progress
from digits.training.recipe import (
    HEADS,
    RECIPES,
    Augmentation,
    Recipe,
    complete_record,
    find_problem,
    recipe_record,
    with_precision,
)
from digits.training.recipe_file import read_recipe
from digits.training.saving import NewRun
from digits.training.schedule import best_epoch, is_best, is_over, learning_rates
from digits.training.weights import ModelConfig, model_config, network_config
from digits.training.workers import ALONE, SeveralWorkers, Workers
