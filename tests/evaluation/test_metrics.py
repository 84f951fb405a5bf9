"""Metrics against cases counted by hand, published numbers, and second implementations."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from digits.metrics import accuracy, confusion_matrix, cross_entropy, wilson_interval


@pytest.mark.slow
@settings(deadline=None)  # the first call imports scikit-learn
@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=200))
def test_confusion_matrix_agrees_with_scikit_learn(pairs: list[tuple[int, int]]) -> None:
    from sklearn import metrics

    labels, predictions = np.array(pairs).T
    expected = metrics.confusion_matrix(labels, predictions, labels=range(7))
    assert np.array_equal(confusion_matrix(labels, predictions, 7), expected)
    assert accuracy(labels, predictions) == pytest.approx(metrics.accuracy_score(labels, predictions))


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.int64])
def test_confusion_matrix_of_small_integers_does_not_wrap(dtype: type) -> None:
    labels = np.array([46, 46], dtype=dtype)  # 46 * 47 is more than a uint8 holds
    assert confusion_matrix(labels, labels, 47)[46, 46] == 2


@pytest.mark.parametrize(("labels", "predictions"), [([0, 3], [0, 0]), ([0, 0], [0, -1]), ([0], [0, 1]), ([], [])])
def test_classes_out_of_range_and_unequal_lengths_are_refused(labels: list[int], predictions: list[int]) -> None:
    with pytest.raises(ValueError, match=r"outside|must be"):
        confusion_matrix(np.array(labels, dtype=np.int64), np.array(predictions, dtype=np.int64), 3)


@pytest.mark.parametrize(
    ("correct", "n", "low", "high"),
    [
        # Newcombe (1998), Statistics in Medicine 17, 857-872, table I, method 3 (Wilson's score without correction).
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_interval_as_published(correct: int, n: int, low: float, high: float) -> None:
    assert wilson_interval(correct, n) == (pytest.approx(low, abs=5e-5), pytest.approx(high, abs=5e-5))


@pytest.mark.slow
@settings(deadline=None)  # the first call imports SciPy
@given(st.integers(1, 100_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_interval_agrees_with_scipy_and_stays_in_bounds(counts: tuple[int, int]) -> None:
    from scipy.stats import binomtest

    correct, n = counts
    low, high = wilson_interval(correct, n)
    expected = binomtest(correct, n).proportion_ci(0.95, method="wilson")
    assert (low, high) == (pytest.approx(expected.low, abs=1e-9), pytest.approx(expected.high, abs=1e-9))
    assert 0 <= low <= correct / n <= high <= 1


@pytest.mark.parametrize(("correct", "n", "confidence"), [(0, 0, 0.95), (2, 1, 0.95), (-1, 5, 0.95), (1, 2, 1.0)])
def test_wilson_interval_refuses_what_has_none(correct: int, n: int, confidence: float) -> None:
    with pytest.raises(ValueError, match="no interval"):
        wilson_interval(correct, n, confidence)


def test_cross_entropy_of_a_certain_error_is_large_and_finite() -> None:
    assert cross_entropy(np.array([0]), np.array([[0, 1]], dtype=np.float32)) == pytest.approx(87.3, abs=0.1)
