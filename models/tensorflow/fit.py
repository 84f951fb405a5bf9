"""What `fit` is given beyond Keras's own parts: images looked up by number, rates by step, Adam as one kernel.

PyTorch has no such file, since its loop says these things itself or PyTorch brings them.
"""

import math
from collections.abc import Iterator

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from digits.training import ALONE, Recipe, Workers, epoch_length, epoch_order


def index_batches(indices: NDArray[np.int64], labels: NDArray[np.uint8], recipe: Recipe, first: int) -> tf.data.Dataset:
    """Return a dataset of (indices, labels); each pass over it is the next epoch in its order, from `first` on."""
    epochs = iter(range(first, recipe.epochs))
    num_images = epoch_length(len(indices), recipe.batch_size)

    def next_epoch() -> Iterator[NDArray[np.int64]]:
        yield epoch_order(indices, recipe.seed, next(epochs), recipe.batch_size)

    def in_batches(order: tf.Tensor) -> tf.data.Dataset:
        starts = tf.data.Dataset.range(0, num_images, recipe.batch_size)
        return starts.map(lambda start: order[start : start + recipe.batch_size])

    orders = tf.data.Dataset.from_generator(next_epoch, output_signature=tf.TensorSpec((num_images,), tf.int64))
    label_table = tf.constant(labels.astype(np.int64))
    batches = orders.flat_map(in_batches).map(lambda batch: (batch, tf.gather(label_table, batch)))
    num_batches = math.ceil(num_images / recipe.batch_size)
    # The thread that tunes such a dataset, where there is nothing to tune, held up 17 of 60 new epochs by a second.
    options = tf.data.Options()
    options.autotune.enabled = False
    return batches.apply(tf.data.experimental.assert_cardinality(num_batches)).prefetch(64).with_options(options)


class LookUp(keras.layers.Layer):
    """Indices, int64 (N,), to raw images, uint8 (N, 28, 28), of a set that stays where this layer is built.

    Training sees `images`, which may be another form of the set in each epoch; validation always sees the set itself.
    """

    def __init__(self, images: NDArray[np.uint8], changing: bool) -> None:
        super().__init__()
        self.original = tf.Variable(images, trainable=False)
        self.images = tf.Variable(images, trainable=False) if changing else self.original

    def call(self, indices: tf.Tensor, training: bool = False) -> tf.Tensor:
        return tf.gather(self.images if training else self.original, indices)


class StepRates(keras.optimizers.schedules.LearningRateSchedule):
    """The learning rate of each step of an epoch; put the next epoch's into `rates`."""

    def __init__(self, steps: int) -> None:
        self.rates = tf.Variable(np.zeros(steps, keras.config.floatx()), trainable=False)

    def __call__(self, step: tf.Tensor) -> tf.Tensor:
        return self.rates[step % self.rates.shape[0]]


class Trainer(keras.Model):
    """A model that keeps each step's loss and can smooth the labels, which Keras's loss for class numbers cannot."""

    def prepare(self, steps: int, label_smoothing: float, workers: Workers = ALONE) -> None:
        """Say how many steps an epoch has, before compiling."""
        self.label_smoothing, self.workers = label_smoothing, workers
        self.step_losses = tf.Variable(np.zeros(steps, keras.config.floatx()), trainable=False)

    def compute_loss(
        self,
        x: tf.Tensor = None,
        y: tf.Tensor = None,
        y_pred: tf.Tensor = None,
        sample_weight: tf.Tensor = None,
        training: bool = True,
    ) -> tf.Tensor:
        loss = super().compute_loss(x, y, y_pred, sample_weight, training)
        if training:
            if self.label_smoothing:
                even = -keras.ops.mean(keras.ops.log_softmax(y_pred))  # the loss against all classes alike
                loss = (1 - self.label_smoothing) * loss + self.label_smoothing * even
            loss = self.workers.weighted(loss)
            step = self.optimizer.iterations % self.step_losses.shape[0]
            self.step_losses.scatter_nd_update([[step]], [loss])
        return loss


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


def set_precision(model: keras.Model, policy: str) -> None:
    """Have every layer compute as the policy says; weights stay as they are, and so does the last layer."""
    for layer in model.layers[:-1]:
        layer.dtype_policy = policy
