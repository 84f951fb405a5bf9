"""What several test modules share: the sample on disk, and one default training of each framework."""

from __future__ import annotations

import functools
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from framework_process import run_training
from page_driver import Page, serving_page

from digits.data.catalogue import FASHION_MNIST, MNIST, MNIST_SAMPLE
from digits.data.download import download_dataset

# A shell that starts the tests in the background has them ignore Ctrl-C, and what they start as well.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_runtest_setup(item: pytest.Item) -> None:
    folder = os.environ.get("MNIST_MIRROR")
    if item.get_closest_marker("real_data") and not (folder and Path(folder).is_dir()):
        pytest.skip("needs the environment variable MNIST_MIRROR to name a folder of datasets")


@dataclass(frozen=True)
class Trained:
    """A training with default options on the sample."""

    framework: str
    path: Path  # the run's folder
    process: subprocess.CompletedProcess[str]


@pytest.fixture(scope="session")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with mnist_data/ in it, which holds the sample."""
    folder = tmp_path_factory.mktemp("workplace")
    download_dataset(MNIST_SAMPLE, folder / "mnist_data")
    return folder


@pytest.fixture(scope="session")
def real_data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with all of MNIST and Fashion-MNIST, from the mirror alone: for tests marked real_data."""
    data_dir = tmp_path_factory.mktemp("real_data")
    for entry in (MNIST, FASHION_MNIST):
        download_dataset(replace(entry, mirrors=()), data_dir, os.environ["MNIST_MIRROR"])
    return data_dir


@pytest.fixture(scope="session")
def train_once(workplace: Path) -> Callable[[str], Trained]:
    """Give a function from 'pytorch' or 'tensorflow' to its training, run when first asked for."""

    @functools.cache
    def train(framework: str) -> Trained:
        process = run_training(framework, "--dataset", "mnist-sample", cwd=workplace)
        assert process.returncode == 0, process.stderr
        return Trained(framework, workplace / "outputs" / f"mnist-sample-cnn-{framework}", process)

    return train


@pytest.fixture(scope="session", params=["pytorch", "tensorflow"])
def framework(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="session")
def trained(framework: str, train_once: Callable[[str], Trained]) -> Trained:
    return train_once(framework)


@pytest.fixture(scope="module")
def page(workplace: Path, train_once: Callable[[str], Trained]) -> Iterator[Page]:
    """draw_digit.py's page, running, with a run of each framework."""
    for framework in ("pytorch", "tensorflow"):
        train_once(framework)
    with serving_page(workplace) as running:
        yield running


@pytest.fixture(scope="session")
def digits(workplace: Path) -> dict[int, np.ndarray]:
    """A test image of each digit, uint8 (28, 28)."""
    from digits.data.datasets import load_dataset

    dataset = load_dataset("mnist-sample", workplace / "mnist_data")
    return {digit: dataset.test_images[np.flatnonzero(dataset.test_labels == digit)[0]] for digit in range(10)}


@pytest.fixture(scope="session")
def test_images(workplace: Path) -> np.ndarray:
    """The sample's 1,000 test images, uint8 (1000, 28, 28)."""
    from digits.data.datasets import load_dataset

    return load_dataset("mnist-sample", workplace / "mnist_data").test_images
