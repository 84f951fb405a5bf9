"""One run evaluated: by cases counted by hand, and by scikit-learn's numbers for any predictions."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from make_runs import DIGITS, FASHION, make_info, make_run

from digits.errors import UserError
from digits.evaluation.compare import compare_runs
from digits.evaluation.evaluate import Evaluation, evaluate_run
from digits.evaluation.label_errors import MNIST_TEST_LABEL_ERRORS
from digits.evaluation.tables import (
    RunRow,
    classes_as_text,
    run_rows,
    runs_as_csv,
    runs_as_markdown,
    runs_as_text,
)
from digits.metrics import calibration_bins, expected_calibration_error
from digits.names import plain
from digits.prediction.trained_run import best_run
from digits.runs.run import Run, read_run


def run_of(labels: list[int], probabilities: list[list[float]]) -> Run:
    """Return a run that exists in memory alone."""
    array = np.array(probabilities, dtype=np.float32)
    names = DIGITS[: array.shape[1]]
    info = {"dataset": "toy", "model": "cnn", "framework": "pytorch", "seed": 0, "class_names": names}
    return Run(Path("toy-run"), info, array.argmax(axis=1), array, np.array(labels, dtype=np.int64), [])


# --- by hand ---


@pytest.fixture
def by_hand() -> Evaluation:
    """Six images of the classes 0 (three), 1 (one) and 2 (two); class 3 has none and is never predicted."""
    return evaluate_run(
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


def test_accuracy_loss_and_errors_by_hand(by_hand: Evaluation) -> None:
    assert by_hand.n == 6
    assert by_hand.accuracy == 0.5
    assert by_hand.interval == (pytest.approx(0.1876, abs=1e-4), pytest.approx(0.8124, abs=1e-4))
    assert by_hand.loss == pytest.approx(-(np.log(0.7) + np.log(0.2) + np.log(2**-126) + 0 + 0 + np.log(0.2)) / 6, 1e-5)
    assert by_hand.errors.tolist() == [2, 5, 1]  # by confidence 0.9, 0.8, 0.6


def test_confusions_by_hand(by_hand: Evaluation) -> None:
    found = [(pair.true, pair.predicted, pair.count, pair.share) for pair in by_hand.top_confusions]
    assert found == [("0", "1", 2, pytest.approx(2 / 3)), ("2", "0", 1, 0.5)]


# --- calibration ---


def test_calibration_by_hand() -> None:
    # Two bins: (0, 0.5] with one image, right at confidence 0.5; (0.5, 1] with three, two of them right.
    probabilities = np.array([[0.5, 0.5], [0.75, 0.25], [0.75, 0.25], [0.0, 1.0]], dtype=np.float32)
    low, high = calibration_bins(np.array([0, 0, 1, 1]), probabilities, num_bins=2)
    assert (low.low, low.high, low.count, low.confidence, low.accuracy) == (0, 0.5, 1, 0.5, 1)
    assert (high.low, high.high, high.count) == (0.5, 1, 3)
    assert (high.confidence, high.accuracy) == (pytest.approx(5 / 6), pytest.approx(2 / 3))
    assert expected_calibration_error([low, high]) == pytest.approx((0.5 + 3 * (5 / 6 - 2 / 3)) / 4)


def test_a_bin_ends_with_its_upper_edge_and_empty_bins_have_no_means() -> None:
    for k in range(1, 16):
        confidence = np.linspace(0, 1, 16)[k]
        bins = calibration_bins(np.array([0]), np.array([[confidence]], dtype=np.float64))
        assert [one.count for one in bins] == [int(i == k - 1) for i in range(15)]
        assert all(one.confidence is None and one.accuracy is None for one in bins if not one.count)


@st.composite
def predicted(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Return labels (N,) and probabilities (N, classes)."""
    num_classes, n = draw(st.integers(2, 6)), draw(st.integers(1, 120))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    probabilities = rng.dirichlet(np.full(num_classes, draw(st.sampled_from([0.05, 0.3, 2.0]))), n)
    # scikit-learn takes whatever is below 2e-16 for that; ours goes down to 1e-38.
    return rng.integers(num_classes, size=n), np.maximum(probabilities, 1e-12).astype(np.float32)


# --- by scikit-learn ---


