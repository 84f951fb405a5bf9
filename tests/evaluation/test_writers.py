"""Errors cluster by writer: intervals and scores that allow for it."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from make_runs import make_run

from mnist_twice.evaluation import evaluate_run, name_intervals, write_ensemble
from mnist_twice.evaluation.tables import classes_as_text
from mnist_twice.metrics import accuracy_interval, design_effect, wilson_interval
from mnist_twice.runs import Run, read_run, score_of

N = 1000
WRITERS = np.stack([np.arange(N) % 50 + 7, np.where(np.arange(N) % 50 < 20, 0, 4)], axis=1).astype(np.int32)
"""50 writers of 20 images each, numbered from 7: 20 of the census and 30 students."""


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return read_run(make_run(tmp_path, error_rate=0.05, writers=WRITERS))


@pytest.mark.parametrize(("series", "standard_error"), [(1, 0.015756793818056152), (2, 0.01584339482381822)])
def test_the_variance_is_that_of_statsmodels(series: int, standard_error: float) -> None:
    """OLS(right, ones).fit(cov_type="cluster", cov_kwds={"groups": writer}) of statsmodels 0.15.0 has these standard
    errors; of two series, the root of the sum of their squares, each weighted by its part of the images."""
    images, wrong = 5 + np.arange(80) % 7, np.arange(80) ** 3 % 11 % 4
    right = np.concatenate([np.arange(n) >= k for n, k in zip(images, wrong, strict=True)])
    writers = np.repeat(np.stack([np.arange(80), (np.arange(80) < 30) * (series - 1)], axis=1), images, axis=0)
    n, share = len(right), right.mean()
    effect = design_effect(right, writers)
    assert np.sqrt(effect * share * (1 - share) / n) == pytest.approx(standard_error, rel=1e-12)
    t = {1: 1.9904502, 2: 1.9908471}[series]  # with 79 and 78 degrees of freedom, from a table
    expected = wilson_interval(right.sum() / effect, n / effect, t)
    assert accuracy_interval(right, writers) == pytest.approx(expected, abs=1e-8)


def test_an_error_more_never_raises_the_interval_and_one_writer_shows_nothing() -> None:
    writers = np.stack([np.arange(400) // 10, np.arange(400) // 200], axis=1)
    ends = np.array([accuracy_interval(np.arange(400) >= errors, writers) for errors in range(11)])
    assert ends[0, 1] == 1
    assert (np.diff(ends, axis=0) < 0).all()
    assert ends[0, 0] < wilson_interval(400, 400)[0]
    assert accuracy_interval(np.zeros(400, bool), writers)[0] == 0
    assert accuracy_interval(np.arange(400) > 5, writers * 0) == (0, 1)
    independent = np.stack([np.arange(400), np.zeros(400, int)], axis=1)
    assert accuracy_interval(np.arange(400) > 5, independent) == pytest.approx(wilson_interval(394, 400), abs=1e-3)


def test_scores_by_hand(tmp_path: Path) -> None:
    labels = np.array([0, 0, 0, 1, 1, 1, 1, 1])
    run = read_run(make_run(tmp_path, labels=labels, error_rate=0))
    wrong = np.array([1, 0, 0, 1, 1, 0, 0, 0], bool)
    writers = np.array([[5, 4], [5, 4], [9, 4], [9, 4], [9, 4], [2, 0], [2, 0], [3, 7]], np.int32)
    run = dataclasses.replace(run, predictions=np.where(wrong, 1 - labels, labels), writers=writers)
    scores = evaluate_run(run).writers
    assert scores is not None
    assert scores.numbers.tolist() == [9, 5, 2, 3]
    assert (scores.errors.tolist(), scores.images.tolist()) == ([2, 1, 0, 0], [3, 2, 2, 1])
    assert (scores.without_error, scores.share_of_worst(1)) == (0.5, pytest.approx(2 / 3))
    found = [(one.name, one.accuracy, one.writers, one.images) for one in scores.series]
    assert found == [("census staff", 1, 1, 2), ("high-school students", 0.4, 2, 5), ("series 7", 1, 1, 1)]


def test_a_run_with_writers_has_intervals_over_them(run: Run) -> None:
    evaluation = evaluate_run(run)
    assert evaluation.writers is not None
    assert evaluation.interval == accuracy_interval(run.right, WRITERS)
    record = json.loads(json.dumps(evaluation.as_json()))
    assert record["interval_95"] == list(evaluation.interval)
    assert record["writers"]["number"] == 50
    assert record["writers"]["design_effect"] == evaluation.writers.design_effect == design_effect(run.right, WRITERS)
    assert sum(errors for errors, _ in record["writers"]["errors"].values()) == (~run.right).sum()
    score = score_of(run.labels, run.probabilities, WRITERS)
    assert score["writer_interval_95"] == list(evaluation.interval)
    assert score["interval_95"] == list(wilson_interval(int(run.right.sum()), N))
    assert name_intervals([evaluation]) == "95 % intervals over 50 writers"


def test_the_table_of_classes_has_the_series(run: Run) -> None:
    series = classes_as_text(evaluate_run(run)).split("\n\n")[1].splitlines()
    assert series[0].split() == ["written", "by", "accuracy", "95", "%", "interval", "writers", "images"]
    assert series[1].startswith("census staff ")
    assert series[1].split()[-2:] == ["20", "400"]
    assert len(series) == 3


def test_an_ensemble_has_the_writers_of_its_members(run: Run, tmp_path: Path) -> None:
    other = read_run(make_run(tmp_path, framework="tensorflow"))
    ensemble = read_run(write_ensemble([other, run], tmp_path))
    assert ensemble.writers is not None
    assert np.array_equal(ensemble.writers, WRITERS)
    assert ensemble.info["test"]["writer_interval_95"] == list(evaluate_run(ensemble).interval)
    assert read_run(write_ensemble([other, read_run(make_run(tmp_path, seed=1))], tmp_path, "two")).writers is None
