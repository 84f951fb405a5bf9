"""Several workers in TensorFlow: processes with the same TF_CONFIG. models/pytorch/parallel.py is the twin.

Each worker computes its part of every batch, with the weight that the part has, and the gradients are added up. Batch
normalisation and dropout see the part alone.

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
from digits.training.workers import part_of

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
        with tf.device("CPU:0"):
            total: NDArray[Any] = self._reduce(tf.constant(array), next(_keys)).numpy()
        return total

    def parallel(self, model: keras.Model) -> keras.Model:
        """Return the compiled model, changed in place: what is saved of it is as ever."""
        model.train_step = partial(self._train_step, model.train_step)
        model.call = partial(self._call, model.call)
        model.optimizer.apply = partial(self._apply, model.optimizer.apply, next(_keys))
        return model

    def size(self, num_images: int, batch_size: int) -> int:
        whole, rest = divmod(num_images, batch_size)
        of_whole, of_rest = (len(range(size)[part_of(size, self.rank, self.count)]) for size in (batch_size, rest))
        return whole * of_whole + of_rest

    def weighted(self, loss: tf.Tensor) -> tf.Tensor:
        share = tf.cast(self.stop - self.start, loss.dtype) / tf.cast(self.total, loss.dtype)
        return tf.where(share > 0, loss * share, 0)  # a mean of no images is not a number

    def _train_step(self, step: Any, batch: tuple[tf.Tensor, tf.Tensor]) -> dict[str, tf.Tensor]:
        inputs, labels = batch
        self.total = tf.shape(labels)[0]
        self.start, self.stop = (-(-self.total * edge // self.count) for edge in (self.rank, self.rank + 1))
        # The inputs stay whole, since Keras gives an epoch's losses the weight of their number.
        metrics: dict[str, tf.Tensor] = step((inputs, labels[self.start : self.stop]))
        return metrics

    def _call(self, call: Any, inputs: tf.Tensor, training: bool = False, mask: None = None) -> tf.Tensor:
        return call(inputs[self.start : self.stop] if training else inputs, training=training)

    def _apply(self, apply: Any, key: int, gradients: list[tf.Tensor], variables: list[Any]) -> None:
        """Have an optimizer's `apply` change the variables by the sum of all workers' gradients."""
        flat = self._reduce(tf.concat([tf.reshape(gradient, [-1]) for gradient in gradients], 0), key)
        # The shape of a gradient is not always known while the step is traced; its variable's is.
        parts = tf.split(flat, [int(np.prod(variable.shape)) for variable in variables])
        pairs = zip(parts, variables, strict=True)
        apply([tf.reshape(part, variable.shape) for part, variable in pairs], variables)

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
