"""Measures of predictions: intervals of accuracies and of their differences, and cross-entropy."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import Any

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.integer]
Z = NormalDist().inv_cdf(0.975)


def are_probabilities(rows: npt.NDArray[np.float32]) -> bool:
    """Return whether each row, of (N, classes) with N > 0, is finite, not negative and adds up to 1."""
    # Rows of a float32 softmax over 10 classes sum to 1 within 1e-6; 1e-3 leaves room for softmax in half precision.
    sums = rows.sum(axis=1, dtype=np.float64)
    return bool(np.isfinite(rows).all() and rows.min() >= 0 and np.abs(sums - 1).max() < 1e-3)


def wilson_interval(correct: float, n: float, z: float = Z) -> tuple[float, float]:
    """Return the 95 % interval: the accuracies with which `correct` correct predictions out of `n` are compatible.

    Wilson (1927), 'Probable inference, the law of succession, and statistical inference', JASA 22. Unlike the usual
    p +- 1.96 sqrt(p (1 - p) / n) it stays within [0, 1] and keeps its coverage near 100 %, where our networks are.
    """
    p = correct / n
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half_width = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    # At 0 and n correct one end is exactly 0 or 1, which rounding would miss slightly.
    low = 0.0 if correct == 0 else centre - half_width
    high = 1.0 if correct == n else centre + half_width
    return low, high


def accuracy_interval(right: npt.NDArray[np.bool_], writers: IntArray | None = None) -> tuple[float, float]:
    """Return the 95 % interval of the accuracy on all that such people write; Wilson's where `writers` is None.

    right: (N,), whether each image was classified correctly; writers: (N, 2), who wrote it, and that writer's series.
    It is Wilson's interval for N / design_effect images, with Student's t, whose degrees of freedom are the writers
    less the series. One writer of each series says nothing about others: 0 to 1.
    """
    effect, z = design_effect(right, writers), _quantile(writers)
    if math.isinf(z):
        return 0.0, 1.0
    return wilson_interval(int(right.sum()) / effect, len(right) / effect, z)


def difference_interval(differences: IntArray, writers: IntArray | None = None) -> tuple[float, float]:
    """Return the 95 % interval of the difference between two accuracies on the same images.

    differences: (N,), 1 where only the first network is right, -1 where only the second one is; writers: as above. The
    variance counts one differing image more than there are, so that it is not 0 where there is none (Agresti and Min
    2005, 'Simple improved confidence intervals for comparing matched proportions', Statistics in Medicine 24).
    """
    centre = float(differences.mean())
    reach = _quantile(writers) * math.hypot(standard_error(differences, writers), 1 / len(differences))
    return max(centre - reach, -1.0), min(centre + reach, 1.0)


def design_effect(right: npt.NDArray[np.bool_], writers: IntArray | None) -> float:
    """Return the variance of the accuracy, divided by that on as many independent images; at least 1."""
    independent = standard_error(right)
    return (standard_error(right, writers) / independent) ** 2 if independent else 1.0


def standard_error(values: npt.NDArray[Any], writers: IntArray | None = None) -> float:
    """Return the standard error of the mean of `values`, (N,); writers: as of accuracy_interval.

    Errors cluster by writer, so the variance is estimated from the writers' sums: the sandwich estimator of Liang and
    Zeger (1986), 'Longitudinal data analysis using generalized linear models', Biometrika 73, of each series by itself,
    since a test set has a fixed number of images of each. It is at least that of independent images.
    """
    n, independent = len(values), math.sqrt(values.var() / len(values))
    if writers is None:
        return independent
    _, first, writer = np.unique(writers[:, 0], return_index=True, return_inverse=True)
    _, series = np.unique(writers[:, 1], return_inverse=True)
    residuals = values - (np.bincount(series, values) / np.bincount(series))[series]
    count = np.bincount(series[first])  # writers of each series
    squares = np.bincount(series[first], np.bincount(writer, residuals) ** 2)
    variance = float((squares * count / np.maximum(count - 1, 1)).sum())  # of the sum of the values
    return max(independent, math.sqrt(variance) / n)


def _quantile(writers: IntArray | None) -> float:
    """Return how many standard errors an interval of 95 % reaches to each side; infinity where that is unknown."""
    if writers is None:
        return Z
    from scipy.special import stdtrit  # type: ignore[import-untyped]  # here, since a training needs it at its end only

    freedom = len(np.unique(writers[:, 0])) - len(np.unique(writers[:, 1]))
    return float(stdtrit(freedom, 0.975)) if freedom else math.inf


def cross_entropy(labels: IntArray, probabilities: npt.NDArray[np.floating]) -> float:
    """Return the mean of -ln p(true class), in nats, for labels (N,) and probabilities (N, classes).

    A float32 softmax can round the true class's probability to 0; it counts as the smallest normal float32 (a loss
    of 87.3) rather than as infinity, which would hide every other image.
    """
    true_class = probabilities[np.arange(len(labels)), labels].astype(np.float64)
    return float(-np.log(np.maximum(true_class, np.finfo(np.float32).tiny)).mean())
