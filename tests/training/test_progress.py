"""What a training says while it runs; both scripts' live line in a real terminal is in test_training.py."""

from __future__ import annotations

import math
import os
import re
import sys
import time
from contextlib import suppress
from types import SimpleNamespace

import pytest

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


def test_columns_never_run_into_each_other(capsys: pytest.CaptureFixture[str]) -> None:
    with EpochProgress(99, 100, 10) as progress:
        progress.finish_training()
        progress.finish(1234.5, 1.0, {"loss": 1234.5, "accuracy": 1.0}, 1e-3)
    assert capsys.readouterr().out.split()[:5] == ["100/100", "1234.5000", "100.00%", "1234.5000", "100.00%"]


def test_without_validation_there_are_no_columns_for_it(capsys: pytest.CaptureFixture[str]) -> None:
    with EpochProgress(0, 1, 100) as progress:
        progress.finish_training()
        row = progress.finish(0.5, 0.8, {}, 1e-3)
    assert not [name for name in row if name.startswith("validation")]
    assert capsys.readouterr().out.split()[:5] == ["1/1", "0.5000", "80.00%", "-", "-"]


@pytest.mark.parametrize("loss", [math.nan, math.inf])
def test_a_loss_that_is_no_number_ends_the_training(loss: float) -> None:
    sentence = rf"became {loss} in epoch 3; lower.*\(it was 0\.5\)"
    with EpochProgress(2, 5, 10) as progress, pytest.raises(UserError, match=sentence):
        progress.finish(loss, 0.1, {}, 0.5)


def test_clock_counts_training_and_not_validation(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SimpleNamespace(perf_counter=iter([10.0, 12.0, 500.0]).__next__)
    monkeypatch.setattr("digits.training.progress.time", clock)
    with EpochProgress(0, 1, 1000) as progress:
        progress.finish_training()
        row = progress.finish(0.5, 0.8, VALIDATION, 1e-3)
    assert (row["seconds"], row["images_per_second"]) == (2.0, 500.0)


def one_epoch() -> tuple[int, float]:
    """Go through an epoch as a training does; return how often the live line was drawn, and the seconds."""
    drawn = 0
    with EpochProgress(1, 3, 4000) as progress:
        for images in range(0, 4000, 10):
            time.sleep(0.001)
            if progress.needs_update():
                progress.show(images, 2 - images / 4000, images / 4000)
                drawn += 1
        progress.finish_training()
        return drawn, progress.finish(1.0, 0.5, {}, 1e-3)["seconds"]


@pytest.mark.slow
def test_live_line_is_drawn_now_and_then_and_in_a_terminal_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert one_epoch()[0] == 0
    assert capsys.readouterr().err == ""
    pty, termios = pytest.importorskip("pty"), pytest.importorskip("termios")
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 120))
    with os.fdopen(theirs, "w") as terminal, monkeypatch.context() as patch:
        patch.setattr(sys, "stderr", terminal)
        drawn, seconds = one_epoch()
    screen = b""
    with suppress(OSError):  # Linux says so that nobody writes any more
        while part := os.read(ours, 65536):
            screen += part
    os.close(ours)
    live = re.compile(r"epoch 2/3: +\d+%\|.*\| (\d+)/4000 \[.* images/s, loss (\d\.\d{4}), accuracy (\d+\.\d\d)%\]")
    shown = [match.groups() for line in screen.decode().split("\r") if (match := live.fullmatch(line))]
    for images, loss, accuracy in shown:
        assert float(loss) == pytest.approx(2 - int(images) / 4000, abs=1e-4)
        assert float(accuracy) == pytest.approx(int(images) / 40, abs=0.01)
    assert len(shown) == drawn >= 3
    assert drawn <= 10 * seconds + 1  # at most ten times a second, whatever a step takes
    assert screen.rpartition(b"\r")[0].endswith(b" " * 20)  # wiped at the end: the table has the last word
