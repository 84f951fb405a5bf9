"""Workers that are killed at any moment: nothing is lost, and nothing is there twice."""

from __future__ import annotations

import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from experiments.fake_training import loss_after
from experiments.workers import Worker

from digits.experiments.study import read_experiment
from digits.recipes import Recipe
from digits.runs import find_runs

pytestmark = pytest.mark.nightly

RATES, SEEDS, EPOCHS = (0.001, 0.003), (0, 1, 2, 3, 4), 5
GRID = [
    *("grid", "killed", "--framework", "pytorch", "--seed", *map(str, SEEDS)),
    *("--set", f"learning_rate={','.join(map(str, RATES))}", f"epochs={EPOCHS}"),
]


def test_thirty_kills_over_three_workers(
    tmp_path: Path, place: Callable[..., list[str]], storage: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_EPOCH", "0.15")
    seed = random.randrange(1 << 32)
    print(f"seed of the kills: {seed}")  # pytest shows it where the test fails
    chance = random.Random(seed)
    words = place(*GRID, *storage)
    workers = [Worker(tmp_path / "out", words) for _ in range(3)]
    for _ in range(30):
        time.sleep(chance.uniform(0, 0.5))
        place_of = chance.randrange(3)
        workers[place_of].send(signal.SIGKILL)
        workers[place_of].wait()
        workers[place_of] = Worker(tmp_path / "out", words)
    assert [worker.wait() for worker in workers] == [0, 0, 0], workers[0].text()

    experiment = read_experiment("killed", tmp_path, *storage[1:])
    found = Counter((trial.values["learning_rate"], trial.values["seed"]) for trial in experiment.trials)
    assert found == Counter((rate, seed) for rate in RATES for seed in SEEDS)
    for trial in experiment.trials:
        recipe = Recipe(learning_rate=trial.values["learning_rate"], seed=trial.values["seed"])
        assert trial.state == "complete"
        assert trial.objective == pytest.approx(loss_after(recipe, EPOCHS), abs=1e-5)
        assert [training.epochs for training in trial.trainings] == [EPOCHS]
    runs = tmp_path / "experiments" / "killed" / "runs"
    assert len(find_runs(runs)) == len(list(runs.iterdir())) == len(found)  # and no checkpoint is left
