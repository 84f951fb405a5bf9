"""Checkpoints: read back as written, refused where they are damaged or of another training, and never half."""

from __future__ import annotations

import os
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from digits.data.datasets import Dataset
from digits.errors import UserError
from digits.files import hidden_name
from digits.recipes.options import Options
from digits.recipes.recipe import RECIPES, Augmentation, Recipe
from digits.training.checkpoint import Checkpoint, Progress

IMAGES = np.zeros((100, 28, 28), np.uint8)
DATASET = Dataset("mnist", IMAGES, IMAGES[:, 0, 0], IMAGES, IMAGES[:, 0, 0], tuple("01"), "f00d")
VERSIONS = {"torch": "2"}
ROW = {
    "epoch": 1,
    "learning_rate": 0.001,
    "train_loss": 0.1 + 0.2,
    "train_accuracy": 0.5,
    "validation_loss": 0.25,
    "validation_accuracy": 1.0,
    "seconds": 2.5,
    "images_per_second": 36.0,
}
HISTORY = [ROW]
LOSSES = [0.5, 0.25]  # of 90 images, 64 in a step
STATE = bytes(range(256)) * 3 + b"\n\n"


def checkpoint(
    folder: Path, options: Options | None = None, dataset: Dataset = DATASET, versions: dict[str, str] = VERSIONS
) -> Checkpoint:
    return Checkpoint(folder / "run", options or Options(Recipe(), resume=True), dataset, versions)


@pytest.fixture
def written(tmp_path: Path) -> Path:
    checkpoint(tmp_path).write(Progress(HISTORY, LOSSES), STATE)
    return tmp_path / ".run.checkpoint"


def test_what_is_written_is_read_back(written: Path) -> None:
    again = checkpoint(written.parent)
    states: list[bytes] = []
    progress = again.restore(states.append)
    assert (progress.history, progress.losses, states) == (HISTORY, LOSSES, [STATE])
    assert again.seconds == 2.5
    assert list(written.parent.iterdir()) == [written]


def test_without_resume_nothing_is_read(written: Path) -> None:
    assert checkpoint(written.parent, Options(Recipe())).read() is None


@given(st.data())
def test_any_damage_is_noticed(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    folder = tmp_path_factory.mktemp("damaged")
    checkpoint(folder).write(Progress(HISTORY, LOSSES), STATE)
    path = folder / ".run.checkpoint"
    content = bytearray(path.read_bytes())
    if data.draw(st.booleans()):
        del content[data.draw(st.integers(0, len(content) - 1)) :]
    else:
        content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)
    with pytest.raises(UserError, match="is damaged; delete it, or leave --resume out") as error:
        checkpoint(folder).read()
    assert str(path) in str(error.value)
    assert path.read_bytes() == bytes(content)


def test_state_that_the_framework_cannot_load(written: Path) -> None:
    for kind in (KeyError, RuntimeError, MemoryError, pickle.UnpicklingError):

        def load(state: bytes, kind: type[Exception] = kind) -> None:
            raise kind("a\nb")

        with pytest.raises(UserError, match=f"'{written}' is damaged; delete it, or leave --resume out"):
            checkpoint(written.parent).restore(load)


@pytest.mark.parametrize(
    ("options", "name"),
    [
        (Options(replace(Recipe(), epochs=4), resume=True), "epochs 3, not 4"),
        (Options(RECIPES["mlp"], resume=True), "batch_size 64, not 128"),
        (Options(Recipe(augmentation=Augmentation(rotation=1)), resume=True), "rotation 10.0, not 1"),
        (Options(Recipe(), init_from=Path("outputs/a"), resume=True), "init_from None, not outputs/a"),
        (Options(Recipe(), device="cpu", resume=True), "device auto, not cpu"),
    ],
)
def test_other_options_are_named(written: Path, options: Options, name: str) -> None:
    with pytest.raises(UserError, match="give the same options") as error:
        checkpoint(written.parent, options).read()
    assert name in str(error.value)


def test_other_data_and_versions_are_named(written: Path) -> None:
    with pytest.raises(UserError, match="dataset_fingerprint f00d, not beef"):
        checkpoint(written.parent, dataset=replace(DATASET, fingerprint="beef")).read()
    with pytest.raises(UserError, match="versions"):
        checkpoint(written.parent, versions={"torch": "3"}).read()


def test_folders_may_move(written: Path) -> None:
    options = Options(Recipe(), resume=True, data_dir=Path("elsewhere"), output_dir=Path("here"))
    assert checkpoint(written.parent, options).read() is not None


def test_full_disk_leaves_the_last_good_one(written: Path) -> None:
    resource = pytest.importorskip("resource", reason="Windows has no limit on the size of files")
    before = written.read_bytes()
    training = checkpoint(written.parent)
    training.restore(lambda state: None)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, limits[1]))
    try:
        with pytest.raises(UserError) as error:
            training.write(Progress(HISTORY, LOSSES), STATE * 10)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert str(error.value).startswith(f"cannot write the checkpoint '{written}' (")
    assert "that of epoch 1 is whole, --resume continues from it" in str(error.value)
    assert written.read_bytes() == before
    assert list(written.parent.iterdir()) == [written]


def test_what_a_kill_has_left_goes_with_the_next_one(written: Path) -> None:
    leftover = hidden_name(written)
    leftover.mkdir()
    (leftover / "checkpoint").write_bytes(b"half of i")
    checkpoint(written.parent).write(Progress(HISTORY, []), STATE)
    assert list(written.parent.iterdir()) == [written]


@pytest.mark.parametrize("kind", ["folder", "link to nothing"])
def test_no_file_in_its_place(tmp_path: Path, kind: str) -> None:
    path = tmp_path / ".run.checkpoint"
    if kind == "folder":
        path.mkdir()
    elif os.name == "nt":
        pytest.skip("Windows users may make no symbolic links")
    else:
        path.symlink_to("nothing")
    with pytest.raises(UserError, match="is in the way: the training's checkpoint goes there; move or delete it"):
        checkpoint(tmp_path)
    assert os.path.lexists(path)
