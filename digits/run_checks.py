"""What makes a run sound: asked before one is written and after one is read, so that the two cannot disagree."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from digits.metrics import accuracy, are_probabilities

FORMAT = 1
"""The version of the files of a run, under 'format' in run.json."""
ENSEMBLE = "ensemble"
"""The 'framework' of a run that averages others. Nothing trained it: its seed is null and it has no recipe."""
MOST_CLASSES = 1000
"""Readers count a matrix of classes by classes; a forged run must not have them fill the memory with it."""
ARRAYS = ("predictions.npy", "probabilities.npy", "labels.npy")
LOSSES = "losses.npy"
"""The loss of each training step; runs of earlier versions and ensembles have no such file."""


def fault_in_info(info: Mapping[str, Any]) -> tuple[str, str] | None:
    """Return (file, what is wrong) if a key that readers use is missing or of the wrong kind, else None."""
    if info.get("format") != FORMAT:
        return "run.json", f"has 'format' {str(info.get('format'))[:40]}, where this code reads {FORMAT}"
    for key in ("name", "dataset", "model", "framework"):
        if not isinstance(info.get(key), str) or not info[key]:
            return "run.json", f"has no text under '{key}'"
    if type(info.get("seed")) is not int and not (info["framework"] == ENSEMBLE and info.get("seed", 0) is None):
        return "run.json", "has no whole number under 'seed'"
    names = info.get("class_names")
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        return "run.json", "has no list of texts under 'class_names'"
    if len(names) > MOST_CLASSES:
        return "run.json", f"names more than {MOST_CLASSES:,} classes"
    test = info.get("test")
    if not isinstance(test, dict) or type(test.get("n")) is not int or type(test.get("accuracy")) not in (int, float):
        return "run.json", "has no 'test' with 'n' and 'accuracy'"
    if not 0 <= test["accuracy"] <= 1:
        return "run.json", "tells of a test accuracy outside 0..1"
    if info["framework"] == ENSEMBLE and not _names_members(info.get("members")):
        return "run.json", "has no list of two or more names under 'members'"
    return _fault_in_records(info)


def _names_members(members: Any) -> bool:
    return (
        isinstance(members, list)
        and len(members) > 1
        and all(isinstance(member, dict) and isinstance(member.get("name"), str) for member in members)
    )


def _fault_in_records(info: Mapping[str, Any]) -> tuple[str, str] | None:
    """Look at what a run may leave out, but not have of another kind, since readers count and compare it."""
    for key in ("dataset_fingerprint", "command"):
        if not isinstance(info.get(key, ""), str):
            return "run.json", f"has no text under '{key}'"
    for key in ("versions", "hardware", "recipe", "parameters", "seconds"):
        if not isinstance(info.get(key, {}), dict) and not (key == "recipe" and info[key] is None):
            return "run.json", f"has no JSON object under '{key}'"
    counts = info.get("parameters", {}).values()
    if not all(type(count) is int and 0 <= count < 2**63 for count in counts):
        return "run.json", "has no counts under 'parameters'"
    seconds = info.get("seconds", {"training": 0}).get("training")
    if type(seconds) not in (int, float) or not 0 <= seconds < 1e9:
        return "run.json", "has no number of seconds under 'seconds', 'training'"
    return None


def fault_in_arrays(
    info: Mapping[str, Any],
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
