"""An ensemble: the mean of its members, kept as a run like any other."""

from __future__ import annotations

import dataclasses
import os
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from make_runs import make_run

from mnist_twice.errors import UserError
from mnist_twice.evaluation.compare import compare_runs
from mnist_twice.evaluation.ensemble import write_ensemble
from mnist_twice.evaluation.evaluate import evaluate_run
from mnist_twice.evaluation.tables import runs_as_text
from mnist_twice.runs.run import Run, find_runs, read_run

LABELS = np.arange(300) % 10


@pytest.fixture
def outputs(tmp_path: Path) -> Path:
    return tmp_path / "outputs"


@pytest.fixture
def make(outputs: Path) -> Callable[..., Run]:
    def make_one(dataset: str = "mnist", framework: str = "pytorch", **options: Any) -> Run:
        return read_run(make_run(outputs, dataset, framework, **{"labels": LABELS, "error_rate": 0.1, **options}))

    return make_one


@pytest.fixture
def members(make: Callable[..., Run]) -> list[Run]:
    return [make(), make(seed=4), make(framework="tensorflow")]


def changed(run: Run, **info: Any) -> Run:
    return dataclasses.replace(run, info={**run.info, **info})


def test_by_hand(make: Callable[..., Run], outputs: Path) -> None:
    """Two networks, each unsure where the other is sure and right, are right together."""
    a, b = make(labels=np.array([0, 1])), make(framework="tensorflow", labels=np.array([0, 1]))
    rest = np.zeros((2, 8))
    sure = [[0.9, 0.1], [0.6, 0.4]], [[0.4, 0.6], [0.1, 0.9]]
    runs = [
        dataclasses.replace(run, probabilities=np.hstack([pair, rest]).astype(np.float32))
        for run, pair in zip((a, b), sure, strict=True)
    ]
    run = read_run(write_ensemble(runs, outputs))
    assert run.probabilities[:, :2] == pytest.approx(np.array([[0.65, 0.35], [0.35, 0.65]]))
    assert run.accuracy == 1


def test_every_reader_treats_it_like_any_run(members: list[Run], outputs: Path) -> None:
    path = write_ensemble(members, outputs)
    assert path == outputs / "mnist-cnn-ensemble"
    assert path in find_runs(outputs)
    run = read_run(path)
    assert (run.framework, run.seed, run.recipe, run.history) == ("ensemble", None, {}, [])
    assert (run.fingerprint, run.parameters, run.training_seconds) == (members[0].fingerprint, 3 * 206_922, 45)
    evaluation = evaluate_run(run)
    assert evaluation.loss == pytest.approx(run.info["test"]["loss"])
    assert list(evaluation.interval) == run.info["test"]["interval_95"]
    assert "mnist-cnn-ensemble" in runs_as_text([evaluation])
    [group] = compare_runs([*members, run])
    assert len(group.runs) == 4
    assert [member["name"] for member in run.info["members"]] == [one.name for one in members]
    words = shlex.split(run.info["command"])
    assert words[:3] == ["python", "visualize_results.py", "--ensemble"]
    assert words[3:] == [*(one.name for one in members), "--output-dir", str(outputs)]


def test_an_earlier_ensemble_is_replaced_and_a_name_can_be_given(
    members: list[Run], make: Callable[..., Run], outputs: Path
) -> None:
    first = write_ensemble(members, outputs)
    assert write_ensemble(members[:2], outputs) == first
    assert len(read_run(first).info["members"]) == 2
    named = read_run(write_ensemble(members, outputs, "all three"))
    assert named.path.name == named.info["name"] == "all three"
    mixed = read_run(write_ensemble([members[0], make(model="mlp")], outputs))
    assert (mixed.name, mixed.model) == ("mnist-mixed-ensemble", "mixed")


@pytest.mark.parametrize(
    ("choose", "sentence"),
    [
        (lambda runs: runs[:1], "needs two runs or more, not 1"),
        (
            lambda runs: [runs[0], changed(runs[1], dataset_fingerprint="0" * 64)],
            "no ensemble; only .* same images, .*: 'mnist",
        ),
        (lambda runs: [runs[0], changed(runs[1], class_names=list("abcdefghij"))], "same labels and class names"),
        (lambda runs: [runs[0], dataclasses.replace(runs[1], labels=LABELS[::-1])], "same labels and class names"),
    ],
)
def test_what_cannot_be_averaged_is_refused(
    members: list[Run], outputs: Path, choose: Callable[[list[Run]], list[Run]], sentence: str
) -> None:
    before = sorted(os.listdir(outputs))
    with pytest.raises(UserError, match=sentence):
        write_ensemble(choose(members), outputs)
    assert sorted(os.listdir(outputs)) == before


def test_validation_runs_are_averaged_on_the_same_images_alone(make: Callable[..., Run], outputs: Path) -> None:
    held_out = {"validation_fraction": 0.1, "split": "random", "seed": 0}
    members = [
        make(framework=framework, folder=framework, held_out=held_out) for framework in ("pytorch", "tensorflow")
    ]
    run = read_run(write_ensemble(members, outputs))
    assert run.name == "mnist-cnn-ensemble+evaluate_on=validation"
    assert (run.evaluated_on, run.held_out, run.info["test"]) == ("validation", held_out, None)
    assert run.score["accuracy"] == run.info["validation"]["accuracy"] == run.accuracy
    [group] = compare_runs([*members, run])
    assert len(group.runs) == 3
    with pytest.raises(UserError, match=r"validation images of mnist .*; .* test images of mnist"):
        write_ensemble([members[0], make()], outputs)


def test_nothing_but_an_ensemble_is_replaced(members: list[Run], outputs: Path) -> None:
    inner = read_run(write_ensemble(members, outputs))
    (outputs / "notes").mkdir()
    (outputs / "notes" / "thesis.txt").write_text("years of work", encoding="utf-8")
    before = sorted(outputs.rglob("*"))
    for runs, name, sentence in (
        (members[1:], members[0].name, "is a trained run and would be replaced"),
        ([inner, members[0]], inner.name, "is a member and would be replaced"),
        (members, "notes", "has files but is not a run"),
        (members, "../escaped", "cannot be an ensemble's name"),
        (members, "/tmp", "cannot be an ensemble's name"),
    ):
        with pytest.raises(UserError, match=sentence):
            write_ensemble(runs, outputs, name)
    assert sorted(outputs.rglob("*")) == before
