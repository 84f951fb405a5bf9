"""Loading: the arrays that were published, or a sentence that names the file and the command that fixes it."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra.numpy import array_shapes, arrays
from small_dataset import ARRAYS, SMALL, write_mirror

from mnist_twice.data.catalogue import FASHION_MNIST, KMNIST, MNIST, Entry
from mnist_twice.data.datasets import load_dataset, read_dataset, write_own
from mnist_twice.data.download import download_dataset
from mnist_twice.data.idx import idx_bytes, parse_idx
from mnist_twice.errors import UserError


def test_the_split_of_the_sample_never_changes(workplace: Path) -> None:
    dataset = load_dataset("mnist-sample", workplace / "mnist_data")
    # If this fails, the split has changed, and no result recorded before can be compared with one from now on.
    assert dataset.fingerprint == "73abc80c15e65f8c17c2ef1b7dc5206d02ba1e22caf74abf61ff09a0e86292e8"


def test_an_unknown_name_is_answered_with_the_names(tmp_path: Path) -> None:
    names = "mnist, fashion-mnist, kmnist, mnist-sample"
    with pytest.raises(UserError, match=f"^there is no dataset 'fashion'; choose from {names}.$"):
        load_dataset("fashion", tmp_path / "nowhere")
    write_own("mine", ARRAYS, tuple("0123456789"), tmp_path)
    with pytest.raises(UserError, match=f"^there is no dataset 'fashion'; choose from {names}, mine.$"):
        load_dataset("fashion", tmp_path)


def test_what_was_not_downloaded_is_answered_with_the_command(tmp_path: Path) -> None:
    command = f"python download_mnist.py --dataset kmnist --data-dir '{tmp_path / 'my data'}'"
    with pytest.raises(UserError, match=f"^kmnist is not in '.*' yet: run '{command}'.$"):
        load_dataset("kmnist", tmp_path / "my data")


def test_damage_is_named_and_fixed(tmp_path: Path) -> None:
    small_dir, mirror = tmp_path / "data", str(write_mirror(tmp_path / "mirror"))
    download_dataset(SMALL, small_dir, mirror)
    path = small_dir / "Small" / "raw" / "t10k-labels-idx1-ubyte"
    damages: list[Callable[[], object]] = [
        lambda: path.write_bytes(path.read_bytes()[:-1] + b"\x0b"),
        lambda: os.truncate(path, path.stat().st_size // 2),
        lambda: path.unlink(),
    ]
    command = f"python download_mnist.py --dataset small --data-dir {small_dir}"
    for damage in damages:
        damage()
        with pytest.raises(UserError, match=rf"'{path}'.* The dataset is damaged: run '{command}' to fix it\.$"):
            read_dataset(SMALL, small_dir)
        download_dataset(SMALL, small_dir, mirror)
        assert len(read_dataset(SMALL, small_dir).train_labels) == 60


@given(arrays(np.uint8, array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=9)))
def test_an_array_survives_as_idx_file(array: np.ndarray) -> None:
    parsed = parse_idx(bytearray(idx_bytes(array)))
    assert (parsed.dtype, parsed.shape) == (np.uint8, array.shape)
    assert np.array_equal(parsed, array)
    assert parsed.flags.writeable  # PyTorch warns where it is not


@pytest.fixture(params=[MNIST, FASHION_MNIST, KMNIST], ids=lambda entry: entry.name)
def entry(request: pytest.FixtureRequest, tmp_path: Path) -> Entry:
    """The small dataset in the place of another, in the data folder tmp_path."""
    small = replace(SMALL, name=request.param.name, folder=request.param.folder)
    download_dataset(small, tmp_path, str(write_mirror(tmp_path / "mirror")))
    return small


@pytest.mark.pytorch
def test_torchvision_reads_the_folder(entry: Entry, tmp_path: Path) -> None:
    import torchvision.datasets

    for part, images, labels in (("train", *ARRAYS[:2]), ("test", *ARRAYS[2:])):
        theirs = getattr(torchvision.datasets, entry.folder)(str(tmp_path), train=part == "train", download=False)
        assert np.array_equal(theirs.data.numpy(), images)
        assert np.array_equal(theirs.targets.numpy(), labels)
        assert theirs[0][0].size == (28, 28)


def test_the_npz_has_the_keys_of_keras(entry: Entry, tmp_path: Path) -> None:
    # As keras.datasets.mnist.load_data does with the file that it has downloaded.
    with np.load(tmp_path / f"{entry.name}.npz", allow_pickle=False) as arrays:
        assert sorted(arrays) == ["x_test", "x_train", "y_test", "y_train"]
        for name, array in zip(("x_train", "y_train", "x_test", "y_test"), ARRAYS, strict=True):
            assert np.array_equal(arrays[name], array)
            assert arrays[name].dtype == np.uint8
