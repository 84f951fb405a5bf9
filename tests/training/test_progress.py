"""What a training says after each epoch; the live line during it is in test_training.py."""

from __future__ import annotations

import pytest

from mnist_twice.training.progress import Progress

ROW = {"epoch": 1, "learning_rate": 1e-3, "train_loss": 1.23456, "train_accuracy": 0.98765}
ROW |= {"validation_loss": 0.25, "validation_accuracy": 0.9, "seconds": 2.0, "images_per_second": 1800.0}


def test_each_number_of_a_row_stands_under_its_heading(capsys: pytest.CaptureFixture[str]) -> None:
    progress = Progress([], [])
    for epoch in (1, 2):
        progress.add(ROW | {"epoch": epoch}, [2.0, 1.0], 12)
    assert [row["epoch"] for row in progress.history] == [1, 2]
    assert progress.losses == [2.0, 1.0, 2.0, 1.0]
    progress.add({name: value for name, value in ROW.items() if "validation" not in name}, [], 12)
    first, _, last = capsys.readouterr().out.splitlines()
    assert first.split() == ["1/12", "1.2346", "98.77%", "0.2500", "90.00%", "2.0", "1,800"]
    assert last.split()[:5] == ["1/12", "1.2346", "98.77%", "-", "-"]
    for name in ("loss", "accuracy", "val. loss", "val. accuracy", "seconds", "images/s"):
        at = progress.HEADING.index(f"  {name}") + 2
        assert first[at - 1] == last[at - 1] == " ", name
        assert " " not in first[at] + last[at], name
