"""Trained networks put to use: load a run's model.onnx with onnxruntime, and answer for photos.

May import: files, runs and photos.
"""

from digits.inference.answers import SURE, answer_for_fault, answer_photos, as_text, describe
from digits.inference.trained_run import TRAIN_FIRST, TrainedRun, average, load_best, load_run, load_runs, readable_runs
