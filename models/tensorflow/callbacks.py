"""What `fit` is to do between steps and epochs. PyTorch has no such file, since its loop says these things itself.

Keras's own EarlyStopping, ReduceLROnPlateau and ModelCheckpoint count epochs by themselves and forget it when a
training is resumed; ours decide from the history, as PyTorch's loop does (digits/training/schedule.py).
"""

from collections.abc import Iterator

import keras
import numpy as np
from numpy.typing import NDArray

from digits.training import (
    ALONE,
    HEADER,
    Checkpoint,
    EpochProgress,
    Progress,
    Recipe,
    Workers,
    is_best,
    is_over,
    learning_rates,
)
from models.tensorflow.fit import LookUp, StepRates
from models.tensorflow.training import TrainingState

Logs = dict[str, float] | None


class NewImagesEachEpoch(keras.callbacks.Callback):
    """Give each epoch its training images."""

    def __init__(self, look_up: LookUp, epoch_images: Iterator[NDArray[np.uint8]]) -> None:
        super().__init__()
        self.look_up, self.epoch_images = look_up, epoch_images

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        self.look_up.images.assign(next(self.epoch_images))


class LearningRates(keras.callbacks.Callback):
    """Give each step of an epoch its learning rate."""

    def __init__(self, rates: StepRates, recipe: Recipe, progress: Progress) -> None:
        super().__init__()
        self.rates, self.recipe, self.progress = rates, recipe, progress

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        self.rates.rates.assign(learning_rates(self.recipe, self.rates.rates.shape[0], self.progress.history))


class EpochTable(keras.callbacks.Callback):
    """Show the live line, print each epoch's line, and keep its row of history.csv and the losses of its steps.

    What Keras has measured in training is of this worker's images (of its loss, that part of the whole), and is added
    up; the first worker alone evaluates.
    """

    def __init__(
        self, progress: Progress, recipe: Recipe, num_images: int, rates: StepRates, workers: Workers = ALONE
    ) -> None:
        super().__init__()
        self.progress, self.recipe, self.num_images, self.rates = progress, recipe, num_images, rates
        self.workers = workers

    def on_train_begin(self, logs: Logs = None) -> None:
        print(HEADER)

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        self.table = EpochProgress(epoch, self.recipe.epochs, self.num_images)

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        if logs and self.table.needs_update():
            images_done = min((batch + 1) * self.recipe.batch_size, self.num_images)
            self.table.show(images_done, logs["loss"] * self.workers.count, logs["accuracy"])

    def on_test_begin(self, logs: Logs = None) -> None:
        self.table.finish_training()

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        logs = logs or {}
        share = self.workers.size(self.num_images, self.recipe.batch_size) / self.num_images
        loss, accuracy = self.workers.sum(np.array([logs["loss"], logs["accuracy"] * share])).tolist()
        validation = {name: logs[f"val_{name}"] for name in ("loss", "accuracy") if f"val_{name}" in logs}
        rate = float(self.rates.rates[-1])
        row = self.workers.from_first(lambda: self.table.finish(loss, accuracy, validation, rate))
        self.progress.history.append(row)
        self.progress.losses += self.workers.sum(self.model.step_losses.numpy()).tolist()


class EvaluateAverage(keras.callbacks.Callback):
    """Evaluate the moving average of the weights, where there is one."""

    def __init__(self, state: TrainingState) -> None:
        super().__init__()
        self.state = state

    def on_test_begin(self, logs: Logs = None) -> None:
        self.state.swap_average()

    def on_test_end(self, logs: Logs = None) -> None:
        self.state.swap_average()


class KeepBest(keras.callbacks.Callback):
    """Remember the weights of the epoch with the best validation accuracy."""

    def __init__(self, state: TrainingState, progress: Progress) -> None:
        super().__init__()
        self.state, self.progress = state, progress

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        if is_best(self.progress.history):
            self.state.keep_best()


class SaveCheckpoint(keras.callbacks.Callback):
    """Write a checkpoint after each epoch, from which --resume continues."""

    def __init__(self, checkpoint: Checkpoint, state: TrainingState, progress: Progress) -> None:
        super().__init__()
        self.checkpoint, self.state, self.progress = checkpoint, state, progress

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        self.checkpoint.write(self.progress, self.state.save())


class StopEarly(keras.callbacks.Callback):
    """End the training where the history says so."""

    def __init__(self, recipe: Recipe, progress: Progress) -> None:
        super().__init__()
        self.recipe, self.progress = recipe, progress

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        self.model.stop_training = is_over(self.recipe, self.progress.history)
