"""How workers share out images and exchange what they know, and what TF_CONFIG may be."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from digits.errors import UserError
from digits.training import workers
from digits.training.cluster import check_port, read_cluster
from digits.training.workers import ALONE, SeveralWorkers, own_rows, share_of

COUNTS = st.integers(1, 7)


@given(st.integers(0, 200), COUNTS, st.integers(1, 30))
def test_shares_are_whole_batches_and_all_that_there_is(n: int, count: int, batch: int) -> None:
    shares = [share_of(n, rank, count, batch) for rank in range(count)]
    assert [i for share in shares for i in range(n)[share]] == list(range(n))
    assert all(share.start % batch == 0 or share.start == n for share in shares)
    batches = [-(-(share.stop - share.start) // batch) for share in shares]
    assert max(batches) - min(batches) <= 1


@given(st.integers(0, 100), COUNTS, st.integers(1, 30))
def test_every_image_of_every_batch_has_one_worker(n: int, count: int, batch_size: int) -> None:
    rows = [own_rows(n, batch_size, rank, count) for rank in range(count)]
    assert sorted(np.concatenate(rows).tolist()) == list(range(n))
    for start in range(0, n, batch_size):
        sizes = [np.sum((start <= one) & (one < start + batch_size)) for one in rows]
        assert max(sizes) - min(sizes) <= 1


class Threads(SeveralWorkers):
    """Workers that are threads of one process, and add up their arrays in a list."""

    def __init__(self, rank: int, count: int, barrier: threading.Barrier, arrays: list[Any], first: bool) -> None:
        super().__init__(rank, count, alone_on_terminal=first)
        self.barrier, self.arrays = barrier, arrays

    def sum(self, array: np.ndarray) -> np.ndarray:
        self.arrays[self.rank] = array
        self.barrier.wait(10)
        total = sum(self.arrays)
        self.barrier.wait(10)
        return np.asarray(total)


@pytest.fixture
def on_workers(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[Any]]:
    """Give a function that does the same in so many workers, and returns what came of it in each, errors included."""
    monkeypatch.setattr(workers, "say_nothing", lambda: None)

    def run(count: int, function: Callable[[Threads], Any], one_terminal: bool = False) -> list[Any]:
        barrier, arrays = threading.Barrier(count), [None] * count

        def do(rank: int) -> Any:
            try:
                return function(Threads(rank, count, barrier, arrays, rank == 0 or not one_terminal))
            except (UserError, SystemExit) as error:
                return error

        with ThreadPoolExecutor(count) as pool:
            return list(pool.map(do, range(count)))

    return run


VALUES = st.recursive(st.none() | st.integers() | st.text() | st.binary(max_size=40), st.lists, max_leaves=5)


@given(st.lists(VALUES, min_size=2, max_size=4))
def test_each_worker_learns_what_the_others_say(values: list[Any]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(workers, "say_nothing", lambda: None)
        barrier, arrays = threading.Barrier(len(values)), [None] * len(values)
        with ThreadPoolExecutor(len(values)) as pool:
            ranks = range(len(values))
            found = pool.map(
                lambda rank: Threads(rank, len(values), barrier, arrays, True).exchange(values[rank]), ranks
            )
            assert list(found) == [values] * len(values)


def test_a_fault_of_one_is_that_of_all(on_workers: Callable[..., list[Any]]) -> None:
    def load(worker: Threads) -> None:
        with worker.together():
            if worker.rank == 1:
                raise UserError("no dataset here; download it.")

    assert [str(error) for error in on_workers(3, load)] == ["no dataset here; download it."] * 3
    first, *others = on_workers(3, load, one_terminal=True)
    assert isinstance(first, UserError)
    assert [error.code for error in others] == [1, 1]  # silent: the first says it


def test_workers_that_agree_go_on(on_workers: Callable[..., list[Any]]) -> None:
    assert on_workers(3, lambda worker: worker.agree({"seed": 1, "versions": {"numpy": "2"}})) == [None] * 3


@pytest.mark.parametrize(
    ("name", "value"), [("batch_size", 32), ("dataset_fingerprint", "beef"), ("versions", {"numpy": "3"})]
)
def test_workers_that_differ_are_told_in_what(name: str, value: Any, on_workers: Callable[..., list[Any]]) -> None:
    facts = {"batch_size": 64, "dataset_fingerprint": "f00d", "versions": {"numpy": "2"}}
    errors = on_workers(3, lambda worker: worker.agree({**facts, name: value} if worker.rank == 2 else facts))
    said = f"the workers differ: {name} is {value} on worker 2 and {facts[name]} on worker 0; give all of them the same"
    assert all(str(error).startswith(said) for error in errors)


def test_only_the_first_reads(on_workers: Callable[..., list[Any]]) -> None:
    read = []

    def checkpoint(worker: Threads) -> Any:
        def reading() -> str:
            read.append(worker.rank)
            return "state"

        return worker.from_first(reading)

    assert on_workers(3, checkpoint) == ["state"] * 3
    assert read == [0]

    def damaged(worker: Threads) -> Any:
        def reading() -> str:
            raise UserError("it is damaged.")

        return worker.from_first(reading)

    assert [str(error) for error in on_workers(2, damaged)] == ["it is damaged."] * 2


@pytest.mark.parametrize("n", [1, 499, 500, 1000, 1203])
def test_predictions_are_shared_out_and_put_back_in_order(n: int, on_workers: Callable[..., list[Any]]) -> None:
    images = np.arange(n * 784).reshape(n, 28, 28) % 251

    def predict(model: Any, part: np.ndarray) -> np.ndarray:
        assert len(part)
        return part[:, 0, :10].astype(np.float32)

    def classify(worker: Threads) -> Any:
        return worker.share_out(predict, None, images), worker.size(n)

    answers, sizes = zip(*on_workers(3, classify), strict=True)
    assert all((answer == predict(None, images)).all() for answer in answers)
    assert sum(sizes) == n


def test_one_process_does_as_ever() -> None:
    batch = object()
    assert ALONE.part(batch) is ALONE.parallel(batch) is ALONE.weighted(batch) is ALONE.own(batch) is batch
    assert (ALONE.rank, ALONE.count, ALONE.restarts, ALONE.rows(5, 2)) == (0, 1, None, slice(None))


# --- TF_CONFIG ---


def config(kind: str = "worker", index: Any = 0, **cluster: Any) -> str:
    return json.dumps({"cluster": cluster or {"worker": ["a:1", "b:2"]}, "task": {"type": kind, "index": index}})


def test_workers_of_tf_config() -> None:
    assert read_cluster(config(index=1)) == (["a:1", "b:2"], 1)
    assert read_cluster(config(index="1")) == (["a:1", "b:2"], 1)
    chief = {"chief": ["c:3"], "worker": ["a:1", "[::1]:2"]}
    assert read_cluster(config("chief", 0, **chief)) == (["c:3", "a:1", "[::1]:2"], 0)
    assert read_cluster(config("worker", 1, **chief)) == (["c:3", "a:1", "[::1]:2"], 2)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "is not what TensorFlow's guides describe"),
        ("[]", "is not what TensorFlow's guides describe"),
        ('{"cluster": {"worker": ["a:1"]}}', "is not what TensorFlow's guides describe"),
        ('{"cluster": {"worker": 1}, "task": {"type": "worker", "index": 0}}', "is not what TensorFlow's guides"),
        (config(index="one"), "is not what TensorFlow's guides describe"),
        (config(index=2), "says that this is worker 2, which is not in its cluster"),
        (config(index=-1), "says that this is worker -1, which is not in its cluster"),
        (config("chief"), "says that this is chief 0, which is not in its cluster"),
        (config(worker=["a:1"], ps=["b:1"]), "has tasks of the type ps"),
        (config(worker=["a", "b:1"]), "has the address a; it must be a host and a port"),
        (config(worker=["a:0", "b:1"]), "has the address a:0"),
        (config(worker=["a:1", "a:1"]), "gives two workers the same address"),
    ],
)
def test_wrong_tf_config(text: str, said: str) -> None:
    with pytest.raises(UserError, match="TF_CONFIG") as error:
        read_cluster(text)
    assert said in str(error.value)


@given(
    st.recursive(
        st.none() | st.integers() | st.text(),
        lambda inner: (
            st.lists(inner) | st.dictionaries(st.sampled_from(["cluster", "task", "worker", "type", "index"]), inner)
        ),
        max_leaves=8,
    )
)
def test_any_json_is_a_cluster_or_a_sentence(value: Any) -> None:
    with suppress(UserError):
        addresses, rank = read_cluster(json.dumps(value))
        assert addresses[rank]


def test_port_in_use() -> None:
    with socket.socket() as other:
        other.bind(("", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(UserError, match=f"port {port}, which TF_CONFIG gives this worker, cannot be used"):
            check_port(f"127.0.0.1:{port}")
    check_port(f"127.0.0.1:{port}")
