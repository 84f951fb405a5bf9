"""Checkpoints: read back as written, refused where they are damaged or of another training, and never half."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from limits import largest_file
from small_dataset import ARRAYS

from mnist_twice.data import Dataset
from mnist_twice.errors import UserError, run_script
from mnist_twice.recipes import RECIPES, Augmentation, Options, Recipe
from mnist_twice.training import Checkpoint, NewRun, Progress, history_so_far

FACTS = {"dataset_fingerprint": "f00d", "versions": {"torch": "2"}}
ROW = {"epoch": 1, "train_loss": 0.1 + 0.2, "validation_loss": 0.25, "seconds": 2.5}
PROGRESS = Progress([ROW], [0.5, 0.25])
STATE = bytes(range(256)) * 3 + b"\n\n"


def checkpoint(folder: Path, options: Options | None = None, **facts: Any) -> Checkpoint:
    return Checkpoint(folder / "run", options or Options(Recipe(), resume=True), FACTS | facts)


@pytest.fixture
def written(tmp_path: Path) -> Path:
    checkpoint(tmp_path).write(PROGRESS, STATE)
    return tmp_path / ".run.checkpoint"


def test_what_is_written_is_read_back(written: Path) -> None:
    again = checkpoint(written.parent)
    states: list[bytes] = []
    assert again.restore(states.append) == PROGRESS
    assert (states, again.seconds) == ([STATE], 2.5)
    assert history_so_far(written.with_name("run")) == [ROW]
    assert history_so_far(written.with_name("another")) == []
    assert list(written.parent.iterdir()) == [written]
    assert checkpoint(written.parent, Options(Recipe())).read() is None  # without --resume
    moved = Options(Recipe(), resume=True, data_dir=Path("elsewhere"), output_dir=Path("here"))
    assert checkpoint(written.parent, moved).read() == (PROGRESS, STATE)


@given(st.data())
def test_any_damage_is_noticed(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    folder = tmp_path_factory.mktemp("damaged")
    checkpoint(folder).write(PROGRESS, STATE)
    path = folder / ".run.checkpoint"
    content = bytearray(path.read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    if data.draw(st.booleans()):
        del content[place:]
    else:
        content[place] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"checkpoint' is damaged, .*; delete it, or leave --resume out"):
        checkpoint(folder).read()
    assert path.read_bytes() == bytes(content)


@pytest.mark.parametrize(
    ("options", "facts", "named"),
    [
        (Options(Recipe(epochs=4), resume=True), {}, "epochs 3, not 4"),
        (Options(RECIPES["mlp"], resume=True), {}, "batch_size 64, not 128"),
        (Options(Recipe(augmentation=Augmentation(rotation=1)), resume=True), {}, "rotation 10.0, not 1.0"),
        (Options(Recipe(), init_from=Path("outputs/a"), resume=True), {}, "init_from None, not outputs/a"),
        (None, {"dataset_fingerprint": "beef"}, "dataset_fingerprint f00d, not beef"),
        (None, {"versions": {"torch": "3"}}, "versions {'torch': '2'}, not {'torch': '3'}"),
    ],
)
def test_another_training_is_named(written: Path, options: Options | None, facts: dict[str, Any], named: str) -> None:
    with pytest.raises(UserError) as error:
        checkpoint(written.parent, options, **facts).read()
    assert f"was made with {named}; give the same options" in str(error.value)


def test_full_disk_leaves_the_last_good_one(written: Path) -> None:
    before = written.read_bytes()
    training = checkpoint(written.parent)
    training.restore(lambda state: None)
    with pytest.raises(UserError) as error, largest_file(2000):
        training.write(PROGRESS, STATE * 10)
    assert str(error.value).startswith(f"cannot write the checkpoint '{written}' (")
    assert "that of epoch 1 is intact, --resume continues from it" in str(error.value)
    assert written.read_bytes() == before
    assert list(written.parent.iterdir()) == [written]


def test_what_is_said_of_resume(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dataset = Dataset("small", *ARRAYS, tuple("0123456789"), "f00d")

    def new_run(epochs: int, resume: bool) -> NewRun:
        options = replace(Options(Recipe(epochs=epochs), "small"), output_dir=tmp_path, resume=resume)
        return NewRun(options, dataset, "pytorch", ["numpy"], time.perf_counter())

    def train() -> None:
        new_run(40, resume=False).checkpoint.write(Progress([ROW] * 11, []), b"state")
        raise KeyboardInterrupt

    assert run_script(train) == 130
    assert capsys.readouterr().err == "\nStopped after epoch 11 of 40. Add --resume to continue.\n"
    new_run(40, resume=True)
    assert capsys.readouterr().out == ""
    new_run(41, resume=True)
    assert capsys.readouterr().out.startswith(
        f"note: --resume: '{tmp_path}' has no checkpoint of this training, but 1 other checkpoint "
        "(.small-cnn-pytorch+epochs=40.checkpoint); training starts at epoch 1."
    )
