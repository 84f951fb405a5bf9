"""A search from its command to its end: what it finds, prunes, writes, and never looks at."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from experiments.workers import Worker, wait_until
from paths import ROOT

from mnist_twice.data import load_dataset
from mnist_twice.data.datasets import write_own
from mnist_twice.experiments.definition import start_of
from mnist_twice.experiments.figures import figures_of
from mnist_twice.experiments.results import Experiment, progress_text, read_experiment, summary
from mnist_twice.recipes import read_recipe
from mnist_twice.runs import find_runs
from run_experiment import main

pytestmark = pytest.mark.slow

Place = Callable[..., list[str]]
SPACE = ("--space", "learning_rate=1e-4..1e-1:log", "dropout=0..0.5")
SEARCH = ("search", "found", *SPACE, "--trials")


def tried(experiment: Experiment) -> list[Any]:
    """Return what each trial was and gave."""
    columns = ["number", *experiment.definition.differing, "state", "objective", "last_reported", "epochs_trained"]
    return [*map(str, experiment.trials[columns].itertuples(index=False, name=None))]


def test_a_search_finds_better_recipes_than_it_started_from(
    tmp_path: Path, place: Place, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(place(*SEARCH, "16", "--jobs", "2")) == 0
    experiment = read_experiment("found", tmp_path)
    trials = experiment.trials
    first, start = trials.iloc[0], start_of(experiment.definition)
    assert {name: first[name] for name in start} == start
    assert set(trials["state"]) == {"complete", "pruned"}
    assert len(trials.drop_duplicates([*start])) == 16  # none twice
    best = summary(experiment).iloc[0]
    assert best["objective"] < first["objective"] - 0.2  # how much depends on which of two jobs is faster
    assert trials.loc[trials["state"] == "pruned", "last_reported"].notna().all()

    written = json.loads((tmp_path / "experiments" / "found" / "best.json").read_text())
    assert (written["trial"], written["value"]) == (best["number"], best["objective"])
    recipe = read_recipe(tmp_path / "experiments" / "found" / "best.json")
    assert (recipe.learning_rate, recipe.dropout) == (best["learning_rate"], best["dropout"])

    said = f"The best is trial {best['number']}: learning rate {best['learning_rate']:.4g} · "
    assert said in capfd.readouterr().out


@pytest.mark.parametrize("pruner", ["median", pytest.param("hyperband", marks=pytest.mark.nightly)])
def test_a_killed_search_continues_as_if_it_had_not_been(tmp_path: Path, place: Place, pruner: str) -> None:
    """Half of the samples are of no use, because sgd has no weight decay; others follow them."""
    space = ("--space", "learning_rate=1e-4..1e-1:log", "optimizer=adam,sgd", "weight_decay=0..0.1", "--trials", "10")
    words = place("search", "found", *space, "--pruner", pruner, "--seed", "7")
    assert main(words) == 0
    whole = read_experiment("found", tmp_path)
    shutil.rmtree(tmp_path / "experiments")
    for lines in (2, 5, 8):
        worker = Worker(tmp_path / f"out-{lines}", words)
        wait_until(
            lambda worker=worker, lines=lines: worker.text().count("\n") >= lines or not worker.process.is_alive()
        )
        worker.send(signal.SIGKILL if lines != 5 else signal.SIGINT)
        worker.wait()
    assert main(words) == 0
    assert tried(read_experiment("found", tmp_path)) == tried(whole)
    assert len(whole.trials) == 10
    assert whole.trials["number"].max() > 9
    assert set(whole.trials["optimizer"]) == {"adam"}


def test_more_trials_can_be_asked_for(tmp_path: Path, place: Place) -> None:
    for asked, there in ((2, 2), (3, 3), (2, 3)):
        assert main(place(*SEARCH, str(asked))) == 0
        assert len(read_experiment("found", tmp_path).trials) == there


def test_trials_that_diverge_count_as_such_and_are_not_trained_again(
    tmp_path: Path, place: Place, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = place("search", "div", "--trials", "6", "--set", "epochs=1", "--space", "learning_rate=1e-2..1e9:log")
    assert main(words) == 0
    assert ": diverged: the training diverged: the loss became nan" in capfd.readouterr().out
    experiment = read_experiment("div", tmp_path)
    assert "diverged" in set(experiment.trials["state"]) <= {"complete", "diverged"}
    assert {trial.state.name for trial in experiment.frozen} == {"COMPLETE", "PRUNED"}  # the sampler learns from both
    monkeypatch.setattr("experiments.workers.SCRIPT", Path("missing"))
    assert main(words) == 0


@pytest.mark.nightly
def test_a_mean_over_seeds_with_their_own_pruner(
    tmp_path: Path, place: Place, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(place(*SEARCH, "4", "--seeds", "3", "--set", "epochs=1", "--jobs", "2")) == 0
    experiment = read_experiment("found", tmp_path)
    for row, trial in zip(experiment.trials.to_dict("records"), experiment.frozen, strict=True):
        losses = [result["score"]["loss"] for result in row["trainings"]]
        assert [result["seed"] for result in row["trainings"]] == list(range(len(losses)))
        assert list(trial.intermediate_values.values()) == pytest.approx(losses)
        if row["state"] == "complete":
            assert row["objective"] == pytest.approx(sum(losses) / 3)
        else:
            assert len(losses) < 3
    assert "mean of 3 seeds, loss" in capfd.readouterr().out


def test_a_finite_space_is_tried_once(tmp_path: Path, place: Place, capfd: pytest.CaptureFixture[str]) -> None:
    """A shift without augmentation is no training of its own."""
    space = ("augment=on,off", "shift=1,2")
    assert main(place("search", "found", "--space", *space, "--set", "epochs=1", "--trials", "50")) == 0
    assert "the space has 3 possible combinations; each is tried once." in capfd.readouterr().err
    experiment = read_experiment("found", tmp_path)
    assert experiment.trials["run"].nunique() == 3
    assert progress_text(experiment).startswith("3 of 3 trials ended")


def test_a_running_trial_without_values_changes_no_axis(
    tmp_path: Path, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker was killed before it drew: its trial has no parameters yet."""
    assert main(place(*SEARCH, "4")) == 0
    monkeypatch.setattr("mnist_twice.experiments.study.SharedStudy.take", lambda *_: os._exit(9))
    Worker(tmp_path / "out", place(*SEARCH, "5")).wait()
    experiment = read_experiment("found", tmp_path)
    assert experiment.trials.iloc[-1]["state"] == "running"
    axes = {name: figure.axes for name, figure, _ in figures_of(experiment)}["slices"]
    assert {each.get_xlabel(): each.get_xscale() for each in axes[:2]} == {"dropout": "linear", "learning_rate": "log"}


def test_after_its_seconds_a_search_begins_no_trial(
    tmp_path: Path, place: Place, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(place(*SEARCH, "1000", "--seconds", "1")) == 0
    experiment = read_experiment("found", tmp_path)
    ended = (experiment.trials["state"] != "waiting").sum()
    assert 1 <= ended < 100
    assert f"{ended} of 1000 trials of 'found' are done" in capfd.readouterr().out


@pytest.mark.nightly
@pytest.mark.pytorch
def test_not_one_number_of_a_search_depends_on_the_test_set(workplace: Path, tmp_path: Path) -> None:
    """The second time, the test images are noise and the labels random. Only the best trial has model.onnx."""
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
        scores = [[result["score"] for result in results] for results in experiment.trials["trainings"]]
        best = json.loads((folder / "outputs" / "experiments" / "found" / "best.json").read_text())
        found.append((tried(experiment), scores, best["recipe"], best["value"]))
        runs = find_runs(folder / "outputs" / "experiments" / "found" / "runs")
        assert [run.name for run in runs if (run / "model.onnx").exists()] == [best["trainings"][0]["run"]]
    assert found[0] == found[1]
