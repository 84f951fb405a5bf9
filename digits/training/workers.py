"""Workers: the processes that train one network together, each on its share of every batch; usually there is one.

What is here needs no framework. models/pytorch/parallel.py and models/tensorflow/parallel.py start the processes'
connection, and share out what only a framework can: gradients, batch normalisation and dropout.
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
Predict = Callable[[Any, NDArray[np.uint8]], NDArray[np.float32]]

EVALUATION_BATCH = 500
"""Images that `predict` classifies at a time. Workers share out whole batches, so that each is computed alike."""


class Workers:
    """One process alone: all of this changes nothing. SeveralWorkers has the same for several."""

    rank, count = 0, 1

    def __init__(self, restarts: int | None = None) -> None:
        """`restarts`: how often a launcher has started this training again; None without one that would."""
        self.restarts = restarts

    def sum(self, array: NDArray[Any]) -> NDArray[Any]:
        """Return the sum of all workers' arrays, of one shape and dtype (int64, float32 or float64)."""
        return array

    def size(self, num_images: int, batch_size: int = 0) -> int:
        """Return how many of so many images are this worker's: of training in batches, or of an evaluation (0)."""
        return num_images

    def held_out(self, indices: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return those of the images to validate on that this worker is to evaluate."""
        return indices

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

    def share_out(self, predict: Predict, model: Any, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return predict(model, images), of which each worker computes a part."""
        return predict(model, images)

    def rows(self, num_images: int, batch_size: int) -> Any:
        """Return where this worker's images are among so many in batches: an index into their order."""
        return slice(None)

    def gather(self, values: Any, rows: Any, total: int) -> Any:
        """Return all workers' `values`, (total, ...), of which this one's are those at `rows`."""
        return values

    def parallel(self, model: Any) -> Any:
        """Return what is trained in place of the model, and changes its weights."""
        return model

    def part(self, batch: Any) -> Any:
        """Return this worker's part of the batch; loss, normalisation and dropout are then of that batch."""
        return batch

    def weighted(self, loss: Any) -> Any:
        """Return the mean loss of this worker's part with the weight that the part has."""
        return loss

    def own(self, values: Any) -> Any:
        """Return the values, one an image of the part, of images that are this worker's own."""
        return values


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

    def size(self, num_images: int, batch_size: int = 0) -> int:
        if batch_size:
            return len(own_rows(num_images, batch_size, self.rank, self.count))
        share = share_of(num_images, self.rank, self.count, EVALUATION_BATCH)
        return len(range(share.start, share.stop))

    def held_out(self, indices: NDArray[np.int64]) -> NDArray[np.int64]:
        share = share_of(len(indices), self.rank, self.count, EVALUATION_BATCH)
        return (
            indices[share] if share.stop > share.start else indices[:1]
        )  # where none is left, one that counts nowhere

    @contextmanager
    def together(self) -> Iterator[None]:
        fault = None
        try:
            yield
        except UserError as error:
            fault = str(error)
        self._refuse(self.exchange(fault))

    def wait(self) -> None:
        self.sum(np.zeros(1, np.int64))

    def agree(self, facts: Mapping[str, Any]) -> None:
        all_facts = self.exchange(dict(facts))
        ours = all_facts[0]
        for rank, theirs in enumerate(all_facts):
            for name in sorted({*ours, *theirs}):
                if theirs.get(name) != ours.get(name):
                    a, b = (" ".join(str(one.get(name)).split())[:200] for one in (theirs, ours))
                    self._refuse(
                        [
                            f"the workers differ: {name} is {a} on worker {rank} and {b} on worker 0; give all of them "
                            "the same options, data and versions."
                        ]
                    )

    def from_first(self, read: Callable[[], T]) -> T:
        found: T | None = None
        fault: str | None = None
        try:
            found = read() if self.rank == 0 else None
        except UserError as error:
            fault = str(error)
        answer, fault = self.exchange((found, fault))[0]
        self._refuse([fault])
        result: T = answer
        return result

    def share_out(self, predict: Predict, model: Any, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        part = share_of(len(images), self.rank, self.count, EVALUATION_BATCH)
        size = part.stop - part.start
        # A worker without images classifies one all the same, to know how many classes there are.
        computed = predict(model, images[part] if size else images[:1])[:size]
        return self.place(computed, np.arange(part.start, part.stop), len(images))

    def rows(self, num_images: int, batch_size: int) -> Any:
        return own_rows(num_images, batch_size, self.rank, self.count)

    def place(self, values: NDArray[Any], rows: NDArray[np.int64], total: int) -> NDArray[Any]:
        """Return all workers' values, (total, ...), of which this one's are those at `rows`."""
        whole = np.zeros((total, *values.shape[1:]), values.dtype)
        whole[rows] = values
        return self.sum(whole)  # zeros from all others: exact

    def exchange(self, value: Any) -> list[Any]:
        """Return every worker's value, by rank. They are pickled: workers trust each other, as they share weights."""
        data = np.frombuffer(pickle.dumps(value), np.uint8)
        sizes = self.place(np.array([len(data)], np.int64), np.array([self.rank]), self.count)
        words = -(-sizes // 8)  # sent as whole numbers of 8 bytes, which every framework can add
        start = int(words[: self.rank].sum())
        padded = np.zeros(8 * int(words[self.rank]), np.uint8)
        padded[: len(data)] = data
        place = np.arange(start, start + int(words[self.rank]))
        whole = self.place(padded.view(np.int64), place, int(words.sum())).tobytes()
        starts = 8 * (np.cumsum(words) - words)
        return [
            pickle.loads(whole[begin : begin + size])
            for begin, size in zip(starts.tolist(), sizes.tolist(), strict=True)
        ]

    def _refuse(self, faults: list[str | None]) -> None:
        """End all workers with the first fault, if there is one, printed once on each terminal."""
        fault = next((fault for fault in faults if fault), None)
        if fault is None:
            return
        if not self.alone_on_terminal:
            raise SystemExit(1)
        raise UserError(fault)


def share_of(n: int, rank: int, count: int, batch: int = 1) -> slice:
    """Return which of n things, in whole batches of them, a worker has: the shares differ by one batch at most."""
    batches = -(-n // batch)
    return slice(*(min(n, batches * edge // count * batch) for edge in (rank, rank + 1)))


def own_rows(n: int, batch_size: int, rank: int, count: int) -> NDArray[np.int64]:
    """Return, ascending, which of n images a worker has where it has its share of every batch."""
    rows = []
    for start in range(0, n, batch_size):
        part = share_of(min(batch_size, n - start), rank, count)
        rows.append(np.arange(start + part.start, start + part.stop))
    return np.concatenate(rows) if rows else np.zeros(0, np.int64)
