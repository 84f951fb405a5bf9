"""Statistics of repeated trainings: mean and spread over the seeds, and what one recipe gains over another by seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, log, sqrt
from statistics import fmean, stdev

import numpy as np
from scipy.special import stdtrit  # type: ignore[import-untyped]

MOST_PAIRS = 20
"""The exact p-value goes through all 2^n signs: a million of 20 pairs."""


@dataclass(frozen=True)
class Spread:
    """Some numbers in short; what n = 1 does not give is None."""

    n: int
    mean: float
    deviation: float | None  # standard deviation of the sample (n - 1)
    interval: tuple[float, float] | None  # 95 % t-interval of the mean


def spread_of(values: Sequence[float]) -> Spread:
    """Return the spread of one or more numbers, for instance of the accuracies of equal trainings but for their seed.

    The interval is Student's: mean +- t sd / sqrt(n), with the 97.5 % quantile of t with n - 1 degrees of freedom.
    """
    n, mean = len(values), fmean(values)
    if n < 2:
        return Spread(n, mean, None, None)
    deviation = stdev(values)
    reach = float(stdtrit(n - 1, 0.975)) * deviation / sqrt(n)
    return Spread(n, mean, deviation, (mean - reach, mean + reach))


def ratio_of(numerators: Sequence[float], denominators: Sequence[float]) -> Spread:
    """Return the geometric mean of the ratios of paired positive numbers, with its 95 % t-interval (of the logarithms).

    The geometric mean, because then a / b is 1 / (b / a). The standard deviation is that of the logarithms.
    """
    logs = spread_of([log(a) - log(b) for a, b in zip(numerators, denominators, strict=True)])
    interval = None if logs.interval is None else (exp(logs.interval[0]), exp(logs.interval[1]))
    return Spread(logs.n, exp(logs.mean), logs.deviation, interval)


def sign_flip_p_value(differences: Sequence[float]) -> float:
    """Return the exact two-sided p-value of Fisher's permutation test for paired samples.

    If there were no difference, each one's sign would be as likely as its opposite. The p-value is the fraction of all
    2^n choices of signs whose mean is at least as far from 0 as the mean observed; it cannot be below 2 / 2^n.
    Fisher (1935), 'The design of experiments'. Raises ValueError for none, and for more than MOST_PAIRS.
    """
    if not 0 < len(differences) <= MOST_PAIRS:
        raise ValueError(f"{len(differences)} differences instead of 1 to {MOST_PAIRS}")
    sums = np.zeros(1)
    for difference in differences:
        sums = np.concatenate([sums + difference, sums - difference])
    # Sums that are equal on paper differ by rounding.
    slack = 1e-12 * float(np.abs(differences).sum())
    return float(np.mean(np.abs(sums) >= abs(sums[0]) - slack))
