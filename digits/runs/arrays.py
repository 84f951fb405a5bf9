"""A run's .npy files: whether they fit run.json and one another, asked before they are written and after reading."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from digits.errors import UserError
from digits.files import read_npy
from digits.metrics import accuracy, accuracy_interval, are_probabilities, cross_entropy, wilson_interval
from digits.runs.schema import RunInfo, Score, evaluated_on, score_in

ARRAYS = ("predictions.npy", "probabilities.npy", "labels.npy")
LOSSES = "losses.npy"  # the loss of each training step; runs of earlier versions and ensembles have no such file

WRITERS = "writers.npy"
"""Who wrote each image, where that is known: int32 (N, 2), the writer's number and that of the series."""

Arrays = tuple[npt.NDArray[np.int64], npt.NDArray[np.float32], npt.NDArray[np.int64]]
"""Predictions (N,), probabilities (N, classes), labels (N,)."""


def read_arrays(folder: Path, info: RunInfo) -> Arrays:
    """Return the run's arrays. UserError names the file that is damaged, or fits neither run.json nor the others."""
    dtypes = (np.int64, np.float32, np.int64)
    predictions, probabilities, labels = (
        read_npy(folder / name, dtype, ndim=2 if dtype is np.float32 else 1)
        for name, dtype in zip(ARRAYS, dtypes, strict=True)
    )
    if fault := find_fault(info, predictions, probabilities, labels):
        raise UserError(f"'{folder / fault[0]}' {fault[1]}.")
    return predictions, probabilities, labels


def read_losses(folder: Path) -> npt.NDArray[np.float64]:
    """Return the loss of each training step, (steps,). UserError where they are not finite, or negative."""
    losses: npt.NDArray[np.float64] = read_npy(folder / LOSSES, np.float64, ndim=1)
    if not (np.isfinite(losses).all() and losses.min(initial=0) >= 0):
        raise UserError(f"'{folder / LOSSES}' holds losses that are not finite, or negative.")
    return losses


def read_writers(folder: Path, n: int) -> npt.NDArray[np.int32]:
    """Return who wrote each of the n images, (n, 2). UserError where the file does not say it."""
    writers: npt.NDArray[np.int32] = read_npy(folder / WRITERS, np.int32, ndim=2)
    if writers.shape != (n, 2):
        raise UserError(f"'{folder / WRITERS}' has the shape {writers.shape}, where {(n, 2)} is expected.")
    return writers


def find_fault(
    info: RunInfo,
    predictions: npt.NDArray[np.int64],
    probabilities: npt.NDArray[np.float32],
    labels: npt.NDArray[np.int64],
) -> tuple[str, str] | None:
    """Return (file, what is wrong) if the arrays do not fit run.json or one another, else None."""
    score, on = score_in(info), evaluated_on(info)
    n, num_classes = score["n"], len(info["class_names"])
    shapes = (predictions.shape, probabilities.shape, labels.shape)
    for name, shape, expected in zip(ARRAYS, shapes, ((n,), (n, num_classes), (n,)), strict=True):
        if shape != expected:
            return name, f"has the shape {shape}, where run.json's {on} set needs {expected}"
    for name, classes in (("predictions.npy", predictions), ("labels.npy", labels)):
        if classes.min() < 0 or classes.max() >= num_classes:
            return name, f"holds classes outside 0..{num_classes - 1}"
    if not are_probabilities(probabilities):
        return "probabilities.npy", "holds rows that are no probabilities (not finite, negative, or not adding up to 1)"
    if not np.array_equal(predictions, probabilities.argmax(axis=1)):
        return "predictions.npy", "does not hold the most probable classes of probabilities.npy"
    reported, found = score["accuracy"], accuracy(labels, predictions)
    if not abs(reported - found) < 0.5 / n:  # half an image: float32 rounding passes, one image more or less does not
        return "run.json", f"reports a {on} accuracy of {reported:.4f}, but the predictions have {found:.4f}"
    return None


def score_of(
    labels: npt.NDArray[np.integer],
    probabilities: npt.NDArray[np.float32],
    writers: npt.NDArray[np.int32] | None = None,
) -> Score:
    """Return what run.json says of images with these labels (N,) by their probabilities (N, classes), and writers."""
    n, right = len(labels), probabilities.argmax(axis=1) == labels
    correct = int(right.sum())
    loss = cross_entropy(labels, probabilities)
    score: Score = {"n": n, "accuracy": correct / n, "loss": loss, "interval_95": list(wilson_interval(correct, n))}
    if writers is not None:
        score["writer_interval_95"] = list(accuracy_interval(right, number_writers(writers)))
    return score


def number_writers(writers: npt.NDArray[np.int32]) -> npt.NDArray[np.int64]:
    """Return a number for the writer of each image, (N,), from 0 without gaps."""
    numbers: npt.NDArray[np.int64] = np.unique(writers[:, 0], return_inverse=True)[1]
    return numbers
