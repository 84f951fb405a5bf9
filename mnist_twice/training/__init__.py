"""How a network is trained beside its framework: batches, schedules, checkpoints, workers, the run that is saved.

May import: files, data, runs and recipes. Both training scripts and both folders of models/ build on it.
"""

from digits.training.batches import epoch_length, epoch_order, evaluation_set, images_of_epochs, split_dataset
from digits.training.checkpoint import Checkpoint, checkpoint_path, history_so_far
from digits.training.network_hash import network_code
from digits.training.progress import Progress
from digits.training.saving import NewRun
from digits.training.schedule import best_epoch, is_best, is_over, learning_rates
from digits.training.weights import ModelConfig, model_config, network_config
from digits.training.workers import ALONE, SeveralWorkers, Workers
