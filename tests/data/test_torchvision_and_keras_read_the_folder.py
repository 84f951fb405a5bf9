"""The data folder is one that torchvision's own classes and Keras's habits find their way in, unchanged."""

from __future__ import annotations

import functools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from framework_process import ask
from probes.torchvision_folder import sha256

from digits.data.catalogue import CATALOGUE, FASHION_MNIST, KMNIST, MNIST, MNIST_SAMPLE, Entry
from digits.data.datasets import read_dataset
from digits.data.download import download_dataset
from digits.data.sample import stratified_sample

SAMPLE = replace(MNIST_SAMPLE, embedded=functools.cache(stratified_sample))
# The sample in each one's place, so that all is tried anywhere; and those that a mirror has themselves.
DATASETS = [
    *(replace(SAMPLE, name=like.name, folder=like.folder) for like in (MNIST, FASHION_MNIST, KMNIST)),
    *(pytest.param(entry, marks=pytest.mark.real_data) for entry in (MNIST, FASHION_MNIST)),
]
of_every_dataset = pytest.mark.parametrize(
    "entry", DATASETS, ids=lambda entry: f"{entry.name}{'-sample' if entry.embedded else ''}"
)


@pytest.fixture
def data_dir(entry: Entry, tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A data folder with the dataset in it."""
    if entry.embedded is None:
        return Path(request.getfixturevalue("real_data_dir"))
    download_dataset(entry, tmp_path)
    return tmp_path


@pytest.mark.training
@of_every_dataset
def test_torchvision_reads_the_folder(entry: Entry, data_dir: Path) -> None:
    ours = read_dataset(entry, data_dir)
    assert ask("pytorch", "torchvision_folder.read", entry.folder, str(data_dir)) == [
        [sha256(images), sha256(labels), [28, 28], int(labels[0])]
        for images, labels in [(ours.train_images, ours.train_labels), (ours.test_images, ours.test_labels)]
    ]


@of_every_dataset
@pytest.mark.parametrize("where", ["", "in its folder"])
def test_the_npz_has_the_keys_of_keras(entry: Entry, where: str, data_dir: Path) -> None:
    ours = read_dataset(entry, data_dir)
    # As keras.datasets.mnist.load_data does with the file that it has downloaded.
    with np.load(data_dir / (entry.folder if where else "") / f"{entry.name}.npz", allow_pickle=False) as arrays:
        assert sorted(arrays) == ["x_test", "x_train", "y_test", "y_train"]
        assert np.array_equal(arrays["x_train"], ours.train_images)
        assert np.array_equal(arrays["y_train"], ours.train_labels)
        assert np.array_equal(arrays["x_test"], ours.test_images)
        assert np.array_equal(arrays["y_test"], ours.test_labels)
        assert {arrays[key].dtype for key in arrays} == {np.dtype(np.uint8)}


def test_the_folders_are_named_as_torchvisions_classes() -> None:
    assert {name: entry.folder for name, entry in CATALOGUE.items() if entry.mirrors} == {
        "mnist": "MNIST",
        "fashion-mnist": "FashionMNIST",
        "kmnist": "KMNIST",
    }
