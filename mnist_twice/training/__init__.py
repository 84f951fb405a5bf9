"""How a network is trained beside its framework: batches, schedules, checkpoints, workers, the run that is saved."""

from mnist_twice.training.batches import epoch_length, epoch_order, evaluation_set, images_of_epochs, split_dataset
from mnist_twice.training.checkpoint import Checkpoint, checkpoint_path, history_so_far
from mnist_twice.training.network_hash import network_code
from mnist_twice.training.progress import Progress
from mnist_twice.training.saving import NewRun
from mnist_twice.training.schedule import best_epoch, is_best, is_over, learning_rates
from mnist_twice.training.weights import ModelConfig, model_config, network_config
from mnist_twice.training.workers import ALONE, SeveralWorkers, Workers
