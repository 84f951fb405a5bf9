"""Whether a run's arrays fit run.json and one another: asked before one is written and after one is read."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from digits.metrics import accuracy, are_probabilities
from digits.runs.schema import RunInfo

ARRAYS = ("predictions.npy", "probabilities.npy", "labels.npy")
LOSSES = "losses.npy"
"""The loss of each training step; runs of earlier versions and ensembles have no such file."""


def fault_in_arrays(
    info: RunInfo,
    predictions: npt.NDArray[np.int64],
    probabilities: npt.NDArray[np.float32],
    labels: npt.NDArray[np.int64],
) -> tuple[str, str] | None:
    """Return (file, what is wrong) if the arrays do not fit run.json or one another, else None."""
    n, num_classes = info["test"]["n"], len(info["class_names"])
    shapes = {"predictions.npy": (n,), "probabilities.npy": (n, num_classes), "labels.npy": (n,)}
    found_shapes = (predictions.shape, probabilities.shape, labels.shape)
    for name, shape in zip(ARRAYS, found_shapes, strict=True):
        if shape != shapes[name] or n == 0:
            return name, f"has the shape {shape}, where run.json's test set asks for {shapes[name]}"
    classes: tuple[tuple[str, npt.NDArray[np.int64]], ...] = (("predictions.npy", predictions), ("labels.npy", labels))
    for name, array in classes:
        if array.min() < 0 or array.max() >= num_classes:
            return name, f"holds classes outside 0..{num_classes - 1}"
    if not are_probabilities(probabilities):
        return "probabilities.npy", "holds rows that are no probabilities (not finite, negative, or not adding up to 1)"
    if not np.array_equal(predictions, probabilities.argmax(axis=1)):
        return "predictions.npy", "does not hold the most probable classes of probabilities.npy"
    told, found = info["test"]["accuracy"], accuracy(labels, predictions)
    if not abs(told - found) < 0.5 / n:  # half an image: float32 rounding passes, one image more or less does not
        return "run.json", f"tells of a test accuracy of {told:.4f}, but the predictions have {found:.4f}"
    return None


def fault_in_losses(losses: npt.NDArray[np.float64] | None) -> tuple[str, str] | None:
    """Return (file, what is wrong) if the losses of the steps are no losses, else None."""
    if losses is None or (np.isfinite(losses).all() and losses.min(initial=0) >= 0):
        return None
    return LOSSES, "holds losses that are not finite, or negative"
