"""Metrics against SciPy."""

from __future__ import annotations

import pytest

from mnist_twice.metrics import wilson_interval


@pytest.mark.slow
@pytest.mark.parametrize(("correct", "n"), [(0, 1), (1, 1), (15, 148), (50, 50), (9_881, 10_000), (99_999, 100_000)])
def test_wilson_interval_agrees_with_scipy_and_stays_in_bounds(correct: int, n: int) -> None:
    from scipy.stats import binomtest

    low, high = wilson_interval(correct, n)
    expected = binomtest(correct, n).proportion_ci(0.95, method="wilson")
    assert (low, high) == (pytest.approx(expected.low, abs=1e-12), pytest.approx(expected.high, abs=1e-12))
    assert 0 <= low <= correct / n <= high <= 1
