"""The data folder is one that torchvision's own classes and Keras's habits find their way in, unchanged."""

from __future__ import annotations

import functools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from digits.data.catalogue import FASHION_MNIST, KMNIST, MNIST, MNIST_SAMPLE, Entry
from digits.data.datasets import read_dataset
from digits.data.download import download_dataset
from digits.data.sample import stratified_sample

SAMPLE = replace(MNIST_SAMPLE, embedded=functools.cache(stratified_sample))
# The sample in each one's place, so that all is tried anywhere; and those that a mirror has themselves.
DATASETS = [
    *(replace(SAMPLE, name=like.name, folder=like.folder) for like in (MNIST, KMNIST)),
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


@pytest.mark.pytorch
@of_every_dataset
def test_torchvision_reads_the_folder(entry: Entry, data_dir: Path) -> None:
    import torchvision.datasets

    ours = read_dataset(entry, data_dir)
    for train, images, labels in (
        (True, ours.train_images, ours.train_labels),
        (False, ours.test_images, ours.test_labels),
    ):
        theirs = getattr(torchvision.datasets, entry.folder)(str(data_dir), train=train, download=False)
        assert np.array_equal(theirs.data.numpy(), images)
        assert np.array_equal(theirs.targets.numpy(), labels)
        assert theirs[0][0].size == (28, 28)


@of_every_dataset
def test_the_npz_has_the_keys_of_keras(entry: Entry, data_dir: Path) -> None:
    ours = read_dataset(entry, data_dir)
    # As keras.datasets.mnist.load_data does with the file that it has downloaded.
    with np.load(data_dir / f"{entry.name}.npz", allow_pickle=False) as arrays:
        assert sorted(arrays) == ["x_test", "x_train", "y_test", "y_train"]
        assert np.array_equal(arrays["x_train"], ours.train_images)
        assert np.array_equal(arrays["y_train"], ours.train_labels)
        assert np.array_equal(arrays["x_test"], ours.test_images)
        assert np.array_equal(arrays["y_test"], ours.test_labels)
        assert {arrays[key].dtype for key in arrays} == {np.dtype(np.uint8)}
