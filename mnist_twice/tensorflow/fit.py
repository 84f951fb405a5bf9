"""What `fit` is given beyond Keras's own parts. PyTorch has no such file, since its loop says these things itself."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from mnist_twice.data import Dataset
from mnist_twice.recipes import Recipe
from mnist_twice.training import Checkpoint, Progress, Workers
from mnist_twice.training.batches import epoch_length, epoch_order, images_of_epochs
from mnist_twice.training.schedule import is_best, is_over, learning_rates

if TYPE_CHECKING:
    from mnist_twice.tensorflow.training import TrainState


def batches_of_epochs(dataset: Dataset, indices: NDArray[np.int64], recipe: Recipe, first: int) -> tf.data.Dataset:
    """Return batches of (images, labels), in each pass over them those of the next epoch, from the epoch `first` on.

    indices: the images to train on, of which each epoch has its own order.
    """
    num_images = epoch_length(len(indices), recipe.batch_size)
    epochs = enumerate(images_of_epochs(dataset, recipe, first), first)

    def next_epoch() -> Iterator[tuple[NDArray[Any], ...]]:
        epoch, (images, labels) = next(epochs)
        yield images, labels, epoch_order(indices, recipe.seed, epoch, recipe.batch_size)

    def in_batches(images: tf.Tensor, labels: tf.Tensor, order: tf.Tensor) -> tf.data.Dataset:
        of_indices = tf.data.Dataset.from_tensor_slices(order).batch(recipe.batch_size)
        return of_indices.map(lambda batch: (tf.gather(images, batch), tf.gather(labels, batch)))

    arrays = dataset.train_images.shape, dataset.train_labels.shape, (num_images,)
    form = tuple(tf.TensorSpec(shape, kind) for shape, kind in zip(arrays, (tf.uint8, tf.int64, tf.int64), strict=True))
    batches = tf.data.Dataset.from_generator(next_epoch, output_signature=form).flat_map(in_batches)
    # The thread that tunes such a dataset, where there is nothing to tune, held up 17 of 60 new epochs by a second.
    options = tf.data.Options()
    options.autotune.enabled = False
    steps = math.ceil(num_images / recipe.batch_size)  # said here, as fit's steps_per_epoch would move epochs' borders
    return batches.apply(tf.data.experimental.assert_cardinality(steps)).prefetch(8).with_options(options)


class StepRates(keras.optimizers.schedules.LearningRateSchedule):
    """The learning rate of each step of an epoch; put the next epoch's into `rates`."""

    def __init__(self, steps: int) -> None:
        self.rates = tf.Variable(np.zeros(steps, keras.config.floatx()), trainable=False)

    def __call__(self, step: tf.Tensor) -> tf.Tensor:
        return self.rates[step % self.rates.shape[0]]


class Classifier(keras.Model):
    """A network as `fit` trains it: labels are smoothed in training alone, and the loss of each step is kept.

    The output of --non-digits is there in training alone.

    Made from the network's inputs and outputs, so that the network itself stays plain and is saved without this class.
    Keras's own `label_smoothing` would smooth the validation loss too, on which early stopping and plateaus depend.
    """

    def __init__(self, network: keras.Model, recipe: Recipe, num_classes: int, steps: int) -> None:
        """steps: of an epoch. The network computes in bfloat16 from now on, if the recipe says so."""
        set_precision(network, recipe.precision)
        super().__init__(network.inputs, network.outputs)
        self.label_smoothing, self.num_classes = recipe.label_smoothing, num_classes
        self.rates = StepRates(steps)
        self.step_losses = tf.Variable(np.zeros(steps, keras.config.floatx()), trainable=False)

    def call(self, inputs: tf.Tensor, training: bool = False, **more: Any) -> tf.Tensor:
        logits = super().call(inputs, training=training, **more)
        return logits if training else logits[:, : self.num_classes]

    def compute_loss(self, x: tf.Tensor, y: tf.Tensor, y_pred: tf.Tensor, *more: Any, training: bool) -> tf.Tensor:
        loss = super().compute_loss(x, y, y_pred, *more, training=training)
        if training:
            if self.label_smoothing:
                even = -keras.ops.mean(keras.ops.log_softmax(y_pred))  # the loss against all classes alike
                loss = (1 - self.label_smoothing) * loss + self.label_smoothing * even
            step = self.optimizer.iterations % self.step_losses.shape[0]
            self.step_losses.scatter_nd_update([[step]], [loss])
        return loss


