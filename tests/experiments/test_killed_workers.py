"""Workers that are killed at any moment: nothing is lost, and nothing is there twice."""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import optuna
import pytest
from experiments.fake_training import loss_after
from experiments.postgresql import PostgreSQL
from experiments.workers import Worker

from mnist_twice.experiments.results import read_experiment
from mnist_twice.experiments.study import open_storage
from mnist_twice.recipes import Recipe
from mnist_twice.runs import find_runs

pytestmark = pytest.mark.nightly

KILLS = 30
RATES, SEEDS, EPOCHS = (0.001, 0.003), (0, 1, 2, 3, 4), 5
GRID = [
    *("grid", "killed", "--framework", "pytorch", "--seed", *map(str, SEEDS)),
    *("--set", f"learning_rate={','.join(map(str, RATES))}", f"epochs={EPOCHS}"),
]
SEARCH = ["search", "killed", "--space", "learning_rate=1e-4..1e-1:log", "dropout=0..0.5", "--trials", "10"]


@pytest.mark.parametrize("command", [GRID, SEARCH], ids=["grid", "search"])
@pytest.mark.parametrize("several", [True, False], ids=["postgresql", "journal"])
def test_thirty_kills(
    tmp_path: Path,
    place: Callable[..., list[str]],
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
    several: bool,
    command: list[str],
) -> None:
    """Three processes on a server, or one process with three jobs on a journal."""
    monkeypatch.setenv("FAKE_EPOCH", "0.1")
    chance = random.Random(seed := int(os.environ.get("KILLS", random.randrange(1 << 32))))
    print(f"seed of the kills: {seed}")  # pytest shows it where the test fails
    storage = ["--jobs", "3"]
    if several:
        server: PostgreSQL = request.getfixturevalue("postgresql")
        storage = ["--storage", server.new_database(tmp_path.name)]
    words, number = place(*command, *storage), 3 if several else 1
    workers = [Worker(tmp_path / f"out-{index}", words) for index in range(number)]
    for _ in range(KILLS):
        time.sleep(chance.uniform(0, 0.5 if several else 1.5))
        index = chance.randrange(number)
        workers[index].send(signal.SIGKILL)
        workers[index].wait()
        workers[index] = Worker(tmp_path / f"out-{index}", words)
    assert [worker.wait() for worker in workers] == [0] * number, workers[0].text()
    assert not any("Traceback" in path.read_text() for path in tmp_path.glob("out-*"))

    experiment = read_experiment("killed", tmp_path, *storage[1:] if several else [])
    assert set(experiment.trials["state"]) <= ({"complete"} if command is GRID else {"complete", "pruned"})
    assert len(experiment.trials) == 10
    for row in experiment.trials.to_dict("records"):
        recipe = Recipe(learning_rate=row["learning_rate"], dropout=row.get("dropout", 0.25), seed=row.get("seed", 0))
        if row["state"] == "complete":
            epochs = EPOCHS if command is GRID else recipe.epochs
            assert row["objective"] == pytest.approx(loss_after(recipe, epochs), abs=1e-5)
            assert row["epochs_trained"] == epochs
    if command is GRID:
        found = Counter(zip(experiment.trials["learning_rate"], experiment.trials["seed"], strict=True))
        assert found == Counter((rate, seed) for rate in RATES for seed in SEEDS)
        study = optuna.load_study(
            study_name="killed",
            storage=open_storage(tmp_path / "experiments" / "killed", storage[1] if several else ""),
        )
        complete = study.get_trials(states=[optuna.trial.TrialState.COMPLETE])
        assert len(complete) == 10  # not even one that does not count
    runs = tmp_path / "experiments" / "killed" / "runs"
    assert len(find_runs(runs)) >= len(experiment.complete)  # a trial may be pruned whose run a killed worker has left
    assert not list(runs.glob(".*.checkpoint"))  # what else a kill leaves is swept by the next training in the folder
