"""Checkpoints: read back as written, refused where they are damaged or of another training, and never half."""

from __future__ import annotations

import hashlib
import json
import math
import os
import pickle
import resource
import shutil
import subprocess
import sys
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from framework_process import environment
from hypothesis import given, settings
from hypothesis import strategies as st

from digits.data.datasets import Dataset
from digits.errors import UserError
from digits.files.whole import hidden_name
from digits.training.checkpoint import Checkpoint, Progress, check_form
from digits.training.options import Options
from digits.training.recipe import RECIPES, Augmentation, Recipe

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


def test_nothing_there_means_the_beginning(tmp_path: Path) -> None:
    assert checkpoint(tmp_path).read() is None


def test_delete(written: Path) -> None:
    checkpoint(written.parent).delete()
    assert not written.exists()
    checkpoint(written.parent).delete()


@settings(max_examples=60)
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


def test_a_changed_digit_that_no_float_has_is_noticed(written: Path) -> None:
    content = written.read_bytes()
    changed = content.replace(b"0.30000000000000004", b"0.30000000000000005")  # one number in two texts
    assert changed != content
    written.write_bytes(changed)
    with pytest.raises(UserError, match="is damaged"):
        checkpoint(written.parent).read()


def forge(path: Path, facts: dict[str, Any], state: bytes = STATE) -> None:
    """Write a checkpoint of these contents, with a digest that fits them."""
    digest = hashlib.sha256(json.dumps(facts).encode() + state).hexdigest()
    path.write_bytes(json.dumps({"sha256": digest, **facts}).encode() + b"\n" + state)


def facts_in(path: Path) -> dict[str, Any]:
    facts = json.loads(path.read_bytes().partition(b"\n")[0])
    del facts["sha256"]
    return facts


def assert_damaged(folder: Path) -> None:
    with pytest.raises(UserError, match=r"is damaged; delete it, or leave --resume out to start afresh\.$") as error:
        checkpoint(folder).restore(lambda state: None)
    assert "\n" not in str(error.value)


def test_forging_as_such_is_not_what_is_refused(written: Path) -> None:
    content = written.read_bytes()
    forge(written, facts_in(written))
    assert written.read_bytes() == content


@pytest.mark.parametrize(
    "changes",
    [
        {"about": None},
        {"about": []},
        {"about": "model"},
        {"more": 1},
        {"history": None},
        {"history": []},
        {"history": {"epoch": 1}},
        {"history": [1]},
        {"history": HISTORY * 5, "losses": LOSSES * 5},
        {"history": [{**ROW, "epoch": epoch} for epoch in (1, 2, 3, 4)], "losses": LOSSES * 4},
        {"history": [{**ROW, "epoch": 2}]},
        {"history": [{**ROW, "epoch": True}]},
        {"history": [{**ROW, "more": 1}]},
        *({"history": [{name: value for name, value in ROW.items() if name != out}]} for out in ROW),
        *({"history": [{**ROW, "seconds": odd}]} for odd in (None, "1", -1, [1], math.nan, math.inf, 10**400)),
        {"losses": None},
        {"losses": 0.5},
        {"losses": [0.5]},
        {"losses": [*LOSSES, 0.5]},
        {"losses": [0.5, "0.25"]},
        {"losses": [0.5, math.nan]},
    ],
    ids=lambda changes: str(changes)[:60],
)
def test_contents_that_no_training_wrote(written: Path, changes: dict[str, Any]) -> None:
    forge(written, {**facts_in(written), **changes})
    assert_damaged(written.parent)


@pytest.mark.parametrize("name", ["about", "history", "losses"])
def test_contents_that_lack_a_part(written: Path, name: str) -> None:
    facts = facts_in(written)
    del facts[name]
    forge(written, facts)
    assert_damaged(written.parent)


@pytest.mark.parametrize("line", [b"", b"null", b"[]", b'"sha256"', b"[" * 5000, b'{"sha256": null}'], ids=repr)
def test_first_lines_that_mean_nothing(written: Path, line: bytes) -> None:
    written.write_bytes(line + b"\n" + STATE)
    assert_damaged(written.parent)


def test_odd_options_are_told_in_one_line(written: Path) -> None:
    facts = facts_in(written)
    facts["about"]["precision"] = "bfloat16\n" * 1000
    forge(written, facts)
    with pytest.raises(UserError, match="was made with precision bfloat16 ") as error:
        checkpoint(written.parent).read()
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 600


def test_state_that_the_framework_cannot_load(written: Path) -> None:
    for kind in (KeyError, RuntimeError, MemoryError, pickle.UnpicklingError):

        def load(state: bytes, kind: type[Exception] = kind) -> None:
            raise kind("a\nb")

        again = checkpoint(written.parent)
        with pytest.raises(UserError, match=f"'{written}' is damaged; delete it, or leave --resume out"):
            again.restore(load)
        assert again.seconds == 0