class TrainingCallback(keras.callbacks.Callback):
    """What the loop of mnist_pytorch.py does before and after the steps of an epoch, and the live line during them.

    Keras's own EarlyStopping, ReduceLROnPlateau and ModelCheckpoint count epochs by themselves and forget it when a
    training is resumed; here the history decides, as in PyTorch's loop (mnist_twice/training/schedule.py).
    """

    def __init__(
        self,
        recipe: Recipe,
        num_images: int,
        state: TrainState,
        progress: Progress,
        checkpoint: Checkpoint | None,
        workers: Workers,
    ) -> None:
        """num_images: those of an epoch."""
        super().__init__()
        self.recipe, self.num_images, self.state = recipe, num_images, state
        self.progress, self.checkpoint, self.workers = progress, checkpoint, workers

    def on_epoch_begin(self, epoch: int, logs: dict[str, float]) -> None:
        rates = self.model.rates.rates
        rates.assign(learning_rates(self.recipe, rates.shape[0], self.progress.history))
        self.line = self.progress.live_line(self.recipe.epochs, self.num_images)
        self.started = time.perf_counter()

    def on_train_batch_end(self, batch: int, logs: dict[str, float]) -> None:
        self.seconds = time.perf_counter() - self.started  # of the steps: the last ends before validation
        self.line.set_postfix_str(f"loss {logs['loss']:.4f}, accuracy {logs['accuracy']:.2%}", refresh=False)
        self.line.update(min((batch + 1) * self.recipe.batch_size, self.num_images) - self.line.n)

    def on_test_begin(self, logs: dict[str, float]) -> None:
        self.state.swap_average()  # what is evaluated is the average of the weights, where the recipe keeps one
        set_precision(self.model, keras.config.floatx())  # `fit` builds the graph of the evaluation after this

    def on_test_end(self, logs: dict[str, float]) -> None:
        set_precision(self.model, self.recipe.precision)
        self.state.swap_average()

    def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
        self.line.close()
        row = {"epoch": epoch + 1, "learning_rate": float(self.model.rates.rates[-1])}
        row |= {"train_loss": logs["loss"], "train_accuracy": logs["accuracy"]}
        if "val_loss" in logs:
            row |= {"validation_loss": logs["val_loss"], "validation_accuracy": logs["val_accuracy"]}
        row |= {"seconds": round(self.seconds, 3)}
        row |= {"images_per_second": round(self.num_images / self.seconds, 1)}
        step_losses = self.model.step_losses.numpy().tolist()
        self.progress.add(self.workers.from_first(lambda: row), step_losses, self.recipe.epochs)  # it alone evaluates

        if self.recipe.keep_best and is_best(self.progress.history):
            self.state.keep_best()
        if self.checkpoint:
            self.checkpoint.write(self.progress, self.state.save())
        self.model.stop_training = is_over(self.recipe, self.progress.history)


class FusedAdam(keras.optimizers.Adam):
    """Keras's Adam, computed by the one kernel that TensorFlow has for it instead of a dozen small ones a variable.

    With `correct_epsilon` it is PyTorch's, and the paper's Algorithm 1: epsilon is added after the correction of the
    second moment's bias. Keras adds it before ('epsilon hat' in the paper's section 2).
    """

    def __init__(self, *args: object, correct_epsilon: bool = False, **more: object) -> None:
        super().__init__(*args, **more)
        self.correct_epsilon = correct_epsilon

    def apply(self, grads: list[tf.Tensor], trainable_variables: list[tf.Variable] | None = None) -> None:
        step = tf.cast(self.iterations + 1, keras.config.floatx())
        beta1, beta2 = tf.constant(self.beta_1, step.dtype), tf.constant(self.beta_2, step.dtype)
        self.powers = {"beta1_power": tf.pow(beta1, step), "beta2_power": tf.pow(beta2, step)}
        super().apply(grads, trainable_variables)

    def update_step(self, gradient: tf.Tensor, variable: tf.Variable, learning_rate: tf.Tensor) -> None:
        index = self._get_variable_index(variable)
        correction = tf.sqrt(1 - self.powers["beta2_power"]) if self.correct_epsilon else 1.0
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[index].value.handle,
            v=self._velocities[index].value.handle,
            lr=tf.cast(learning_rate, variable.dtype),
            beta1=self.beta_1,
            beta2=self.beta_2,
            epsilon=self.epsilon * correction,
            grad=gradient,
            **self.powers,
        )


def set_precision(model: keras.Model, precision: str) -> None:
    """Have every layer but the last compute in bfloat16, or else as its weights are, which stay as they are."""
    for layer in model.layers[:-1]:
        layer.dtype_policy = "mixed_bfloat16" if precision == "bfloat16" else precision
