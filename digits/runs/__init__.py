"""Runs: what a training leaves in outputs/<run>/, written whole and verified when read.

May import: files. `schema` is run.json, `arrays` the .npy files, `history`
history.csv; `onnx_model` gives model.onnx, a run's network for onnxruntime, its standard form.
"""

from digits.runs.arrays import LOSSES, number_writers, score_of
from digits.runs.run import (
    Run,
    check_writable,
    find_run,
    find_runs,
    is_current,
    read_run,
    read_runs,
    write_run_files,
    writing_run,
)
from digits.runs.schema import ENSEMBLE, FORMAT, HeldOut, RunInfo, Score, read_info, settings_of
