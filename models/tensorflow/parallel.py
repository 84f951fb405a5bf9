"""Several workers in TensorFlow: processes with the same TF_CONFIG. models/pytorch/parallel.py is the twin.

Each worker computes its part of every batch, and all of them the same sums: gradients, the moments of batch
normalisation, and nothing else in a step. Dropout draws the mask of the whole batch everywhere. So the numbers are
those of one process, but for the order in which they are added.

Keras's `fit` does not work in the scope of a MultiWorkerMirroredStrategy. So the strategy only connects the processes,
and the sums are TensorFlow's operation for them; `fit` knows of nothing.
"""

import itertools
import os
from functools import partial
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from digits.training import ALONE, SeveralWorkers, Workers
from digits.training.cluster import check_port, read_cluster

GROUP = 0x6D6E6973  # of all our sums, unlike the small numbers that the strategy gives its own


def join_workers(device: str) -> Workers:
    """Return this process among those that train together: as TF_CONFIG says, or it alone."""
    if not os.environ.get("TF_CONFIG"):
        return ALONE
    addresses, rank = read_cluster(os.environ["TF_CONFIG"])
    return ParallelWorkers(addresses, rank) if len(addresses) > 1 else ALONE


class ParallelWorkers(SeveralWorkers):
    """This process among those that TF_CONFIG lists."""

    def __init__(self, addresses: list[str], rank: int) -> None:
        """Wait for all workers, and connect with them."""
        if not _connected:
            check_port(addresses[rank])
            os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")  # or the first worker takes all of a GPU
            _connected.append(tf.distribute.MultiWorkerMirroredStrategy())
        super().__init__(rank, len(addresses))

    def sum(self, array: NDArray[Any]) -> NDArray[Any]:
        """Return the sum of all workers' arrays."""
        with tf.device("CPU:0"):
            total: NDArray[Any] = self._reduce(tf.constant(array), next(_keys)).numpy()
        return total

    def parallel(self, model: keras.Model) -> keras.Model:
        """Return the compiled model, of which a step computes the gradient of the whole batch's loss in every worker.

        Its normalisations, its dropouts and its optimizer are changed in place, and those of models in it; what is
        saved of them is as ever.
        """
        model.optimizer.apply = partial(self.apply, model.optimizer.apply, next(_keys))
        for layer in _layers_in(model):
            if isinstance(layer, keras.layers.BatchNormalization):
                layer.call = partial(self.normalise, layer, layer.call, (next(_keys), next(_keys)))
            elif isinstance(layer, keras.layers.Dropout):
                layer.call = partial(self.drop, layer)
        return model

    def part(self, batch: tf.Tensor) -> tf.Tensor:
        """Return this worker's part of the batch; loss, normalisation and dropout are then of that batch."""
        self.total = tf.shape(batch)[0]
        self.start, self.stop = (self.total * edge // self.count for edge in (self.rank, self.rank + 1))
        return batch[self.start : self.stop]

    def weighted(self, loss: tf.Tensor) -> tf.Tensor:
        """Return the mean loss of this worker's part, such that the workers' sum is the mean of the whole batch."""
        share = tf.cast(self.stop - self.start, loss.dtype) / tf.cast(self.total, loss.dtype)
        return tf.where(share > 0, loss * share, 0)  # a mean of no images is not a number

    def apply(self, change: Any, key: int, gradients: list[tf.Tensor], variables: list[Any]) -> None:
        """Have `change`, an optimizer's apply, change the variables by the sum of all workers' gradients."""
        flat = self._reduce(tf.concat([tf.reshape(gradient, [-1]) for gradient in gradients], 0), key)
        # The shape of a gradient is not always known while the step is traced; its variable's is.
        parts = tf.split(flat, [int(np.prod(variable.shape)) for variable in variables])
        pairs = zip(parts, variables, strict=True)
        change([tf.reshape(part, variable.shape) for part, variable in pairs], variables)

    def normalise(
        self,
        layer: keras.layers.BatchNormalization,
        call: Any,
        keys: tuple[int, int],
        inputs: tf.Tensor,
        training: bool = False,
        mask: None = None,
    ) -> tf.Tensor:
        """Return the inputs normalised by the moments of the whole batch, as `layer` does by `call` in one process."""
        if not (training and layer.trainable):
            return call(inputs, training=training)
        values = tf.cast(inputs, layer.moving_mean.dtype)
        mean, variance = self._moments(values, keys)
        for moving, moment in ((layer.moving_mean, mean), (layer.moving_variance, variance)):
            moving.assign(moving * layer.momentum + moment * (1 - layer.momentum))
        scaled = (values - mean) * tf.math.rsqrt(variance + layer.epsilon)
        return tf.cast(scaled * layer.gamma + layer.beta, layer.compute_dtype)

    def drop(self, layer: keras.layers.Dropout, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Return the inputs after dropout, by this worker's part of the mask that a single process would draw."""
        if not (training and layer.rate > 0):
            return inputs
        ones = tf.ones(tf.concat([[self.total], tf.shape(inputs)[1:]], 0), inputs.dtype)
        mask = keras.random.dropout(ones, layer.rate, seed=layer.seed_generator)
        return inputs * mask[self.start : self.stop]

    def _moments(self, values: tf.Tensor, keys: tuple[int, int]) -> tuple[tf.Tensor, tf.Tensor]:
        """Return mean and variance, (C,), of the values of all workers."""
        axes = list(range(len(values.shape) - 1))
        n = tf.cast(tf.reduce_prod(tf.shape(values)[:-1]), values.dtype)
        mean = tf.math.divide_no_nan(tf.reduce_sum(values, axes), n)
        variance = tf.math.divide_no_nan(tf.reduce_sum((values - mean) ** 2, axes), n)
        ours = tf.concat([mean, variance, [n]], 0)
        place = tf.one_hot(self.rank, self.count, dtype=values.dtype)
        all_ours = self._sum_of(place[:, None] * ours, keys)  # (workers, 2 C + 1): zeros from all others
        # Chan, Golub and LeVeque (1983), 'Algorithms for computing the sample variance': no large numbers cancel out.
        C = values.shape[-1]
        means, variances, counts = tf.split(all_ours, [C, C, 1], axis=1)
        shares = tf.stop_gradient(counts / tf.reduce_sum(counts))
        mean = tf.reduce_sum(shares * means, 0)
        return mean, tf.reduce_sum(shares * (variances + (means - mean) ** 2), 0)

    def _sum_of(self, values: tf.Tensor, keys: tuple[int, int]) -> tf.Tensor:
        """Return the sum of all workers' values; its gradient is the sum of their gradients."""

        def summed(values: tf.Tensor) -> Any:
            return self._reduce(values, keys[0]), lambda gradient: self._reduce(gradient, keys[1])

        return tf.custom_gradient(summed)(values)

    def _reduce(self, values: tf.Tensor, key: int) -> tf.Tensor:
        return tf.raw_ops.CollectiveReduceV2(
            input=values,
            group_size=self.count,
            group_key=GROUP,
            instance_key=key,
            ordering_token=[],
            merge_op="Add",
            final_op="Id",
        )


_connected: list[Any] = []  # the strategy, as long as the process lives
_keys = itertools.count(1)  # of sums, by which workers find each other's; those of a step are the same in each step


def _layers_in(model: keras.Model) -> list[keras.layers.Layer]:
    return [inner for layer in model.layers for inner in (_layers_in(layer) if hasattr(layer, "layers") else [layer])]
