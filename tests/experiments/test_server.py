"""A study on a PostgreSQL server that restarts, is cut off from a worker, or is set up by several workers at once."""

from __future__ import annotations

import socket
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

import pytest
from experiments.postgresql import PostgreSQL
from experiments.workers import Worker, wait_until

from digits.experiments import server
from digits.experiments.records import Experiment
from digits.experiments.study import read_experiment

pytestmark = pytest.mark.nightly

Place = Callable[..., list[str]]
SEEDS = tuple(map(str, range(6)))
GRID = ("grid", "shared", "--framework", "pytorch", "--seed", *SEEDS)


class Network:
    """A way to the server that can be cut: what is sent then waits, and what waited too long is thrown away."""

    def __init__(self, port: int) -> None:
        self.open = threading.Event()
        self.open.set()
        self._to = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._connections: list[socket.socket] = []
        threading.Thread(target=self._listen, daemon=True).start()

    def cut(self, seconds: float) -> None:
        """Forward nothing for a while, and end all connections then, as a router does that has forgotten them."""
        self.open.clear()
        time.sleep(seconds)
        for connection in self._connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self.open.set()

    def close(self) -> None:
        self._listener.close()

    def _listen(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                target = socket.create_connection(("127.0.0.1", self._to))
                self._connections += [client, target]
                for ends in ((client, target), (target, client)):
                    threading.Thread(target=self._forward, args=ends, daemon=True).start()

    def _forward(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                self.open.wait()
                target.sendall(data)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


def wait_for_trainings(output: Path, number: int) -> None:
    """Wait until so many trainings have begun."""
    wait_until(lambda: len(list(output.glob("experiments/shared/logs/*"))) >= number)


def assert_each_once(experiment: Experiment) -> None:
    assert Counter(str(trial.values["seed"]) for trial in experiment.trials) == Counter(SEEDS)
    assert {trial.state for trial in experiment.trials} == {"complete"}


def test_the_server_restarts_in_the_middle(
    tmp_path: Path, place: Place, postgresql: PostgreSQL, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_EPOCH", "0.2")
    address = postgresql.address("restarted")
    workers = [Worker(tmp_path / f"out-{i}", place(*GRID, "--storage", address)) for i in range(2)]
    wait_for_trainings(tmp_path, 2)
    postgresql.stop()
    time.sleep(1.5)
    postgresql.start()
    assert [worker.wait() for worker in workers] == [0, 0], workers[0].text()
    assert_each_once(read_experiment("shared", tmp_path, address))
    for worker in workers:
        assert "does not answer; trying again for 120 s." in worker.text()
        assert "the storage is back after" in worker.text()


def test_the_network_of_one_worker_is_cut(
    tmp_path: Path, place: Place, postgresql: PostgreSQL, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For longer than the others wait for its heartbeat, which is 1.5 s in these tests."""
    monkeypatch.setenv("FAKE_EPOCH", "0.4")
    with closing(Network(postgresql.port)) as network:
        far = Worker(tmp_path / "far", place(*GRID, "--storage", postgresql.address("cut", network.port)))
        wait_for_trainings(tmp_path, 1)
        near = Worker(tmp_path / "near", place(*GRID, "--storage", postgresql.address("cut")))
        wait_for_trainings(tmp_path, 2)
        network.cut(4)
        assert [far.wait(), near.wait()] == [0, 0]
    assert_each_once(read_experiment("shared", tmp_path, postgresql.address("cut")))
    assert "has lost its worker; it continues" in near.text()
    assert "was given to another worker: this one was out of reach for too long" in far.text()


def test_a_server_that_is_gone_for_good(
    tmp_path: Path, place: Place, postgresql: PostgreSQL, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_EPOCH", "0.2")
    monkeypatch.setattr(server, "PATIENCE", 1.0)
    address = postgresql.address("gone")
    worker = Worker(tmp_path / "out", place(*GRID, "--storage", address))
    wait_for_trainings(tmp_path, 1)
    postgresql.stop()
    try:
        assert worker.wait() == 1
    finally:
        postgresql.start()
    assert f"error: the storage '{address}' cannot be used (" in worker.text()
    assert worker.text().endswith("check the address and the server.\n")
    assert Worker(tmp_path / "again", place(*GRID, "--storage", address)).wait() == 0
    assert_each_once(read_experiment("shared", tmp_path, address))


def test_workers_that_find_an_empty_database_set_it_up_once(
    tmp_path: Path, place: Place, postgresql: PostgreSQL
) -> None:
    address = postgresql.address("empty")
    workers = [Worker(tmp_path / "out", place(*GRID, "--storage", address)) for _ in range(4)]
    assert [worker.wait() for worker in workers] == [0] * 4
    assert_each_once(read_experiment("shared", tmp_path, address))
