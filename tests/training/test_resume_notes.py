"""What a training says of --resume: when Ctrl-C ends it, and where there is nothing to resume."""

import time
from pathlib import Path

import pytest
from make_runs import make_run
from small_dataset import ARRAYS

from digits.data import Dataset
from digits.errors import run_script
from digits.recipes import Options, Recipe
from digits.training import NewRun, Progress
from digits.training.checkpoint import COLUMNS, VALIDATION_COLUMNS

DATASET = Dataset("small", *ARRAYS, tuple("0123456789"), "f00d")


def new_run(outputs: Path, epochs: int, resume: bool) -> NewRun:
    options = Options(Recipe(epochs=epochs), "small", output_dir=outputs, resume=resume)
    return NewRun(options, DATASET, "pytorch", ["numpy"], time.perf_counter())


def test_ctrl_c_says_how_to_continue(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    row = dict.fromkeys(COLUMNS | VALIDATION_COLUMNS, 1.0)

    def train() -> None:
        run = new_run(tmp_path, 40, resume=False)
        run.checkpoint.write(Progress([row] * 11, []), b"state")
        raise KeyboardInterrupt

    assert run_script(train) == 130
    assert capsys.readouterr().err == "\nStopped after epoch 11 of 40. Add --resume to continue.\n"
    new_run(tmp_path, 40, resume=True)
    assert capsys.readouterr().out == ""
    new_run(tmp_path, 41, resume=True)
    assert "epochs=40.checkpoint' has epochs 40, not 41; training starts at epoch 1." in capsys.readouterr().out


def test_nothing_to_resume_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    new_run(tmp_path, 3, resume=True)
    start = "note: --resume: "
    assert capsys.readouterr().out.startswith(f"{start}there is no checkpoint of this training in '{tmp_path}'; ")
    run = make_run(tmp_path, "small", recipe=Recipe(epochs=3))
    for epochs in (3, 5):  # the same training again, and one that was hoped to go on
        new_run(tmp_path, epochs, resume=True)
        said = capsys.readouterr().out
        assert said.startswith(f"{start}'{run}' is a finished run of 3 epochs, which keeps no state to continue")
        assert said.endswith("; training starts at epoch 1.\n")
