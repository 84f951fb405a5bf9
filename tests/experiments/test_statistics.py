"""Means, intervals and p-values of repeated trainings, against SciPy and by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from digits.experiments.statistics import MOST_PAIRS, ratio_of, sign_flip_p_value, spread_of

NUMBERS = st.lists(st.floats(-100, 100), min_size=2, max_size=9)


@given(NUMBERS)
def test_the_interval_is_scipy_s(values: list[float]) -> None:
    spread = spread_of(values)
    assert spread.mean == pytest.approx(np.mean(values), abs=1e-9)
    assert spread.deviation == pytest.approx(np.std(values, ddof=1), abs=1e-9)
    assert spread.interval is not None
    if spread.deviation and spread.deviation > 1e-6:
        expected = stats.ttest_1samp(values, 0).confidence_interval(0.95)
        assert spread.interval == pytest.approx(tuple(expected), rel=1e-6, abs=1e-6)


def test_p_values_by_hand() -> None:
    assert sign_flip_p_value([1, 2, 3, 4, 5]) == 2 / 32  # only all signs alike reach the sum
    assert sign_flip_p_value([3, 1, -1]) == 0.75  # |sum| is at least 3 for 3 of the 4 choices up to the sign
    assert sign_flip_p_value([0.1, 0.2, -0.3]) == 1  # the sum is 0 on paper, 3e-17 in floating point
    assert sign_flip_p_value([0.001] * MOST_PAIRS) == 2 / 2**MOST_PAIRS
    for number in (0, MOST_PAIRS + 1):
        with pytest.raises(ValueError, match="differences"):
            sign_flip_p_value([1.0] * number)


def test_a_ratio_turned_over_is_its_inverse() -> None:
    a, b = [10.0, 12.0, 9.0], [20.0, 21.0, 19.0]
    there, back = ratio_of(a, b), ratio_of(b, a)
    assert there.mean == pytest.approx(1 / back.mean)
    assert there.mean == pytest.approx(math.prod(x / y for x, y in zip(a, b, strict=True)) ** (1 / 3))
    assert there.interval is not None
    assert back.interval is not None
    assert there.interval == pytest.approx((1 / back.interval[1], 1 / back.interval[0]))
    assert there.interval[0] < there.mean < there.interval[1]
    assert ratio_of([3.0], [4.0]).interval is spread_of([0.5]).interval is None