@pytest.mark.parametrize(
    ("found", "fits"),
    [
        ({"a": np.ones(3), "b": [np.ones(2, np.uint8), 0.5]}, True),
        ({"b": (np.zeros(2, np.uint8), -1.0), "a": np.full(3, 7.0)}, True),
        ({"a": np.ones(3)}, False),
        ({"a": np.ones(3), "b": [np.ones(2, np.uint8)]}, False),
        ({"a": np.ones(4), "b": [np.ones(2, np.uint8), 0.5]}, False),
        ({"a": np.ones(3, np.float32), "b": [np.ones(2, np.uint8), 0.5]}, False),
        ({"a": np.array([1, np.nan, 1]), "b": [np.ones(2, np.uint8), 0.5]}, False),
        ({"a": np.array([1, -np.inf, 1]), "b": [np.ones(2, np.uint8), 0.5]}, False),
        ({"a": np.ones(3), "b": [np.ones(2, np.uint8), math.nan]}, False),
        ({"a": np.ones(3), "b": [np.ones(2, np.uint8), 1]}, False),
        ([np.ones(3)], False),
        (None, False),
    ],
)
def test_form_of_a_state(found: Any, fits: bool) -> None:
    with nullcontext() if fits else pytest.raises(ValueError, match="it "):
        check_form(found, {"a": np.ones(3), "b": [np.ones(2, np.uint8), 0.5]})


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


FULL_DISK = """
import resource, sys
from pathlib import Path
from training.test_checkpoint import *
resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))
training = checkpoint(Path(sys.argv[1]))
if sys.argv[2] == "resume":
    training.restore(lambda state: None)
try:
    training.write(Progress(HISTORY * 2, [0.5]), STATE * 10)
except UserError as error:
    print(error)
"""


@pytest.mark.parametrize("start", ["resume", "anew"])
def test_full_disk_leaves_the_last_good_one(written: Path, start: str) -> None:
    before = written.read_bytes()
    assert len(before) < 2000 < len(STATE) * 10
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(written.parent), start],
        env=environment(),
        capture_output=True,
        text=True,
    )
    assert done.stdout.startswith(f"cannot write the checkpoint '{written}' ("), done.stderr
    # A training that started afresh knows nothing of the file that an earlier one has left.
    assert ("that of epoch 1 is whole, --resume continues from it" in done.stdout) == (start == "resume")
    assert ("whole" in done.stdout) == (start == "resume")
    assert written.read_bytes() == before
    assert list(written.parent.iterdir()) == [written]
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 2000


def test_ctrl_c_while_it_is_written(written: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = written.read_bytes()

    def press(path: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("digits.files.whole.flush", press)
    with pytest.raises(KeyboardInterrupt):
        checkpoint(written.parent).write(Progress(HISTORY, []), STATE)
    assert written.read_bytes() == before
    assert list(written.parent.iterdir()) == [written]


def test_what_a_kill_has_left_goes_with_the_next_one(written: Path) -> None:
    leftover = hidden_name(written)
    leftover.mkdir()
    (leftover / "checkpoint").write_bytes(b"half of i")
    checkpoint(written.parent).write(Progress(HISTORY, []), STATE)
    assert list(written.parent.iterdir()) == [written]


def test_folder_that_has_become_a_file(tmp_path: Path) -> None:
    training = checkpoint(tmp_path / "gone")
    (tmp_path / "gone").touch()
    with pytest.raises(UserError, match="cannot write the checkpoint") as error:
        training.write(Progress(HISTORY, []), STATE)
    assert "is whole" not in str(error.value)


@pytest.mark.parametrize("kind", ["folder", "pipe", "link to nothing"])
def test_no_file_in_its_place(tmp_path: Path, kind: str) -> None:
    path = tmp_path / ".run.checkpoint"
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to("nothing")
    before = path.lstat().st_ino
    with pytest.raises(UserError, match="is in the way: the training's checkpoint goes there; move or delete it"):
        checkpoint(tmp_path)
    assert path.lstat().st_ino == before


def test_checkpoint_that_somebody_deleted_is_not_called_whole(tmp_path: Path) -> None:
    folder = tmp_path / "outputs"
    folder.mkdir()
    training = checkpoint(folder)
    training.write(Progress(HISTORY, []), STATE)
    shutil.rmtree(folder)
    folder.touch()
    with pytest.raises(UserError, match="cannot write the checkpoint") as error:
        training.write(Progress(HISTORY * 2, []), STATE)
    assert "whole" not in str(error.value)
