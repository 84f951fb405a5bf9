"""A study on a PostgreSQL server: it restarts, is set up by several workers at once, and believes one of them dead."""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from experiments.postgresql import PostgreSQL
from experiments.workers import Worker, wait_until

from mnist_twice.errors import UserError
from mnist_twice.experiments.results import read_experiment
from run_experiment import main

pytestmark = pytest.mark.nightly

Place = Callable[..., list[str]]
SEEDS = [*range(6)]
GRID = ("grid", "shared", "--framework", "pytorch", "--seed", *map(str, SEEDS))


def wait_for_trainings(output: Path, number: int) -> None:
    """Wait until so many trainings have begun."""
    wait_until(lambda: len(list(output.glob("experiments/shared/logs/*"))) >= number)


def assert_each_once(output: Path, address: str, seeds: list[int] = SEEDS) -> None:
    trials = read_experiment("shared", output, address).trials
    assert sorted(trials["seed"]) == seeds
    assert set(trials["state"]) == {"complete"}


def test_the_server_restarts_in_the_middle(
    tmp_path: Path, place: Place, postgresql: PostgreSQL, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Workers may end with a sentence; the same command goes on."""
    monkeypatch.setenv("FAKE_EPOCH", "0.5")
    address = postgresql.new_database("restarted")
    words = place(*GRID, "--storage", address)
    workers = [Worker(tmp_path / f"out-{i}", words) for i in range(2)]
    wait_for_trainings(tmp_path, 2)
    postgresql.stop()
    time.sleep(1.5)
    postgresql.start()
    for worker in workers:
        if worker.wait() != 0:
            sentence = rf"error: the storage '{re.escape(address)}' cannot be used \(.*\); check the address"
            assert re.search(sentence, worker.text())
        assert "Traceback" not in worker.text()
    assert Worker(tmp_path / "again", words).wait() == 0
    assert_each_once(tmp_path, address)


def test_workers_that_find_an_empty_database_set_it_up_once(
    tmp_path: Path, place: Place, postgresql: PostgreSQL
) -> None:
    address = postgresql.new_database("empty")
    workers = [Worker(tmp_path / "out", place(*GRID, "--storage", address)) for _ in range(4)]
    assert [worker.wait() for worker in workers] == [0] * 4, workers[0].text()
    assert_each_once(tmp_path, address)
    with pytest.raises(UserError, match=r"there is no experiment 'lost' in the storage: there are shared\."):
        main(place("show", "lost", "--storage", address))


def test_several_workers_make_as_many_trials_as_were_asked_for(
    tmp_path: Path, place: Place, postgresql: PostgreSQL
) -> None:
    address = postgresql.new_database("search")
    space = ("--space", "optimizer=adam,sgd", "batch_size=32,64,128", "--trials", "6")
    words = place("search", "shared", *space, "--storage", address)
    workers = [Worker(tmp_path / "out", words) for _ in range(3)]
    wait_until(lambda: "accuracy" in workers[0].text())
    workers[0].send(signal.SIGKILL)
    assert [worker.wait() for worker in workers[1:]] == [0, 0], workers[0].text()
    trials = read_experiment("shared", tmp_path, address).trials
    assert len(trials) == len(trials.drop_duplicates(["optimizer", "batch_size"])) == 6
    assert set(trials["state"]) <= {"complete", "pruned"}


def test_a_worker_that_was_only_believed_dead_adds_no_second_result(
    tmp_path: Path, place: Place, postgresql: PostgreSQL, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is halted for longer than the others wait for its heartbeat, which is 3 s in these tests."""
    monkeypatch.setenv("FAKE_EPOCH", "0.6")
    address = postgresql.new_database("halted")
    words = place(*GRID[:5], "0", "1", "--storage", address)
    halted = Worker(tmp_path / "halted", words)
    wait_for_trainings(tmp_path, 1)
    halted.send(signal.SIGSTOP)
    assert Worker(tmp_path / "other", words).wait() == 0
    halted.send(signal.SIGCONT)
    assert halted.wait() == 0, halted.text()
    assert "a trial was given to another worker, because this one could not be reached for too long." in halted.text()
    assert_each_once(tmp_path, address, [0, 1])
