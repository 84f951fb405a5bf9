"""One run evaluated: by cases counted by hand, and by scikit-learn's numbers for any predictions."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from make_runs import DIGITS, FASHION, make_run

from mnist_twice.evaluation.evaluate import MNIST_DISPUTED_LABELS, Evaluation, calibrate, evaluate_run
from mnist_twice.evaluation.tables import classes_as_text, runs_as_csv, runs_as_text
from mnist_twice.names import plain
from mnist_twice.recipes import Recipe
from mnist_twice.runs.run import Run, read_run


def run_of(labels: list[int], probabilities: list[list[float]]) -> Run:
    """Return a run that exists in memory alone."""
    array = np.array(probabilities, dtype=np.float32)
    names = DIGITS[: array.shape[1]]
    info = {"dataset": "toy", "model": "cnn", "framework": "pytorch", "seed": 0, "class_names": names}
    return Run(Path("toy-run"), info, array.argmax(axis=1), array, np.array(labels, dtype=np.int64), [])


def test_accuracy_loss_errors_and_confusions_by_hand() -> None:
    """Six images of the classes 0 (three), 1 (one) and 2 (two); class 3 has none and is never predicted."""
    by_hand = evaluate_run(
        run_of(
            [0, 0, 0, 1, 2, 2],
            [
                [0.7, 0.1, 0.1, 0.1],
                [0.2, 0.6, 0.1, 0.1],  # a 0 taken for a 1
                [0.0, 0.9, 0.1, 0.0],  # a 0 taken for a 1, more confidently
                [0.0, 1.0, 0.0, 0.0],
                [0.0, 0.0, 1.0, 0.0],
                [0.8, 0.0, 0.2, 0.0],  # a 2 taken for a 0
            ],
        )
    )
    assert by_hand.n == 6
    assert by_hand.accuracy == 0.5
    assert by_hand.interval == (pytest.approx(0.1876, abs=1e-4), pytest.approx(0.8124, abs=1e-4))
    assert by_hand.loss == pytest.approx(-(np.log(0.7) + np.log(0.2) + np.log(2**-126) + 0 + 0 + np.log(0.2)) / 6, 1e-5)
    assert by_hand.errors.tolist() == [2, 5, 1]  # by confidence 0.9, 0.8, 0.6
    found = [(pair.true, pair.predicted, pair.count, pair.share) for pair in by_hand.top_confusions]
    assert found == [("0", "1", 2, pytest.approx(2 / 3)), ("2", "0", 1, 0.5)]


def test_calibration_by_hand() -> None:
    # Two bins: (0, 0.5] with one image, right at confidence 0.5; (0.5, 1] with three, two of them right.
    run = run_of([0, 0, 1, 1], [[0.5, 0.5], [0.75, 0.25], [0.75, 0.25], [0.0, 1.0]])
    low, high = calibrate(run, num_bins=2).bins
    assert (low.low, low.high, low.count, low.confidence, low.accuracy) == (0, 0.5, 1, 0.5, 1)
    assert (high.low, high.high, high.count) == (0.5, 1, 3)
    assert (high.confidence, high.accuracy) == (pytest.approx(5 / 6), pytest.approx(2 / 3))
    found = calibrate(run)  # over 15 bins: of confidence 0.5, 0.75, 1
    assert found.error == pytest.approx((0.5 + 2 * 0.25) / 4)
    assert found.overconfidence == pytest.approx(0.75 - 0.75)
    assert found.standard_error == pytest.approx(np.std([-0.5, -0.25, 0.75, 0]) / 2)


def test_a_perfectly_calibrated_network_has_the_calibration_error_that_is_told() -> None:
    rng = np.random.default_rng(0)
    errors = []
    for _ in range(50):
        confidence = rng.beta(8, 1, 2000) / 2 + 0.5
        labels = (rng.random(2000) > confidence).astype(int).tolist()
        found = calibrate(run_of(labels, np.stack([confidence, 1 - confidence], axis=1).tolist()))
        errors.append((found.error, found.error_by_chance))
    told, by_chance = np.mean(errors, axis=0)
    assert told == pytest.approx(by_chance, rel=0.1)


def test_a_bin_ends_with_its_upper_edge() -> None:
    for edge in np.linspace(0, 1, 16)[1:]:
        probabilities = np.array([[edge]])
        [one] = calibrate(dataclasses.replace(run_of([0], [[1.0]]), probabilities=probabilities)).bins
        assert one.high == edge


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_table_and_loss_are_scikit_learns(seed: int) -> None:
    from sklearn import metrics

    rng = np.random.default_rng(seed)
    probabilities = rng.dirichlet(np.full(5, 0.3), 120)
    labels = rng.integers(4, size=120)  # there is no image of class 4
    evaluation = evaluate_run(run_of(labels.tolist(), probabilities.tolist()))
    predictions = evaluation.run.predictions
    assert evaluation.loss == pytest.approx(metrics.log_loss(labels, probabilities, labels=range(5)), abs=1e-5)
    options = {"labels": range(5), "target_names": DIGITS[:5], "output_dict": True, "zero_division": 0}
    report = metrics.classification_report(labels, predictions, **options)
    lines = classes_as_text(evaluation).splitlines()[1:]
    for line, name in zip(lines, [*DIGITS[:5], "macro avg", "weighted avg"], strict=True):
        precision, recall, *_, f1 = (float(word) for word in re.findall(r"[\d.]+(?= %)", line))
        expected = [100 * report[name][key] for key in ("precision", "recall", "f1-score")]
        assert [precision, recall, f1] == pytest.approx(expected, abs=0.00501)
        assert line.split()[-1] == f"{report[name]['support']:.0f}"


def test_disputed_labels_are_left_out_beside_the_official_accuracy(tmp_path: Path) -> None:
    run = read_run(make_run(tmp_path, labels=np.arange(10_000) % 10))
    evaluation = evaluate_run(run)
    assert evaluation.disputed_labels.tolist() == list(MNIST_DISPUTED_LABELS)
    kept = np.setdiff1d(np.arange(10_000), MNIST_DISPUTED_LABELS)
    assert len(kept) == 9_985
    assert evaluation.accuracy == np.mean(run.predictions == run.labels)
    assert evaluation.accuracy_without_disputed == np.mean(run.predictions[kept] == run.labels[kept])


@pytest.mark.parametrize(
    "change", [{"dataset": "kmnist"}, {"dataset_fingerprint": "0" * 64}, {"dataset_fingerprint": None}]
)
def test_other_images_have_no_disputed_labels(tmp_path: Path, change: dict[str, str | None]) -> None:
    run = read_run(make_run(tmp_path, labels=np.arange(10_000) % 10))
    info = {key: value for key, value in {**run.info, **change}.items() if value is not None}
    evaluation = evaluate_run(dataclasses.replace(run, info=info))
    assert evaluation.disputed_labels.tolist() == []
    assert evaluation.accuracy_without_disputed is None


def test_as_json_is_plain_and_complete(tmp_path: Path) -> None:
    run = read_run(make_run(tmp_path, "fashion-mnist", seed=2, labels=np.arange(500) % 10, error_rate=0.1))
    evaluation = evaluate_run(run)
    report = json.loads(json.dumps(evaluation.as_json(), allow_nan=False))
    assert report["run"] == "fashion-mnist-cnn-pytorch-s2"
    assert report["accuracy"] == run.accuracy
    assert [one["name"] for one in report["classes"]] == FASHION
    assert np.array_equal(report["confusion_matrix"], evaluation.confusion_matrix)
    assert sum(one["count"] for one in report["calibration"]["bins"]) == 500
    assert len(report["errors"]) == round(500 * (1 - run.accuracy))
    first = report["errors"][0]
    assert first["true"] == FASHION[run.labels[first["index"]]]
    assert first["probability"] == run.probabilities.max(axis=1)[run.predictions != run.labels].max()


@pytest.fixture
def evaluated(tmp_path: Path) -> Callable[..., Evaluation]:
    """Give a function that evaluates a run of 200 images; `info` changes what run.json records, None leaves it out."""
    run = read_run(make_run(tmp_path, labels=np.arange(200) % 10, recipe=Recipe(filters=(8, 16))))

    def evaluate(name: str = "a", **info: Any) -> Evaluation:
        found = {key: value for key, value in {**run.info, **info}.items() if value is not None}
        return evaluate_run(dataclasses.replace(run, path=Path(name), info=found))

    return evaluate


def test_the_terminals_table(evaluated: Callable[..., Evaluation]) -> None:
    other = evaluated("longer-name", parameters=None, seconds=None)
    header, first, second = runs_as_text([evaluated(), other]).splitlines()
    accuracy = evaluated().accuracy
    assert header == "run          accuracy     95 % interval    loss  training  parameters    n"
    assert first.startswith(f"a             {100 * accuracy:.2f} %  ")
    assert first.endswith("    15.0 s     206,922  200")
    assert second.endswith("         -           -  200")


@pytest.mark.parametrize("name", ["<i>|&", "=1+1", "-5", "*b* _it_ `code`", "[x](y)", "a\nb\x1b[31m", '","', "\\|"])
def test_no_name_breaks_a_table(evaluated: Callable[..., Evaluation], name: str) -> None:
    one = evaluated(name, recipe={"=1+1": None, "filters": [8, 16], "augmentation": {"rotation": 10.0}})
    text = runs_as_text([one])
    assert len(text.splitlines()) == 2
    assert "\x1b" not in text
    [found] = csv.DictReader(io.StringIO(runs_as_csv([one]), newline=""))
    assert found["run"].removeprefix("'") == plain(name)
    assert not found["run"].startswith(("=", "+", "-", "@"))  # what a spreadsheet would calculate
    assert (float(found["accuracy"]), float(found["loss"])) == (one.accuracy, one.loss)  # in full precision
    assert (found["seed"], found["writers"], found["parameters"]) == ("0", "", "206922")
    assert (found["filters"], found["augmentation_rotation"], found["'=1+1"]) == ("8 16", "10.0", "none")


def test_each_run_has_a_column_for_each_option_of_any(evaluated: Callable[..., Evaluation]) -> None:
    table = runs_as_csv([evaluated(recipe={"epochs": 3}), evaluated("b", recipe={"dropout": 0.5})])
    first, second = csv.DictReader(io.StringIO(table, newline=""))
    assert (first["epochs"], first["dropout"]) == ("3", "none")
    assert (second["epochs"], second["dropout"]) == ("none", "0.5")
