"""Metrics against published numbers and SciPy."""

from __future__ import annotations

import numpy as np
import pytest

from digits.metrics import cross_entropy, wilson_interval


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
@pytest.mark.parametrize(("correct", "n"), [(0, 1), (1, 1), (0, 50), (50, 50), (9_881, 10_000), (99_999, 100_000)])
def test_wilson_interval_agrees_with_scipy_and_stays_in_bounds(correct: int, n: int) -> None:
    from scipy.stats import binomtest

    low, high = wilson_interval(correct, n)
    expected = binomtest(correct, n).proportion_ci(0.95, method="wilson")
    assert (low, high) == (pytest.approx(expected.low, abs=1e-12), pytest.approx(expected.high, abs=1e-12))
    assert 0 <= low <= correct / n <= high <= 1


def test_cross_entropy_of_a_certain_error_is_large_and_finite() -> None:
    assert cross_entropy(np.array([0]), np.array([[0, 1]], dtype=np.float32)) == pytest.approx(87.3, abs=0.1)
