"""Several workers in TensorFlow: processes with the same TF_CONFIG. mnist_twice/pytorch/parallel.py is the twin.

Each worker computes the logits of its part of every batch and is told those of the others, so that all compute the loss
of the whole batch, and the gradients are added up. Batch normalisation and dropout see the part alone.

Keras's `fit` does not work in the scope of a MultiWorkerMirroredStrategy. So the strategy only connects the processes,
and the sums are TensorFlow's operation for them; `fit` knows of nothing.
"""

import itertools
import json
import os
from functools import partial
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from mnist_twice.errors import UserError
from mnist_twice.training import ALONE, SeveralWorkers, Workers
from mnist_twice.training.workers import check_alone, edges_of

GROUP = 0x6D6E6973  # of all our sums, unlike the small numbers that the strategy gives its own
OF_LOGITS = 1 << 24  # above all other keys of sums
EXAMPLE = '{"cluster": {"worker": ["host1:12345", "host2:12345"]}, "task": {"type": "worker", "index": 0}}'


def join_workers(device: str) -> Workers:
    """Return this process among those that train together: as TF_CONFIG says, or it alone."""
    rank, count = place_in(os.environ.get("TF_CONFIG") or "{}")
    if count > 1:
        return ParallelWorkers(rank, count)
    check_alone("a TF_CONFIG for each")
    return ALONE


def place_in(text: str) -> tuple[int, int]:
    """Return the rank in TF_CONFIG, in which a chief is the first worker, and how many workers there are."""
    try:
        config = json.loads(text)
        if config == {}:
            return 0, 1
        cluster, kind, index = config["cluster"], config["task"]["type"], int(config["task"]["index"])
        everyone = [(name, number) for name in ("chief", "worker") for number in range(len(cluster.get(name, ())))]
        if not cluster.keys() <= {"chief", "worker"}:
            raise ValueError
        return everyone.index((kind, index)), len(everyone)
    except (ValueError, TypeError, LookupError, AttributeError):
        raise UserError(
            "TF_CONFIG must list the address of each worker and say which of them this one is, counted from 0; "
            f"parameter servers and evaluators are not supported. An example: {EXAMPLE}"
        ) from None


class ParallelWorkers(SeveralWorkers):
    """This process among those that TF_CONFIG lists."""

    def __init__(self, rank: int, count: int) -> None:
        """Wait for all workers, and connect with them."""
        os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")  # or the first worker takes all of a GPU
        try:
            self.strategy = tf.distribute.MultiWorkerMirroredStrategy()
        except tf.errors.OpError as error:
            raise UserError(
                f"cannot connect the workers that TF_CONFIG lists ({error.message}); see that their ports are free."
            ) from None
        self.keys = itertools.count(1)  # of sums, by which workers find each other's
        super().__init__(rank, count)

    def sum(self, array: NDArray[Any]) -> NDArray[Any]:
        with tf.device("CPU:0"):
            total: NDArray[Any] = self._reduce(tf.constant(array), next(self.keys)).numpy()
        return total

    def parallel(self, model: keras.Model) -> keras.Model:
        """Return the compiled model, changed in place: what is saved of it is as ever."""
        model.call = partial(self._call, model.call)
        model.optimizer.apply = partial(self._apply, model.optimizer.apply, next(self.keys))
        return model

    def _call(self, call: Any, images: tf.Tensor, training: bool = False, mask: None = None) -> tf.Tensor:
        """Return the logits of the whole batch, of which this worker computes its part."""
        if not training:
            return call(images, training=False)
        total = tf.shape(images)[0]
        start, stop = edges_of(total, self.rank, self.count)
        # A worker without images computes one that counts nowhere: batch normalisation has no moments of none.
        first = tf.minimum(start, total - 1)
        logits = call(images[first : tf.maximum(stop, first + 1)], training=True)[: stop - start]
        padded = tf.pad(tf.stop_gradient(logits), [[start, total - stop], [0, 0]])
        everyone = self._reduce(padded, OF_LOGITS + total)  # each size of batch has sums of its own
        return tf.concat([everyone[:start], logits, everyone[stop:]], 0)

    def _apply(self, apply: Any, key: int, gradients: list[tf.Tensor], variables: list[Any]) -> None:
        """Have an optimizer's `apply` change the variables by the sum of all workers' gradients."""
        flat = self._reduce(tf.concat([tf.reshape(gradient, [-1]) for gradient in gradients], 0), key)
        # The shape of a gradient is not always known while the step is traced; its variable's is.
        parts = tf.split(flat, [int(np.prod(variable.shape)) for variable in variables])
        pairs = zip(parts, variables, strict=True)
        apply([tf.reshape(part, variable.shape) for part, variable in pairs], variables)

    def _reduce(self, values: tf.Tensor, key: int | tf.Tensor) -> tf.Tensor:
        return tf.raw_ops.CollectiveReduceV2(
            input=values,
            group_size=self.count,
            group_key=GROUP,
            instance_key=key,
            ordering_token=[],
            merge_op="Add",
            final_op="Id",
        )
