"""Measures of predictions: intervals of an accuracy, and cross-entropy."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.integer]
RESAMPLES = 10_000
"""Of a bootstrap. With 297 writers, another seed moves the ends of an interval by 0.01 percentage points."""
MOST_DRAWS = 20_000_000
"""Groups drawn in all resamples together, which bounds the memory (160 MB)."""


def are_probabilities(rows: npt.NDArray[np.float32]) -> bool:
    """Return whether each row, of (N, classes) with N > 0, is finite, not negative and adds up to 1."""
    # Rows of a float32 softmax over 10 classes sum to 1 within 1e-6; 1e-3 leaves room for softmax in half precision.
    sums = rows.sum(axis=1, dtype=np.float64)
    return bool(np.isfinite(rows).all() and rows.min() >= 0 and np.abs(sums - 1).max() < 1e-3)


def wilson_interval(correct: int, n: int) -> tuple[float, float]:
    """Return the 95 % interval: the accuracies with which `correct` correct predictions out of `n` are compatible.

    Wilson (1927), 'Probable inference, the law of succession, and statistical inference', JASA 22. Unlike the usual
    p +- 1.96 sqrt(p (1 - p) / n) it stays within [0, 1] and keeps its coverage near 100 %, where our networks are.
    """
    z = NormalDist().inv_cdf(0.975)
    p = correct / n
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half_width = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    # At 0 and n correct one end is exactly 0 or 1, which rounding would miss slightly.
    low = 0.0 if correct == 0 else centre - half_width
    high = 1.0 if correct == n else centre + half_width
    return low, high


@dataclass(frozen=True)
class BootstrapInterval:
    """How far the accuracy would scatter if the groups were drawn anew, by as many groups drawn with replacement."""

    low: float
    high: float
    standard_error: float
    design_effect: float  # variance of the accuracy, divided by that of as many independent images


def bootstrap_interval(
    right: npt.NDArray[np.bool_], groups: IntArray, chosen: IntArray | None = None
) -> BootstrapInterval | None:
    """Return the 95 % interval of the accuracy of images that are alike within groups, such as those of one writer.

    right, groups: (N,), whether each image was classified correctly, and the number of its group, from 0; chosen: the
    indices of the images whose accuracy is meant, all where None. The percentile interval of RESAMPLES resamples of
    whole groups (Davison and Hinkley 1997, 'Bootstrap methods and their application', 3.8), the same at every call.
    None where resampling shows nothing: one group, or the same outcome for all images.
    """
    num_groups = int(groups.max()) + 1
    if chosen is not None:
        right, groups = right[chosen], groups[chosen]
    if right.all() or not right.any() or (groups == groups[0]).all():
        return None
    counts = np.stack([np.bincount(groups, weights, num_groups) for weights in (right, None)]).astype(np.float32)
    used = np.flatnonzero(counts[1])  # of many groups, few have images of one class
    # Whole numbers below 2^24: float32 is exact, in whatever order they are added.
    correct, images = (counts[:, used] @ _resamples(num_groups)[used]).astype(np.float64)
    accuracies = correct[images > 0] / images[images > 0]
    low, high = np.quantile(accuracies, [0.025, 0.975]).tolist()
    share, variance = float(right.mean()), float(accuracies.var())
    return BootstrapInterval(low, high, math.sqrt(variance), variance * len(right) / (share * (1 - share)))


def accuracy_interval(
    right: npt.NDArray[np.bool_], groups: IntArray | None = None, chosen: IntArray | None = None
) -> tuple[float, float]:
    """Return bootstrap_interval's (low, high) where groups are known and show something, else wilson_interval's."""
    found = bootstrap_interval(right, groups, chosen) if groups is not None else None
    if found is not None:
        return found.low, found.high
    right = right if chosen is None else right[chosen]
    return wilson_interval(int(right.sum()), len(right))


def cross_entropy(labels: IntArray, probabilities: npt.NDArray[np.floating]) -> float:
    """Return the mean of -ln p(true class), in nats, for labels (N,) and probabilities (N, classes).

    A float32 softmax can round the true class's probability to 0; it counts as the smallest normal float32 (a loss
    of 87.3) rather than as infinity, which would hide every other image.
    """
    true_class = probabilities[np.arange(len(labels)), labels].astype(np.float64)
    return float(-np.log(np.maximum(true_class, np.finfo(np.float32).tiny)).mean())


@lru_cache(maxsize=2)
def _resamples(num_groups: int) -> npt.NDArray[np.float32]:
    """Return how often each group is in each resample, (groups, RESAMPLES); of many groups, fewer resamples."""
    count = max(100, min(RESAMPLES, MOST_DRAWS // num_groups))
    drawn = np.random.default_rng(0).integers(num_groups, size=(count, num_groups))
    often = np.empty((count, num_groups), np.float32)
    for row, groups in zip(often, drawn, strict=True):
        row[:] = np.bincount(groups, minlength=num_groups)
    return np.ascontiguousarray(often.T)
