"""What several test modules share: the sample on disk, and one default training of each framework."""

from __future__ import annotations

import functools
import json
import os
import shutil
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from filelock import FileLock
from framework_process import PACKAGES, run_training
from hypothesis import settings

from digits.data.catalogue import FASHION_MNIST, MNIST, MNIST_SAMPLE
from digits.data.download import download_dataset, download_writers

# A shell that starts the tests in the background has them ignore Ctrl-C, and what they start as well.
signal.signal(signal.SIGINT, signal.default_int_handler)

settings.register_profile("default", max_examples=10, deadline=None)
settings.register_profile("nightly", max_examples=100, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


def pytest_report_header(config: pytest.Config) -> str:
    return f"tests chosen: {config.option.markexpr} (`make help` lists the runs; those of a framework are their own)"


def pytest_runtest_setup(item: pytest.Item) -> None:
    folder = os.environ.get("MNIST_MIRROR")
    if item.get_closest_marker("real_data") and not (folder and Path(folder).is_dir()):
        pytest.skip("needs the environment variable MNIST_MIRROR to name a folder of datasets")
    if item.get_closest_marker("nightly") and time.time() > float(os.environ.get("NIGHTLY_UNTIL", "inf")):
        pytest.skip("left out: the time of NIGHTLY_UNTIL is over")


@pytest.hookimpl(trylast=True)  # when -m has chosen
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what a night must not leave out; UsageError where both frameworks would be imported, which aborts."""
    items.sort(key=lambda item: not any(mark.kwargs.get("first") for mark in item.iter_markers("nightly")))
    if {"pytorch", "tensorflow"} <= {mark.name for item in items for mark in item.iter_markers()}:
        raise pytest.UsageError("one process cannot hold both frameworks: run -m pytorch and -m tensorflow apart")


Once = Callable[[str, Callable[[Path], Any]], tuple[Path, Any]]


@pytest.fixture(scope="session")
def once(tmp_path_factory: pytest.TempPathFactory) -> Once:
    """Give a function that does a costly thing once for all of pytest-xdist's workers.

    once(name, make) calls make(folder) on the name's new folder, if no worker has, and returns the folder and what make
    returned, as JSON keeps it. Nothing may be changed in the folder.
    """
    base = tmp_path_factory.getbasetemp()
    shared = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "once"
    shared.mkdir(exist_ok=True)

    def made(name: str, make: Callable[[Path], Any]) -> tuple[Path, Any]:
        folder, answer = shared / name, shared / f"{name}.json"
        with FileLock(shared / f"{name}.lock"):
            if not answer.exists():
                shutil.rmtree(folder, ignore_errors=True)  # of a call that failed
                folder.mkdir()
                answer.write_text(json.dumps(make(folder)))
        return folder, json.loads(answer.read_text())

    return made


@dataclass(frozen=True)
class Trained:
    """A training with default options on the sample."""

    framework: str
    path: Path  # the run's folder
    stdout: str
    stderr: str


@pytest.fixture(scope="session")
def workplace(once: Once, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of this worker's own with mnist_data/ in it, which holds the sample."""
    downloaded, _ = once("sample", _download_sample)
    folder = tmp_path_factory.mktemp("workplace")
    shutil.copytree(downloaded, folder / "mnist_data")
    return folder


def _download_sample(folder: Path) -> None:
    download_dataset(MNIST_SAMPLE, folder)


@pytest.fixture(scope="session")
def real_data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with all of MNIST and Fashion-MNIST, from the mirror alone: for tests marked real_data."""
    data_dir = tmp_path_factory.mktemp("real_data")
    for entry in (MNIST, FASHION_MNIST):
        download_dataset(replace(entry, mirrors=()), data_dir, os.environ["MNIST_MIRROR"])
        download_writers(entry, data_dir, os.environ["MNIST_MIRROR"])
    return data_dir


@pytest.fixture(scope="session")
def train_once(workplace: Path, once: Once) -> Callable[[str], Trained]:
    """Give a function from 'pytorch' or 'tensorflow' to its training, in outputs/ of the workplace.

    It is run when first asked for, as a user runs it; each worker has a copy of the run.
    """

    @functools.cache
    def train(framework: str) -> Trained:
        def make(folder: Path) -> tuple[str, str]:
            (folder / "mnist_data").symlink_to(workplace / "mnist_data")
            done = run_training(framework, "--dataset", "mnist-sample", cwd=folder)
            assert done.returncode == 0, done.stderr
            return done.stdout, done.stderr

        folder, streams = once(f"trained-{framework}", make)
        path = Path("outputs") / f"mnist-sample-cnn-{framework}"
        return Trained(framework, shutil.copytree(folder / path, workplace / path), *streams)

    return train


@pytest.fixture(scope="module", params=PACKAGES)  # of all files' tests, pytest would else run PyTorch's first
def framework(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def trained(framework: str, train_once: Callable[[str], Trained]) -> Trained:
    return train_once(framework)


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
