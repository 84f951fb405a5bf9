"""Loading: the arrays that were published, or a sentence that names the file and the command that fixes it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from small_dataset import ARRAYS, SMALL, write_mirror

from digits.data.datasets import load_dataset, read_dataset
from digits.data.download import download_dataset
from digits.data.own import write_own
from digits.errors import UserError


@pytest.fixture
def small_dir(tmp_path: Path) -> Path:
    download_dataset(SMALL, tmp_path / "data", str(write_mirror(tmp_path / "mirror")))
    return tmp_path / "data"


def test_the_split_of_the_sample_never_changes(workplace: Path) -> None:
    dataset = load_dataset("mnist-sample", workplace / "mnist_data")
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


def test_damage_is_named_and_fixed(small_dir: Path) -> None:
    path = small_dir / "Small" / "raw" / "t10k-labels-idx1-ubyte"
    damages: list[Callable[[], object]] = [
        lambda: path.write_bytes(path.read_bytes()[:-1] + b"\x0b"),
        lambda: os.truncate(path, path.stat().st_size // 2),
        lambda: path.unlink(),
    ]
    for damage in damages:
        damage()
        with pytest.raises(UserError) as error:
            read_dataset(SMALL, small_dir)
        assert str(path) in str(error.value)
        command = f"python download_mnist.py --dataset small --data-dir {small_dir}"
        assert str(error.value).endswith(f"The dataset is damaged: run '{command}' to fix it.")
        download_dataset(SMALL, small_dir, str(small_dir.parent / "mirror"))
        assert len(read_dataset(SMALL, small_dir).train_labels) == 60
