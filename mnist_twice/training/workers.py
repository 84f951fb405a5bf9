"""Workers: the processes that train one network together, each on its part of every batch; usually there is one.

What is here needs no framework. parallel.py of mnist_twice/pytorch and of mnist_twice/tensorflow connect the processes,
and share out the images of a batch.
"""

import os
import pickle
import sys
from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from mnist_twice.errors import UserError
from mnist_twice.training.progress import Progress

T = TypeVar("T")
LAUNCHERS = ("WORLD_SIZE", "SLURM_STEP_NUM_TASKS", "RANK", "LOCAL_RANK", "TF_CONFIG")
"""Variables by which launchers tell processes of each other; the first two hold how many there are."""


class Workers:
    """One process alone: all of this changes nothing. SeveralWorkers has the same for several."""

    rank, count = 0, 1

    def __init__(self, restarts: int | None = None) -> None:
        """`restarts`: how often a launcher has started this training again; None without one that would."""
        self.restarts = restarts

    def wait(self) -> None:
        """Return when all workers have come here."""

    def agree(self, facts: Mapping[str, Any]) -> None:
        """Raise UserError if workers have other facts (options, data, versions)."""

    def from_first(self, read: Callable[[], T]) -> T:
        """Return what `read` returns in the first worker, in each."""
        return read()

    def parallel(self, model: Any) -> Any:
        """Return what is trained in place of the model: it computes the logits of a whole batch, of which each worker
        has a part, and its weights change by the whole batch's gradient."""
        return model


ALONE = Workers()


def check_alone(launcher: str) -> None:
    """Raise UserError if several processes were started that do not know how to find each other: each would train
    alone, and all write the same run. `launcher`: what starts them so that they do."""
    for name in LAUNCHERS[:2]:
        count = os.environ.get(name, "")
        if count.isdecimal() and int(count) > 1:
            raise UserError(
                f"{count} processes were started (by {name}), but not told how to find each other: each would train "
                f"alone and write the same run. Start one, or start them with {launcher} (docs/distributed.md)."
            )


class SeveralWorkers(Workers):
    """What several processes do alike in both frameworks; all of it is made from one operation, the sum over all."""

    def __init__(self, rank: int, count: int, restarts: int | None = None) -> None:
        super().__init__(restarts)
        self.rank, self.count = rank, count
        if rank:  # prints nothing but errors, as the first prints the same
            sys.stdout = open(os.devnull, "w")  # noqa: SIM115 (for as long as the process lives)
            Progress.hidden = True

    @abstractmethod
    def sum(self, array: NDArray[Any]) -> NDArray[Any]:
        """Return the sum of all workers' arrays, of one shape and dtype (int32, float32 or float64)."""

    def wait(self) -> None:
        self.sum(np.zeros(1, np.int32))

    def agree(self, facts: Mapping[str, Any]) -> None:
        everyone = self.exchange(dict(facts))
        for rank, one in enumerate(everyone):
            for name in sorted({*one, *everyone[0]}):
                ours, theirs = everyone[0].get(name), one.get(name)
                if ours != theirs:
                    raise UserError(
                        f"the workers differ: {name} is {theirs} on worker {rank} and {ours} on worker 0; give all of "
                        "them the same options, data and versions."
                    )

    def from_first(self, read: Callable[[], T]) -> T:
        answer: T = self.exchange(read() if self.rank == 0 else None)[0]
        return answer

    def exchange(self, value: Any) -> list[Any]:
        """Return every worker's value, by rank. They are pickled: workers trust each other, as they share weights."""
        data = np.frombuffer(pickle.dumps(value), np.uint8)
        sizes = np.zeros(self.count, np.int32)
        sizes[self.rank] = len(data)
        ends = np.cumsum(self.sum(sizes))
        everything = np.zeros(ends[-1], np.int32)  # a byte in each: both frameworks can add these
        everything[ends[self.rank] - len(data) : ends[self.rank]] = data
        parts = np.split(self.sum(everything).astype(np.uint8), ends[:-1])
        return [pickle.loads(part.tobytes()) for part in parts]


def edges_of(batch_size: Any, rank: int, count: int) -> tuple[Any, Any]:
    """Return the first of a batch's images that a worker has, and the first that the next one has.

    Parts differ by one image at most, and the first worker has one at least. The size may be a tensor.
    """
    return -(-batch_size * rank // count), -(-batch_size * (rank + 1) // count)