@pytest.mark.slow
@settings(deadline=None)
@given(predicted())
def test_everything_agrees_with_scikit_learn(case: tuple[np.ndarray, np.ndarray]) -> None:
    from sklearn import metrics

    labels, probabilities = case
    num_classes = probabilities.shape[1]
    evaluation = evaluate_run(run_of(labels.tolist(), probabilities.tolist()))
    predictions = probabilities.argmax(axis=1)
    report = metrics.classification_report(
        labels,
        predictions,
        labels=range(num_classes),
        target_names=DIGITS[:num_classes],
        output_dict=True,
        zero_division=0,
    )
    for score in evaluation.per_class:
        expected = report[score.name]
        assert score.precision == pytest.approx(expected["precision"])
        assert score.recall == pytest.approx(expected["recall"])
        assert score.f1 == pytest.approx(expected["f1-score"])
        assert score.support == expected["support"]
        if score.recall_interval_95:
            low, high = score.recall_interval_95
            assert low - 1e-12 <= score.recall <= high + 1e-12
    assert evaluation.accuracy == pytest.approx(metrics.accuracy_score(labels, predictions))
    exact = probabilities / probabilities.sum(axis=1, keepdims=True, dtype=np.float64)
    assert evaluation.loss == pytest.approx(metrics.log_loss(labels, exact, labels=range(num_classes)), abs=1e-5)
    assert evaluation.confusion_matrix.sum() == evaluation.n
    assert sum(pair.count for pair in evaluation.top_confusions) <= len(evaluation.errors)
    counts = [pair.count for pair in evaluation.top_confusions]
    assert counts == sorted(counts, reverse=True)
    assert set(evaluation.errors.tolist()) == set(np.flatnonzero(predictions != labels).tolist())
    # The printed means are scikit-learn's too.
    lines = classes_as_text(evaluation).splitlines()
    for line, mean in zip(lines[-2:], ("macro avg", "weighted avg"), strict=True):
        numbers = [float(word) for word in re.findall(r"[\d.]+(?= %)", line)]
        expected = [100 * report[mean][key] for key in ("precision", "recall", "f1-score")]
        assert numbers == pytest.approx(expected, abs=0.00501)


# --- the labels known to be wrong ---


def test_known_label_errors_are_given_beside_the_official_accuracy(tmp_path: Path) -> None:
    run = read_run(make_run(tmp_path, labels=np.arange(10_000) % 10))
    evaluation = evaluate_run(run)
    assert evaluation.known_label_errors.tolist() == list(MNIST_TEST_LABEL_ERRORS)
    kept = np.setdiff1d(np.arange(10_000), MNIST_TEST_LABEL_ERRORS)
    assert len(kept) == 9_985
    assert evaluation.accuracy == np.mean(run.predictions == run.labels)
    assert evaluation.accuracy_without_known_errors == np.mean(run.predictions[kept] == run.labels[kept])


@pytest.mark.parametrize(
    "change", [{"dataset": "kmnist"}, {"dataset_fingerprint": "0" * 64}, {"dataset_fingerprint": None}]
)
def test_other_images_have_no_known_label_errors(tmp_path: Path, change: dict[str, str | None]) -> None:
    run = read_run(make_run(tmp_path, labels=np.arange(10_000) % 10))
    info = {key: value for key, value in {**run.info, **change}.items() if value is not None}
    evaluation = evaluate_run(dataclasses.replace(run, info=info))
    assert evaluation.known_label_errors.tolist() == []
    assert evaluation.accuracy_without_known_errors is None


# --- report.json ---


def test_as_json_is_plain_and_complete(tmp_path: Path) -> None:
    run = read_run(make_run(tmp_path, "fashion-mnist", seed=2, labels=np.arange(500) % 10, error_rate=0.1))
    evaluation = evaluate_run(run)
    report = json.loads(json.dumps(evaluation.as_json(), allow_nan=False))
    assert report["run"] == "fashion-mnist-cnn-pytorch-s2"
    assert report["accuracy"] == run.accuracy
    assert [one["name"] for one in report["classes"]] == FASHION
    assert np.array_equal(report["confusion_matrix"], evaluation.confusion_matrix)
    assert len(report["calibration"]) == 15
    assert len(report["errors"]) == round(500 * (1 - run.accuracy))
    first = report["errors"][0]
    assert first["true"] == FASHION[run.labels[first["index"]]]
    assert first["probability"] == run.probabilities.max(axis=1)[run.predictions != run.labels].max()


# --- what a run records ---


def test_records_may_be_left_out(tmp_path: Path) -> None:
    path = make_run(tmp_path, labels=np.arange(100) % 10)
    info = json.loads((path / "run.json").read_text(encoding="utf-8"))
    for key in ("parameters", "seconds", "recipe", "dataset_fingerprint", "command", "versions", "hardware"):
        del info[key]
    (path / "run.json").write_text(json.dumps(info), encoding="utf-8")
    run = read_run(path)
    assert (run.parameters, run.training_seconds, run.recipe, run.fingerprint) == (None, None, {}, None)
    [row] = run_rows([evaluate_run(run)])
    assert "-  " in runs_as_text([row])
    assert runs_as_csv([row]).endswith(",,\n")


