"""Trained networks put to use: load a run's model.onnx with onnxruntime, and answer for photos, one or many.

May import: files, runs and photos.
"""

from digits.inference.answers import SURE, Answer, describe, is_sure
from digits.inference.forms import Write, write_json_lines, write_lines, writing_json_list
from digits.inference.listing import File, list_files
from digits.inference.many import answer_files
from digits.inference.pairs import differences, load_pair
from digits.inference.reading import Outputs
from digits.inference.splits import choose, images_of, whole_and_cut
from digits.inference.table import Table, writing_table
from digits.inference.trained_run import TRAIN_FIRST, TrainedRun, average, load_best, load_run, load_runs, readable_runs
