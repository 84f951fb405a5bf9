"""Who wrote each image: brought beside a dataset that works without, verified, and held out as a whole."""

from __future__ import annotations

import gzip
import hashlib
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_dataset import SMALL, TEST, TRAIN, write_mirror

import download_mnist
from mnist_twice.data import MNIST, Entry, load_dataset
from mnist_twice.data.datasets import read_dataset
from mnist_twice.data.download import download_dataset, download_writers, find_damage
from mnist_twice.data.idx import parse_idx
from mnist_twice.data.split import split_writers
from mnist_twice.errors import UserError
from mnist_twice.recipes import Recipe
from mnist_twice.training import split_dataset

MORE = 5  # test images in the table that the dataset does not have
_rng = np.random.default_rng(7)
TABLES = [_rng.integers(0, 400, (count, 8)).astype(np.int32) for count in (TRAIN, TEST + MORE)]
BYTES = [struct.pack(">HBB2I", 0, 0x0C, 2, *table.shape) + table.astype(">i4").tobytes() for table in TABLES]
LABELS = Entry(
    "small-writers",
    "Small",
    "nobody",
    (TRAIN, TEST + MORE),
    "none",
    files=("train-who", "test-who"),
    sha256=tuple(hashlib.sha256(data).hexdigest() for data in BYTES),
)
WRITTEN = replace(SMALL, writers=LABELS)
PACKED = {f"{file}.gz": gzip.compress(data, mtime=0) for file, data in zip(LABELS.files, BYTES, strict=True)}


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """A data folder with the small dataset, in which nobody knows the writers."""
    download_dataset(SMALL, tmp_path / "data", str(write_mirror(tmp_path / "images")))
    return tmp_path / "data"


@pytest.fixture
def mirror(tmp_path: Path) -> Path:
    """A folder that has the labels in a folder of their own, as a mirror of several datasets does."""
    return write_mirror(tmp_path / "mirror" / "small-writers", PACKED).parent


def assert_known(data_dir: Path) -> None:
    dataset = read_dataset(WRITTEN, data_dir)
    for found, table, count in ((dataset.train_writers, TABLES[0], TRAIN), (dataset.test_writers, TABLES[1], TEST)):
        assert np.array_equal(found, table[:count, [2, 1]])
    assert dataset.fingerprint == read_dataset(SMALL, data_dir).fingerprint  # writers are no part of it
    assert find_damage(SMALL, data_dir / "Small") == []


def test_from_a_mirror_and_only_what_is_damaged_again(data_dir: Path, mirror: Path) -> None:
    download_writers(WRITTEN, data_dir, str(mirror))
    assert_known(data_dir)
    path = data_dir / "Small" / LABELS.paths[1]
    path.write_bytes(BYTES[1][:-1] + b"\xff")
    command = "python download_mnist.py --dataset small"
    with pytest.raises(UserError, match=f"test-who.*The dataset is damaged: run '{command}"):
        read_dataset(WRITTEN, data_dir)
    (mirror / "small-writers" / "train-who.gz").unlink()
    download_writers(WRITTEN, data_dir, str(mirror))
    assert_known(data_dir)
    path.unlink()
    assert read_dataset(WRITTEN, data_dir).train_writers is None  # without one of them the dataset is complete


def test_wrong_files_are_refused_and_the_script_says_so(
    data_dir: Path, mirror: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (mirror / "small-writers" / "test-who.gz").write_bytes(gzip.compress(BYTES[1][:-1] + b"\xff"))
    download_mnist.download(WRITTEN, data_dir, str(mirror), force=False)
    done = capsys.readouterr().out
    first, _, note, reason, *_ = done.splitlines()
    assert first.endswith("already complete.")
    assert note.startswith("  note: who wrote each image is not known; writers' intervals")
    assert "wrong contents; its SHA-256" in reason
    assert "mnist-sample" not in done
    assert read_dataset(WRITTEN, data_dir).train_writers is None
    (mirror / "small-writers" / "test-who.gz").write_bytes(PACKED["test-who.gz"])
    download_mnist.download(WRITTEN, data_dir, str(mirror), force=False)
    assert capsys.readouterr().out.splitlines()[2] == "  Who wrote each image: nobody. Licence: none."
    assert_known(data_dir)


SIZES = st.lists(st.integers(1, 40), min_size=1, max_size=30)


@given(SIZES, SIZES, st.floats(0, 1, exclude_max=True), st.integers(0, 2**32 - 1))
def test_each_series_gives_whole_writers_as_near_to_its_share_as_one_of_them(
    staff: list[int], students: list[int], fraction: float, seed: int
) -> None:
    table = np.stack([np.arange(len(staff + students)), [0] * len(staff) + [4] * len(students)], axis=1)
    writers = np.random.default_rng(seed).permutation(np.repeat(table, staff + students, axis=0)).astype(np.int32)
    train, validation = split_writers(writers, fraction, seed)
    assert sorted([*train, *validation]) == list(range(len(writers)))
    assert not set(writers[train, 0]) & set(writers[validation, 0])
    for series, counts in ((0, staff), (4, students)):
        held_out = np.sum(writers[validation, 1] == series)
        assert abs(held_out - fraction * sum(counts)) <= max(counts) / 2


def test_a_recipe_asks_for_it_and_is_refused_where_nobody_knows(data_dir: Path, mirror: Path) -> None:
    recipe = Recipe(split="writers", validation_fraction=0.3)
    with pytest.raises(UserError, match=r"^--split writers: who wrote each image of small is not known; use --spl"):
        split_dataset(read_dataset(WRITTEN, data_dir), recipe)
    with pytest.raises(UserError, match=r"of mnist is not known; use --split random. .*download_mnist.py"):
        split_dataset(replace(read_dataset(WRITTEN, data_dir), name="mnist"), recipe)
    download_writers(WRITTEN, data_dir, str(mirror))
    dataset = read_dataset(WRITTEN, data_dir)
    held_out = split_dataset(dataset, recipe)[1]
    assert held_out.tolist() == split_writers(dataset.train_writers, 0.3, recipe.seed)[1].tolist()
    assert split_dataset(dataset, replace(recipe, split="random"))[1].tolist() != held_out.tolist()


@pytest.mark.real_data
def test_mnist(real_data_dir: Path) -> None:
    dataset = load_dataset("mnist", real_data_dir)
    train, test = (set(part[:, 0]) for part in (dataset.train_writers, dataset.test_writers))  # type: ignore[index]
    assert (len(train), len(test), len(train & test)) == (539, 297, 0)
    for path, labels in zip(MNIST.writers.paths, (dataset.train_labels, dataset.test_labels), strict=True):  # type: ignore[union-attr]
        table = parse_idx((real_data_dir / "MNIST" / path).read_bytes())
        assert np.array_equal(table[: len(labels), 0], labels)
