"""Measures of predictions: accuracy and its interval, confusion matrix, cross-entropy, recall, calibration."""

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


@dataclass(frozen=True)
class CalibrationBin:
    """The images whose confidence (probability of the predicted class) lies in (low, high]."""

    low: float
    high: float
    count: int
    confidence: float | None  # mean confidence of these images; None where count is 0
    accuracy: float | None  # fraction of these images that is classified correctly; None where count is 0


def accuracy(labels: IntArray, predictions: IntArray) -> float:
    """Return the fraction of predictions that equal their label, both (N,) with N > 0."""
    _check_pairs(labels, predictions)
    return float(np.mean(labels == predictions))


def are_probabilities(rows: npt.NDArray[np.float32]) -> bool:
    """Return whether each row, of (N, classes) with N > 0, is finite, not negative and adds up to 1."""
    # Rows of a float32 softmax over 10 classes sum to 1 within 1e-6; 1e-3 leaves room for softmax in half precision.
    sums = rows.sum(axis=1, dtype=np.float64)
    return bool(np.isfinite(rows).all() and rows.min() >= 0 and np.abs(sums - 1).max() < 1e-3)


def wilson_interval(correct: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return (low, high): the accuracies with which `correct` correct predictions out of `n` are compatible.

    Wilson (1927), 'Probable inference, the law of succession, and statistical inference', JASA 22. Unlike the usual
    p +- 1.96 sqrt(p (1 - p) / n) it stays within [0, 1] and keeps its coverage near 100 %, where our networks are.

    Raises ValueError unless 0 <= correct <= n, n > 0 and 0 < confidence < 1.
    """
    if not (n > 0 and 0 <= correct <= n and 0 < confidence < 1):
        raise ValueError(f"no interval for {correct} of {n} at confidence {confidence}")
    z = NormalDist().inv_cdf((1 + confidence) / 2)
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


def confusion_matrix(labels: IntArray, predictions: IntArray, num_classes: int) -> npt.NDArray[np.int64]:
    """Return int64 (num_classes, num_classes): entry [i, j] counts the images of class i that were predicted as j.

    Raises ValueError where a label or a prediction is not in 0..num_classes - 1.
    """
    _check_pairs(labels, predictions)
    for values in (labels, predictions):
        if values.min() < 0 or values.max() >= num_classes:
            raise ValueError(f"a class outside 0..{num_classes - 1}")
    cells = labels.astype(np.int64) * num_classes + predictions.astype(np.int64)
    return np.bincount(cells, minlength=num_classes**2).reshape(num_classes, num_classes).astype(np.int64)


def indices_by_value(values: IntArray) -> dict[int, npt.NDArray[np.int64]]:
    """Return the indices at which each value of (N,) stands, ascending in both, without a pass for each value."""
    different, counts = np.unique(values, return_counts=True)
    parts = np.split(np.argsort(values, kind="stable"), np.cumsum(counts)[:-1])
    return dict(zip(different.tolist(), parts, strict=True))


def cross_entropy(labels: IntArray, probabilities: npt.NDArray[np.floating]) -> float:
    """Return the mean of -ln p(true class), in nats, for labels (N,) and probabilities (N, classes).

    A float32 softmax can round the true class's probability to 0; it counts as the smallest normal float32 (a loss
    of 87.3) rather than as infinity, which would hide every other image.
    """
    true_class = probabilities[np.arange(len(labels)), labels].astype(np.float64)
    return float(-np.log(np.maximum(true_class, np.finfo(np.float32).tiny)).mean())


def precision_recall_f1(matrix: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.float64], ...]:
    """Return precision, recall and F1 of each class, float64 (classes,), of a confusion matrix (true rows).

    precision: fraction of the images predicted as the class that belong to it; recall: fraction of the class's images
    that are predicted as it; F1: their harmonic mean. 0 / 0 is 0, as with scikit-learn's zero_division=0.
    """
    right = matrix.diagonal().astype(np.float64)
    predicted, support = matrix.sum(axis=0), matrix.sum(axis=1)
    precision = right / np.maximum(predicted, 1)
    recall = right / np.maximum(support, 1)
    f1 = 2 * right / np.maximum(predicted + support, 1)
    return precision, recall, f1


def calibration_bins(
    labels: IntArray, probabilities: npt.NDArray[np.floating], num_bins: int = 15
) -> list[CalibrationBin]:
    """Return `num_bins` bins of equal width over (0, 1], the images sorted into them by their confidence.

    labels: (N,); probabilities: (N, classes). 15 bins, as in Guo et al. (2017), 'On calibration of modern neural
    networks', ICML, arXiv 1706.04599.
    """
    confidence = probabilities.max(axis=1).astype(np.float64)
    right = probabilities.argmax(axis=1) == labels
    edges = np.linspace(0, 1, num_bins + 1)
    # By comparison, not by multiplication: 15 * 0.2 is slightly above 3. Rounded sums above 1 stay in the last bin.
    numbers = np.searchsorted(edges[1:-1], confidence, side="left")
    bins = []
    for number in range(num_bins):
        inside = numbers == number
        count = int(inside.sum())
        means = (float(confidence[inside].mean()), float(right[inside].mean())) if count else (None, None)
        bins.append(CalibrationBin(float(edges[number]), float(edges[number + 1]), count, *means))
    return bins


def expected_calibration_error(bins: list[CalibrationBin]) -> float:
    """Return the mean distance between confidence and accuracy, each bin weighted by its images (Guo et al. 2017)."""
    n = sum(one.count for one in bins)
    gaps = [
        one.count * abs(one.confidence - one.accuracy)
        for one in bins
        if one.confidence is not None and one.accuracy is not None
    ]
    return sum(gaps) / n


@lru_cache(maxsize=2)
def _resamples(num_groups: int) -> npt.NDArray[np.float32]:
    """Return how often each group is in each resample, (groups, RESAMPLES); of many groups, fewer resamples."""
    count = max(100, min(RESAMPLES, MOST_DRAWS // num_groups))
    drawn = np.random.default_rng(0).integers(num_groups, size=(count, num_groups))
    often = np.empty((count, num_groups), np.float32)
    for row, groups in zip(often, drawn, strict=True):
        row[:] = np.bincount(groups, minlength=num_groups)
    return np.ascontiguousarray(often.T)


def _check_pairs(labels: IntArray, predictions: IntArray) -> None:
    if labels.ndim != 1 or labels.shape != predictions.shape or labels.size == 0:
        raise ValueError(f"labels {labels.shape} and predictions {predictions.shape} must be (N,), N > 0")
