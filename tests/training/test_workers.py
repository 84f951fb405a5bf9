"""How workers share out images and exchange what they know, and what TF_CONFIG may be."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from digits.errors import UserError
from digits.training import workers
from digits.training.cluster import check_port, read_cluster
from digits.training.workers import SeveralWorkers, part_of


@given(st.integers(1, 100), st.integers(1, 7))
def test_every_image_of_a_batch_has_one_worker(n: int, count: int) -> None:
    parts = [range(n)[part_of(n, rank, count)] for rank in range(count)]
    assert [i for part in parts for i in part] == list(range(n))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1
    assert len(parts[0])


class Threads(SeveralWorkers):
    """Workers that are threads of one process, and add up their arrays in a list."""

    def __init__(self, rank: int, count: int, barrier: threading.Barrier, arrays: list[Any], first: bool) -> None:
        super().__init__(rank, count, alone_on_terminal=first)
        self.barrier, self.arrays = barrier, arrays

    def sum(self, array: np.ndarray) -> np.ndarray:
        self.arrays[self.rank] = array
        self.barrier.wait(60)
        total = sum(self.arrays)
        self.barrier.wait(60)
        return np.asarray(total)


@pytest.fixture
def on_workers(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[Any]]:
    """Give a function that does the same in three workers, and returns what came of it in each, errors included."""
    monkeypatch.setattr(workers, "say_nothing", lambda: None)

    def run(function: Callable[[Threads], Any], one_terminal: bool = False) -> list[Any]:
        barrier, arrays = threading.Barrier(3), [None] * 3

        def do(rank: int) -> Any:
            try:
                return function(Threads(rank, 3, barrier, arrays, rank == 0 or not one_terminal))
            except (UserError, SystemExit) as error:
                return error

        with ThreadPoolExecutor(3) as pool:
            return list(pool.map(do, range(3)))

    return run


def test_each_worker_learns_what_the_others_say(on_workers: Callable[..., list[Any]]) -> None:
    values = ["", b"\xff" * 300, {"seed": [1, None]}]
    assert on_workers(lambda worker: worker.exchange(values[worker.rank])) == [values] * 3


def test_a_fault_of_one_is_that_of_all(on_workers: Callable[..., list[Any]]) -> None:
    def load(worker: Threads) -> None:
        with worker.together():
            if worker.rank == 1:
                raise UserError("no dataset here; download it.")

    assert [str(error) for error in on_workers(load)] == ["no dataset here; download it."] * 3
    first, *others = on_workers(load, one_terminal=True)
    assert isinstance(first, UserError)
    assert [error.code for error in others] == [1, 1]  # silent: the first says it


def test_workers_that_differ_are_told_in_what(on_workers: Callable[..., list[Any]]) -> None:
    assert on_workers(lambda worker: worker.agree({"seed": 1})) == [None] * 3
    errors = on_workers(lambda worker: worker.agree({"seed": 1, "batch_size": 32 if worker.rank == 2 else 64}))
    said = "the workers differ: batch_size is 32 on worker 2 and 64 on worker 0; give all of them the same"
    assert all(str(error).startswith(said) for error in errors)


def test_only_the_first_reads(on_workers: Callable[..., list[Any]]) -> None:
    assert on_workers(lambda worker: worker.from_first(lambda: worker.rank)) == [0] * 3

    def damaged(worker: Threads) -> Any:
        def read() -> str:
            raise UserError(f"it is damaged, says {worker.rank}.")

        return worker.from_first(read)

    assert [str(error) for error in on_workers(damaged)] == ["it is damaged, says 0."] * 3


# --- TF_CONFIG ---


def config(kind: str = "worker", index: Any = 0, **cluster: Any) -> str:
    return json.dumps({"cluster": cluster or {"worker": ["a:1", "b:2"]}, "task": {"type": kind, "index": index}})


def test_workers_of_tf_config() -> None:
    assert read_cluster(config(index="1")) == (["a:1", "b:2"], 1)
    chief = {"chief": ["c:3"], "worker": ["a:1", "[::1]:2"]}
    assert read_cluster(config("chief", 0, **chief)) == (["c:3", "a:1", "[::1]:2"], 0)
    assert read_cluster(config("worker", 1, **chief)) == (["c:3", "a:1", "[::1]:2"], 2)


@pytest.mark.parametrize(
    "text",
    [
        *("{", "[]", '{"cluster": {"worker": ["a:1"]}}', '{"cluster": [], "task": {"type": "worker", "index": 0}}'),
        *(config(index="one"), config(index=2), config(index=-1), config("chief"), config(worker=["a:1"], ps=["b:1"])),
        *(config(worker=["a", "b:1"]), config(worker=["a:0", "b:1"]), config(worker=["a:1", "a:1"])),
    ],
)
def test_wrong_tf_config(text: str) -> None:
    with pytest.raises(UserError, match="TF_CONFIG must list the address of each worker"):
        read_cluster(text)


def test_port_in_use() -> None:
    with socket.socket() as other:
        other.bind(("", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(UserError, match=f"port {port}, which TF_CONFIG gives this worker, cannot be used"):
            check_port(f"127.0.0.1:{port}")
    check_port(f"127.0.0.1:{port}")
