"""A search from its command to its end: what it finds, prunes, writes, and never looks at."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from experiments.workers import Worker, run_experiment, wait_until
from paths import ROOT

from digits.data import load_dataset
from digits.data.datasets import write_own
from digits.experiments.records import Experiment
from digits.experiments.study import read_experiment
from digits.recipes import read_recipe

pytestmark = pytest.mark.slow

Place = Callable[..., list[str]]
SPACE = ("--space", "learning_rate=1e-4..1e-1:log", "dropout=0..0.5")
SEARCH = ("search", "found", *SPACE, "--trials")


def numbers(experiment: Experiment) -> list[tuple[Mapping[str, Any], str, float | None, tuple[float, ...]]]:
    return [(dict(trial.values), trial.state, trial.objective, trial.epochs) for trial in experiment.trials]


def test_a_search_finds_better_recipes_than_the_default(
    tmp_path: Path, place: Place, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run_experiment(place(*SEARCH, "16", "--jobs", "2")) == 0
    experiment = read_experiment("found", tmp_path)
    assert (experiment.kind, experiment.evaluate_on, experiment.wanted) == ("search", "validation", 16)
    assert experiment.logarithmic == {"learning_rate"}
    default, *others = experiment.trials
    assert {name: default.values[name] for name in experiment.varied} == experiment.defaults
    assert {trial.state for trial in experiment.trials} == {"complete", "pruned"}
    assert len({tuple(trial.values.items()) for trial in experiment.trials}) == 16  # none twice
    best = min((trial for trial in others if trial.objective is not None), key=lambda trial: trial.objective or 0.0)
    assert default.objective is not None
    assert best.objective is not None
    assert best.objective < default.objective - 0.3

    written = json.loads((tmp_path / "experiments" / "found" / "best.json").read_text())
    assert (written["trial"], written["value"]) == (best.number, best.objective)
    recipe = read_recipe(tmp_path / "experiments" / "found" / "best.json")
    assert (recipe.learning_rate, recipe.dropout) == (best.values["learning_rate"], best.values["dropout"])

    trained = sum(len(trial.epochs) for trial in experiment.trials)
    out = capfd.readouterr().out
    assert f"The best of 16 trials is number {best.number}: learning rate {best.values['learning_rate']:.4g} · " in out
    assert f" of the epochs: {trained} of 48 were trained." in out


def test_an_interrupted_search_continues_as_if_it_had_not_been(
    tmp_path: Path, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = place(*SEARCH, "5", "--set", "epochs=2")
    assert run_experiment(words) == 0
    whole = numbers(read_experiment("found", tmp_path))
    shutil.rmtree(tmp_path / "experiments")
    worker = Worker(tmp_path / "out", words)
    wait_until(lambda: worker.text().count("accuracy") >= 2)
    worker.send(signal.SIGINT)
    assert worker.wait() == 130
    assert run_experiment(words) == 0
    assert sorted(map(str, numbers(read_experiment("found", tmp_path)))) == sorted(map(str, whole))


def test_more_trials_can_be_asked_for(tmp_path: Path, place: Place) -> None:
    for asked, there in ((2, 2), (3, 3), (2, 3)):
        assert run_experiment(place(*SEARCH, str(asked))) == 0
        assert len(read_experiment("found", tmp_path).trials) == there


def test_several_workers_make_as_many_trials_as_were_asked_for(
    tmp_path: Path, place: Place, storage: list[str]
) -> None:
    workers = [Worker(tmp_path / "out", place(*SEARCH, "6", *storage)) for _ in range(3)]
    wait_until(lambda: "accuracy" in workers[0].text())
    workers[0].send(signal.SIGKILL)
    assert [worker.wait() for worker in workers[1:]] == [0, 0]
    trials = read_experiment("found", tmp_path, *storage[1:]).trials
    assert len(trials) == len({tuple(trial.values.items()) for trial in trials}) == 6
    assert {trial.state for trial in trials} <= {"complete", "pruned"}


@pytest.mark.nightly
def test_a_mean_over_seeds_with_their_own_pruner(
    tmp_path: Path, place: Place, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run_experiment(place(*SEARCH, "4", "--seeds", "3", "--set", "epochs=1", "--jobs", "2")) == 0
    experiment = read_experiment("found", tmp_path)
    assert experiment.epochs == 3
    for trial in experiment.trials:
        losses = [training.score["loss"] for training in trial.trainings]
        assert [training.seed for training in trial.trainings] == list(range(len(losses)))
        assert trial.epochs == pytest.approx(losses)
        if trial.state == "complete":
            assert trial.objective == pytest.approx(sum(losses) / 3)
        else:
            assert len(losses) < 3
    assert "mean of 3 seeds, loss" in capfd.readouterr().out


def test_a_finite_space_is_tried_once(tmp_path: Path, place: Place, capfd: pytest.CaptureFixture[str]) -> None:
    space = ("--space", "optimizer=adam,sgd", "weight_decay=0,0.1", "--set", "epochs=1")
    assert run_experiment(place("search", "found", *space, "--trials", "50")) == 0
    assert "the space has 3 possible combinations; each is tried once." in capfd.readouterr().err
    trials = read_experiment("found", tmp_path).trials
    assert {(trial.values["optimizer"], trial.values["weight_decay"]) for trial in trials} == {
        *(("adam", 0), ("adam", 0.1), ("sgd", 0))
    }
    assert len(trials) == 3


def test_after_its_seconds_a_search_begins_no_trial(
    tmp_path: Path, place: Place, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run_experiment(place(*SEARCH, "1000", "--seconds", "1")) == 0
    trials = read_experiment("found", tmp_path).trials
    assert 1 <= len(trials) < 100
    assert f"{len(trials)} of 1000 trials of 'found' are done" in capfd.readouterr().out


@pytest.mark.nightly
@pytest.mark.pytorch
def test_not_one_number_of_a_search_depends_on_the_test_set(workplace: Path, tmp_path: Path) -> None:
    """The second time, the test images are noise and the labels random."""
    sample, chance = load_dataset("mnist-sample", workplace / "mnist_data"), np.random.default_rng(0)
    train = (sample.train_images, sample.train_labels)
    noise = (chance.integers(0, 256, (77, 28, 28), np.uint8), chance.integers(0, 10, 77, np.uint8))
    found = []
    for test in ((sample.test_images, sample.test_labels), noise):
        folder = tmp_path / f"with-{len(test[1])}"
        write_own("mine", (*train, *test), sample.class_names, folder / "mnist_data")
        words = ["search", "found", "--model", "mlp", "--trials", "2", "--set", "epochs=2", "--dataset", "mine"]
        command = [sys.executable, str(ROOT / "run_experiment.py"), *words, "--device", "cpu"]
        one_thread = os.environ | {"OMP_NUM_THREADS": "1"}
        done = subprocess.run(command, cwd=folder, env=one_thread, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
        experiment = read_experiment("found", folder / "outputs")
        scores = [[training.score for training in trial.trainings] for trial in experiment.trials]
        best = json.loads((folder / "outputs" / "experiments" / "found" / "best.json").read_text())
        found.append((numbers(experiment), scores, best["recipe"], best["value"]))
    assert found[0] == found[1]
