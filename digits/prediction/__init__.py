"""Trained networks put to use: load a run's model.onnx with onnxruntime, and answer for photos, one or many.

May import: files, runs and photos.
"""

from digits.prediction.answers import SURE, Answer, describe, is_sure
from digits.prediction.forms import Write, write_json_lines, write_lines, writing_json_list
from digits.prediction.listing import File, list_files
from digits.prediction.many import answer_files
from digits.prediction.pairs import differences, load_pair
from digits.prediction.reading import Outputs
from digits.prediction.splits import choose, images_of, whole_and_cut
from digits.prediction.table import Table, writing_table
from digits.prediction.trained_run import (
    TRAIN_FIRST,
    TrainedRun,
    average,
    load_best,
    load_run,
    load_runs,
    readable_runs,
)
