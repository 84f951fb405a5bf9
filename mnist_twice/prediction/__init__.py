"""Trained networks put to use: load a run's model.onnx with onnxruntime, and answer for photos, one or many."""

from mnist_twice.prediction.answers import SURE, Answer, as_cell, describe, is_sure, print_lines, writing_table
from mnist_twice.prediction.listing import File, list_files
from mnist_twice.prediction.reading import Outputs, answer_files, choose, images_of, whole_and_cut
from mnist_twice.prediction.trained_run import (
    TRAIN_FIRST,
    TrainedRun,
    average,
    differences,
    load_best,
    load_pair,
    load_run,
    load_runs,
    readable_runs,
)
