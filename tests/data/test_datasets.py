"""Loading: the arrays that were published, or a sentence that names the file and the command that fixes it."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_dataset import ARRAYS, SMALL, write_mirror

from digits.data.catalogue import MNIST_SAMPLE
from digits.data.datasets import load_dataset, read_dataset
from digits.data.download import download_dataset
from digits.data.idx import idx_bytes
from digits.data.own import write_own
from digits.errors import UserError
from digits.files.checksums import format_manifest, parse_manifest, read_manifest, sha256_of


@pytest.fixture(scope="module")
def sample_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data_dir = tmp_path_factory.mktemp("sample")
    download_dataset(MNIST_SAMPLE, data_dir)
    return data_dir


@pytest.fixture
def small_dir(tmp_path: Path) -> Path:
    download_dataset(SMALL, tmp_path / "data", str(write_mirror(tmp_path / "mirror")))
    return tmp_path / "data"


# -- what is in them -------------------------------------------------------------------------------------------------


def test_the_split_of_the_sample_never_changes(sample_dir: Path) -> None:
    dataset = load_dataset("mnist-sample", sample_dir)
    # If this fails, the split has changed, and no result recorded before can be compared with one from now on.
    assert dataset.fingerprint == "73abc80c15e65f8c17c2ef1b7dc5206d02ba1e22caf74abf61ff09a0e86292e8"


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("name", "fingerprint"),
    [
        ("mnist", "e9914cff2ade526da2ab1ac60c072f9173cc53e35b9411692de8207cb1b9009d"),
        ("fashion-mnist", "4d8e31d2057f6f938ff47097ba334038e7aafbaf24b67665d2dd1ecda01730a3"),
    ],
)
def test_the_full_datasets(name: str, fingerprint: str, real_data_dir: Path) -> None:
    dataset = load_dataset(name, real_data_dir)
    assert dataset.fingerprint == fingerprint
    assert (dataset.train_images.shape, dataset.test_images.shape) == ((60_000, 28, 28), (10_000, 28, 28))
    assert (len(dataset.train_labels), len(dataset.test_labels)) == (60_000, 10_000)
    assert len(dataset.class_names) == 10


# -- what is wrong with them -----------------------------------------------------------------------------------------


def test_an_unknown_name_is_answered_with_the_names(tmp_path: Path) -> None:
    names = "mnist, fashion-mnist, kmnist, mnist-sample"
    with pytest.raises(UserError, match=f"^there is no dataset 'fashion'; choose from {names}.$"):
        load_dataset("fashion", tmp_path / "nowhere")
    write_own("mine", ARRAYS, tuple("0123456789"), tmp_path)
    with pytest.raises(UserError, match=f"^there is no dataset 'fashion'; choose from {names}, mine.$"):
        load_dataset("fashion", tmp_path)


def test_what_was_not_downloaded_is_answered_with_the_command(tmp_path: Path) -> None:
    data_dir = tmp_path / "my data"
    with pytest.raises(UserError) as error:
        load_dataset("kmnist", data_dir)
    command = f"python download_mnist.py --dataset kmnist --data-dir '{data_dir}'"
    assert str(error.value) == f"kmnist is not in '{data_dir}' yet: run '{command}'."


def flip(path: Path, place: int) -> None:
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)


def make_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def make_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


DAMAGE: dict[str, Callable[[Path], None]] = {
    "last byte": lambda path: flip(path, -1),
    "cut": lambda path: os.truncate(path, path.stat().st_size // 2),
    "empty": lambda path: path.write_bytes(b"") and None,
    "deleted": lambda path: path.unlink(),
    "a pipe": make_pipe,
    "a folder": make_folder,
}


@pytest.mark.parametrize("name", ["raw/train-images-idx3-ubyte", "raw/t10k-labels-idx1-ubyte", "SHA256SUMS"])
def test_damage_is_named_and_fixed(name: str, small_dir: Path) -> None:
    path = small_dir / "Small" / name
    for damage, do in DAMAGE.items():
        do(path)
        with pytest.raises(UserError) as error:
            read_dataset(SMALL, small_dir)
        assert str(path) in str(error.value)
        command = f"python download_mnist.py --dataset small --data-dir {small_dir}"
        assert str(error.value).endswith(f"The dataset is damaged: run '{command}' to fix it.")
        if damage == "a folder":
            path.rmdir()  # nothing that is the user's own is deleted for them
        download_dataset(SMALL, small_dir, str(small_dir.parent / "mirror"))
        assert len(read_dataset(SMALL, small_dir).train_labels) == 60


def test_other_data_with_checksums_to_match_is_not_taken_for_the_dataset(small_dir: Path) -> None:
    folder = small_dir / "Small"
    path = folder / "raw" / "t10k-labels-idx1-ubyte"
    path.write_bytes(idx_bytes(np.zeros(20, np.uint8)))
    sums = read_manifest(folder) | {"raw/t10k-labels-idx1-ubyte": sha256_of(path)}
    (folder / "SHA256SUMS").write_text(format_manifest(sums))
    with pytest.raises(UserError, match=f"{path}' does not have the SHA-256 of small's file"):
        read_dataset(SMALL, small_dir)


def test_a_garbled_manifest_is_named(small_dir: Path) -> None:
    path = small_dir / "Small" / "SHA256SUMS"
    for text in (b"", b"\xff\xfe", b"x\n", b"0" * 64 + b" name\n", b"a  b\n" * 9, bytes(100_000)):
        path.write_bytes(text)
        with pytest.raises(UserError, match=f"{path}.?.? "):
            read_dataset(SMALL, small_dir)


@given(st.text() | st.from_regex(r"([0-9a-f]{64} [ *]\w+\n){0,3}.*"))
def test_any_text_is_a_manifest_or_a_value_error(text: str) -> None:
    try:
        sums = parse_manifest(text)
    except ValueError:
        return
    assert all(re.fullmatch("[0-9a-f]{64}", digest) for digest in sums.values())


def test_a_copy_of_the_folder_is_as_good(small_dir: Path, tmp_path: Path) -> None:
    shutil.copytree(small_dir, tmp_path / "copy", symlinks=True)
    shutil.rmtree(small_dir)
    assert len(read_dataset(SMALL, tmp_path / "copy").train_labels) == 60
    with np.load(tmp_path / "copy" / "small.npz") as arrays:  # the link is relative
        assert len(arrays["x_train"]) == 60
