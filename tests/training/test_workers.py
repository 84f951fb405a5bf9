"""How workers share out images and exchange what they know, and what TF_CONFIG may be."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnist_twice.errors import UserError
from mnist_twice.training.workers import SeveralWorkers, check_alone, edges_of


@given(st.integers(1, 100), st.integers(1, 7))
def test_every_image_of_a_batch_has_one_worker(n: int, count: int) -> None:
    parts = [range(*edges_of(n, rank, count)) for rank in range(count)]
    assert [i for part in parts for i in part] == list(range(n))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1
    assert len(parts[0])


@pytest.mark.parametrize("name", ["WORLD_SIZE", "SLURM_STEP_NUM_TASKS"])
def test_processes_that_would_each_train_alone_are_refused(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for alone in ("1", ""):
        monkeypatch.setenv(name, alone)
        check_alone("torchrun")
    monkeypatch.setenv(name, "2")
    with pytest.raises(UserError, match=rf"^2 processes were started \(by {name}\).* start them with torchrun"):
        check_alone("torchrun")


class Threads(SeveralWorkers):
    """Workers that are threads of one process, and add up their arrays in a list."""

    def __init__(self, rank: int, count: int, barrier: threading.Barrier, arrays: list[Any]) -> None:
        self.rank, self.count, self.barrier, self.arrays = rank, count, barrier, arrays

    def sum(self, array: np.ndarray) -> np.ndarray:
        self.arrays[self.rank] = array
        self.barrier.wait(60)
        total = sum(self.arrays)
        self.barrier.wait(60)
        return np.asarray(total)


def on_workers(function: Callable[[Threads], Any]) -> list[Any]:
    """Do the same in three workers; return what came of it in each, errors included."""
    barrier, arrays = threading.Barrier(3), [None] * 3

    def do(rank: int) -> Any:
        try:
            return function(Threads(rank, 3, barrier, arrays))
        except UserError as error:
            return error

    with ThreadPoolExecutor(3) as pool:
        return list(pool.map(do, range(3)))


def test_each_worker_learns_what_the_others_say() -> None:
    values = ["", b"\xff" * 300, {"seed": [1, None]}]
    assert on_workers(lambda worker: worker.exchange(values[worker.rank])) == [values] * 3
    assert on_workers(lambda worker: worker.from_first(lambda: worker.rank)) == [0] * 3


def test_workers_that_differ_are_told_in_what() -> None:
    assert on_workers(lambda worker: worker.agree({"seed": 1})) == [None] * 3
    errors = on_workers(lambda worker: worker.agree({"seed": 1, "batch_size": 32 if worker.rank == 2 else 64}))
    said = "the workers differ: batch_size is 32 on worker 2 and 64 on worker 0; give all of them the same"
    assert all(str(error).startswith(said) for error in errors)


@pytest.mark.tensorflow
@pytest.mark.parametrize(
    ("kind", "index", "cluster", "place"),
    [
        ("worker", "1", {"worker": ["a:1", "b:2"]}, (1, 2)),
        ("chief", 0, {"chief": ["c:3"], "worker": ["a:1", "[::1]:2"]}, (0, 3)),
        ("worker", 1, {"chief": ["c:3"], "worker": ["a:1", "[::1]:2"]}, (2, 3)),
        ("worker", 2, {"worker": ["a:1", "b:2"]}, None),
        ("chief", 0, {"worker": ["a:1", "b:2"]}, None),
        ("worker", 0, {"worker": ["a:1"], "ps": ["b:1"]}, None),
    ],
)
def test_tf_config(kind: str, index: object, cluster: object, place: tuple[int, int] | None) -> None:
    from mnist_twice.tensorflow.parallel import place_in

    assert place_in("{}") == (0, 1)
    text = json.dumps({"cluster": cluster, "task": {"type": kind, "index": index}})
    if place:
        assert place_in(text) == place
    else:
        with pytest.raises(UserError, match="TF_CONFIG must list the address of each worker"):
            place_in(text)