KEYS = sorted(make_info("mnist", "cnn", "pytorch", 0, DIGITS, 100, 0.5))
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)


@pytest.mark.slow
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from([*KEYS, "validation"]),
    json_values
    | st.fixed_dictionaries({"training": json_values, "trainable": json_values})
    | st.fixed_dictionaries({"n": st.integers(), "accuracy": st.floats(0, 1), "loss": st.floats(0, 9)}),
)
@example("validation", {"n": 2**63 - 1, "accuracy": 1.0, "loss": 0.0})
def test_whatever_run_json_holds_the_run_is_evaluated_or_refused(one_run: Path, key: str, value: Any) -> None:
    original = (one_run / "run.json").read_text(encoding="utf-8")
    (one_run / "run.json").write_text(json.dumps({**json.loads(original), key: value}), encoding="utf-8")
    try:
        run = read_run(one_run)
    except UserError:
        return  # refused in a sentence
    finally:
        (one_run / "run.json").write_text(original, encoding="utf-8")
    rows = run_rows([evaluate_run(run)])
    assert all(len(table(rows).splitlines()) >= 2 for table in (runs_as_text, runs_as_csv, runs_as_markdown))
    assert [group.runs for group in compare_runs([run])] == [[run]]
    assert run.class_names != DIGITS or best_run([run], one_run.parent) is run
    json.dumps(evaluate_run(run).as_json(), allow_nan=False)


@pytest.fixture
def one_run(tmp_path: Path) -> Path:
    return make_run(tmp_path, labels=np.arange(100) % 10)


# --- tables ---

NASTY = ["a|b", "<script>alert(1)</script>", "=1+1", "*bold* _it_ `code`", "[x](y)", "a\nb\x1b[31m", '","', "\\|", "-5"]


def row_named(name: str) -> RunRow:
    numbers = (10_000, 0.98765, 0.985, 0.99, 0.985, 0.99, None, 0.034567, 14.483, 206_922)
    recipe = {"filters": [8, 16], "augmentation rotation": 10.0, "=1+1": None}
    return RunRow(name, "mnist", "cnn", "pytorch", 0, "test", *numbers, recipe)


def test_the_terminals_table() -> None:
    assert runs_as_text([row_named("a"), row_named("longer-name")]).splitlines() == [
        "run          accuracy     95 % interval    loss  training  parameters       n",
        "a             98.77 %  98.50 to 99.00 %  0.0346    14.5 s     206,922  10,000",
        "longer-name   98.77 %  98.50 to 99.00 %  0.0346    14.5 s     206,922  10,000",
    ]


@pytest.mark.parametrize("name", NASTY)
def test_no_name_breaks_a_line_of_the_terminals_table(name: str) -> None:
    text = runs_as_text([row_named(name)])
    assert len(text.splitlines()) == 2
    assert "\x1b" not in text


@given(st.text(max_size=30))
def test_csv_is_read_back_whatever_the_name(name: str) -> None:
    row = row_named(name)
    [found] = csv.DictReader(io.StringIO(runs_as_csv([row]), newline=""))
    assert found["run"].removeprefix("'") == plain(name).removeprefix("'")
    assert not found["run"].startswith(("=", "+", "-", "@"))  # what a spreadsheet would calculate
    assert float(found["accuracy"]) == row.accuracy
    assert float(found["loss"]) == row.loss
    assert int(found["parameters"]) == row.parameters
    *columns, _ = (field.name for field in dataclasses.fields(RunRow))
    assert list(found) == [*columns, "filters", "augmentation_rotation", "'=1+1"]
    assert (found["seed"], found["filters"], found["augmentation_rotation"], found["'=1+1"]) == (
        "0",
        "8 16",
        "10.0",
        "none",
    )


@given(st.text(max_size=30))
def test_markdown_keeps_its_columns_and_the_names_stay_text(name: str) -> None:
    header, rule, line = runs_as_markdown([row_named(name)]).rstrip("\n").split("\n")
    cells = re.split(r"(?<!\\)(?:\\\\)*\|", line)
    assert len(cells) == len(header.split("|")) == len(rule.split("|"))
    shown = cells[1]
    assert not re.search(r"(?<!\\)(?:\\\\)*[`*_~\[\]<>&|]", shown)
