"""Workers: the processes that train one network together, each on its part of every batch; usually there is one.

What is here needs no framework. models/pytorch/parallel.py and models/tensorflow/parallel.py connect the processes, and
share out what only a framework can: the images of a batch, and the sum of the gradients.
"""

from __future__ import annotations

import pickle
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from digits.errors import UserError
from digits.training.progress import say_nothing

T = TypeVar("T")


class Workers:
    """One process alone: all of this changes nothing. SeveralWorkers has the same for several."""

    rank, count = 0, 1

    def __init__(self, restarts: int | None = None) -> None:
        """`restarts`: how often a launcher has started this training again; None without one that would."""
        self.restarts = restarts

    def sum(self, array: NDArray[Any]) -> NDArray[Any]:
        """Return the sum of all workers' arrays, of one shape and dtype (int32, float32 or float64)."""
        return array

    @contextmanager
    def together(self) -> Iterator[None]:
        """Do the block in each worker; where it is a UserError in one, it is in all."""
        yield

    def wait(self) -> None:
        """Return when all workers have come here."""

    def agree(self, facts: Mapping[str, Any]) -> None:
        """Raise UserError where other workers have other facts (options, data, versions)."""

    def from_first(self, read: Callable[[], T]) -> T:
        """Return what `read` returns in the first worker, or raise its UserError, in each."""
        return read()

    def parallel(self, model: Any) -> Any:
        """Return what is trained in place of the model, and changes its weights by the whole batch's gradient."""
        return model

    def weighted(self, loss: Any) -> Any:
        """Return the mean loss of this worker's part, such that the sum of all workers' is the mean of the batch.

        In TensorFlow alone: in PyTorch each worker computes the loss of the whole batch.
        """
        return loss

    def size(self, num_images: int, batch_size: int) -> int:
        """Return how many of an epoch's images are this worker's; in TensorFlow alone as well."""
        return num_images


ALONE = Workers()


class SeveralWorkers(Workers):
    """What several processes do alike in both frameworks; all of it is made from one operation, the sum over all."""

    def __init__(self, rank: int, count: int, restarts: int | None = None, alone_on_terminal: bool = True) -> None:
        """`alone_on_terminal`: no worker of a lower rank prints its errors to the same terminal."""
        super().__init__(restarts)
        self.rank, self.count, self.alone_on_terminal = rank, count, alone_on_terminal
        if rank:
            say_nothing()

    @abstractmethod
    def sum(self, array: NDArray[Any]) -> NDArray[Any]: ...

    @contextmanager
    def together(self) -> Iterator[None]:
        fault = None
        try:
            yield
        except UserError as error:
            fault = str(error)
        if faults := [fault for fault in self.exchange(fault) if fault]:
            if not self.alone_on_terminal:
                raise SystemExit(1)
            raise UserError(faults[0])

    def wait(self) -> None:
        self.sum(np.zeros(1, np.int32))

    def agree(self, facts: Mapping[str, Any]) -> None:
        first = self.exchange(dict(facts))[0]
        with self.together():
            for name in sorted({*first, *facts}):
                if facts.get(name) != first.get(name):
                    ours, theirs = (" ".join(str(one.get(name)).split())[:200] for one in (facts, first))
                    raise UserError(
                        f"the workers differ: {name} is {ours} on worker {self.rank} and {theirs} on worker 0; give "
                        "all of them the same options, data and versions."
                    )

    def from_first(self, read: Callable[[], T]) -> T:
        found: T | None = None
        with self.together():
            found = read() if self.rank == 0 else None
        answer: T = self.exchange(found)[0]
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


def part_of(batch_size: int, rank: int, count: int) -> slice:
    """Return which images of a batch a worker has: sizes differ by one at most, and the first has one at least."""
    return slice(*(-(-batch_size * edge // count) for edge in (rank, rank + 1)))
