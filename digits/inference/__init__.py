"""Trained networks put to use: load a run's model.onnx with onnxruntime, and answer for photos.

May import: files, runs and photos.
"""

from digits.inference.answers import SURE, answer_for_fault, answer_pictures, as_text, describe
from digits.inference.networks import (
    TRAIN_FIRST,
    TrainedRun,
    average,
    best_run,
    load_best,
    load_run,
    load_runs,
    readable_runs,
)

__all__ = [
    "SURE",
    "TRAIN_FIRST",
    "TrainedRun",
    "answer_for_fault",
    "answer_pictures",
    "as_text",
    "average",
    "best_run",
    "describe",
    "load_best",
    "load_run",
    "load_runs",
    "readable_runs",
]
