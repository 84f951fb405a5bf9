"""Runs: what a training leaves in outputs/<run>/, written whole and verified when read.

May import: files. `schema` is run.json, `run` finds and reads runs, `writing` writes them; `onnx_model` gives
model.onnx, a run's network for onnxruntime, its standard form.
"""

from digits.runs.run import Run, find_run, find_runs, is_current, number_writers, read_run, read_runs
from digits.runs.schema import ENSEMBLE, FORMAT, LOSSES, HeldOut, RunInfo, Score, read_info, settings_of
from digits.runs.writing import check_writable, score_of, write_run_files, writing_run
