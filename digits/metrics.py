"""What predictions are worth: accuracy, its interval, and which class was taken for which."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.integer]


def accuracy(labels: IntArray, predictions: IntArray) -> float:
    """Return the share of predictions that equal their label, both (N,) with N > 0."""
    _check_pairs(labels, predictions)
    return float(np.mean(labels == predictions))


def wilson_interval(correct: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return (low, high): the accuracies that `correct` right answers out of `n` do not rule out.

    Wilson (1927), 'Probable inference, the law of succession, and statistical inference', JASA 22. Unlike the usual
    p +- 1.96 sqrt(p (1 - p) / n) it stays within [0, 1] and keeps its coverage near 100 %, where digits are read.

    Raises ValueError unless 0 <= correct <= n, n > 0 and 0 < confidence < 1.
    """
    if not (n > 0 and 0 <= correct <= n and 0 < confidence < 1):
        raise ValueError(f"no interval for {correct} of {n} at confidence {confidence}")
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    p = correct / n
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half_width = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    # At 0 and n correct one end is exactly 0 or 1; rounding would put it a hair beside.
    low = 0.0 if correct == 0 else centre - half_width
    high = 1.0 if correct == n else centre + half_width
    return low, high


def confusion_matrix(labels: IntArray, predictions: IntArray, num_classes: int) -> npt.NDArray[np.int64]:
    """Return int64 (num_classes, num_classes): entry [i, j] counts the images of class i that were taken for class j.

    Raises ValueError where a label or a prediction is not in 0..num_classes - 1.
    """
    _check_pairs(labels, predictions)
    for values in (labels, predictions):
        if values.min() < 0 or values.max() >= num_classes:
            raise ValueError(f"a class outside 0..{num_classes - 1}")
    cells = labels.astype(np.int64) * num_classes + predictions.astype(np.int64)
    return np.bincount(cells, minlength=num_classes**2).reshape(num_classes, num_classes).astype(np.int64)


def cross_entropy(labels: IntArray, probabilities: npt.NDArray[np.floating]) -> float:
    """Return the mean of -ln p(true class), in nats, for labels (N,) and probabilities (N, classes).

    A float32 softmax can round the true class's probability to 0; it counts as the smallest normal float32 (a loss
    of 87.3) rather than as infinity, which would drown every other image.
    """
    true_class = probabilities[np.arange(len(labels)), labels].astype(np.float64)
    return float(-np.log(np.maximum(true_class, np.finfo(np.float32).tiny)).mean())


def _check_pairs(labels: IntArray, predictions: IntArray) -> None:
    if labels.ndim != 1 or labels.shape != predictions.shape or labels.size == 0:
        raise ValueError(f"labels {labels.shape} and predictions {predictions.shape} must be (N,), N > 0")
