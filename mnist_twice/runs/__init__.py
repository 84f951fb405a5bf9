"""Runs: what a training leaves in outputs/<run>/, written whole and verified when read.

`schema` is run.json, `run` finds and reads runs, `writing` writes them; `onnx_model` gives model.onnx, a run's network
for onnxruntime, its standard form.
"""

from mnist_twice.runs.run import Run, find_run, find_runs, is_current, read_run, read_runs
from mnist_twice.runs.schema import ENSEMBLE, FORMAT, LOSSES, HeldOut, RunInfo, Score, read_info, settings_of
from mnist_twice.runs.writing import check_writable, score_of, write_run_files, writing_run
