"""What a training says while it runs; both scripts' live line in a real terminal is in test_training.py."""

from __future__ import annotations

import math
import os
import re
import subprocess
import sys
import time

import pytest
from framework_process import environment

from digits.errors import UserError
from digits.training.progress import HEADER, EpochProgress

VALIDATION = {"loss": 0.25, "accuracy": 0.9}


def test_row_of_history_and_line_of_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    rows = []
    for epoch in range(2):
        with EpochProgress(epoch, 12, 3600) as progress:
            progress.finish_training()
            rows.append(progress.finish(1.23456, 0.98765, VALIDATION, 1e-3))
    assert list(rows[0]) == [
        "epoch",
        "learning_rate",
        "train_loss",
        "train_accuracy",
        "validation_loss",
        "validation_accuracy",
        "seconds",
        "images_per_second",
    ]
    assert [row["epoch"] for row in rows] == [1, 2]
    assert list(rows[0].values())[1:6] == [1e-3, 1.23456, 0.98765, 0.25, 0.9]
    out, err = capsys.readouterr()
    header, lines = HEADER, out.splitlines()
    assert [line.split()[:5] for line in lines] == [[f"{n}/12", "1.2346", "98.77%", "0.2500", "90.00%"] for n in (1, 2)]
    for name in ("loss", "accuracy", "val. loss", "val. accuracy", "seconds", "images/s"):
        at = header.index(f"  {name}") + 2
        assert all(line[at - 1] == " " != line[at] for line in lines), name  # each number stands under its heading
    assert err == ""


@pytest.mark.parametrize("accuracy", [0.0, 1.0])
@pytest.mark.parametrize("loss", [0.0, 2.3026, 1234.5])
def test_columns_never_run_into_each_other(loss: float, accuracy: float, capsys: pytest.CaptureFixture[str]) -> None:
    with EpochProgress(99, 100, 10) as progress:
        progress.finish_training()
        progress.finish(loss, accuracy, {"loss": loss, "accuracy": accuracy}, 1e-3)
    words = capsys.readouterr().out.split()
    assert words[:5] == ["100/100", f"{loss:.4f}", f"{accuracy:.2%}", f"{loss:.4f}", f"{accuracy:.2%}"]


def test_without_validation_there_are_no_columns_for_it(capsys: pytest.CaptureFixture[str]) -> None:
    with EpochProgress(0, 1, 100) as progress:
        progress.finish_training()
        row = progress.finish(0.5, 0.8, {}, 1e-3)
    assert not [name for name in row if name.startswith("validation")]
    assert capsys.readouterr().out.split()[:5] == ["1/1", "0.5000", "80.00%", "-", "-"]


@pytest.mark.parametrize("loss", [math.nan, math.inf])
def test_a_loss_that_is_no_number_ends_the_training(loss: float, capsys: pytest.CaptureFixture[str]) -> None:
    with (
        EpochProgress(2, 5, 10) as progress,
        pytest.raises(UserError, match=f"became {loss} in epoch 3; lower") as error,
    ):
        progress.finish(loss, 0.1, {}, 0.5)
    assert "(it was 0.5)" in str(error.value)
    assert capsys.readouterr().out == ""


def test_clock_counts_training_and_not_validation(capsys: pytest.CaptureFixture[str]) -> None:
    with EpochProgress(0, 1, 1000) as progress:
        time.sleep(0.05)
        progress.finish_training()
        time.sleep(0.5)
        row = progress.finish(0.5, 0.8, VALIDATION, 1e-3)
    assert 0.05 <= row["seconds"] < 0.5
    assert row["images_per_second"] == pytest.approx(1000 / row["seconds"], rel=0.02)


ONE_EPOCH = """
import time
from digits.errors import UserError
from digits.training.progress import EpochProgress
drawn = 0
with EpochProgress(1, 3, 4000) as progress:
    for images in range(0, 4000, 10):
        time.sleep(0.001)
        if progress.needs_update():
            progress.show(images, 2 - images / 4000, images / 4000)
            drawn += 1
    progress.finish_training()
    progress.finish(1.0, 0.5, {}, 1e-3)
print("drawn", drawn)
"""


def test_live_line_is_drawn_in_a_terminal_now_and_then() -> None:
    pty, termios = pytest.importorskip("pty"), pytest.importorskip("termios")
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 120))
    process = subprocess.Popen(
        [sys.executable, "-c", ONE_EPOCH], env=environment(), stdout=subprocess.PIPE, stderr=theirs, text=True
    )
    out = process.communicate(timeout=60)[0]
    os.close(theirs)
    screen = os.read(ours, 65536).decode()
    os.close(ours)
    live = re.compile(r"epoch 2/3: +\d+%\|.*\| (\d+)/4000 \[.* images/s, loss (\d\.\d{4}), accuracy (\d+\.\d\d)%\]")
    shown = [match.groups() for line in screen.split("\r") if (match := live.fullmatch(line))]
    for images, loss, accuracy in shown:
        assert float(loss) == pytest.approx(2 - int(images) / 4000, abs=1e-4)
        assert float(accuracy) == pytest.approx(int(images) / 40, abs=0.01)
    drawn = int(out.split()[-1])
    assert len(shown) == drawn >= 3
    seconds = float(out.splitlines()[-2].split()[5])
    assert drawn <= 10 * seconds + 1  # at most ten times a second, whatever a step takes
    assert screen.rpartition("\r")[0].endswith(" " * 20)  # wiped at the end: the table has the last word


def test_live_line_is_not_drawn_without_a_terminal() -> None:
    done = subprocess.run(
        [sys.executable, "-c", ONE_EPOCH], env=environment(), capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0
    assert done.stderr == ""
    assert done.stdout.splitlines()[-1] == "drawn 0"
    assert len(done.stdout.splitlines()) == 2
