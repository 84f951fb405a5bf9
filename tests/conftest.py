"""What several test modules share: the sample on disk, and trainings on a part of it in either framework."""

from __future__ import annotations

import functools
import json
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from filelock import FileLock
from frameworks import ONE_THREAD, TOOLS, start_script
from hypothesis import settings

from mnist_twice.data.catalogue import FASHION_MNIST, MNIST, MNIST_SAMPLE
from mnist_twice.data.datasets import load_dataset, write_own
from mnist_twice.data.download import download_dataset, download_writers
from mnist_twice.runs.run import Run, find_runs, read_run

# A shell that starts the tests in the background has them ignore Ctrl-C, and what they start as well.
signal.signal(signal.SIGINT, signal.default_int_handler)
os.environ |= ONE_THREAD  # the frameworks read it when they are imported

settings.register_profile("default", max_examples=10, deadline=None)
settings.register_profile("nightly", max_examples=100, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


def pytest_addoption(parser: pytest.Parser) -> None:
    what = "write PyTorch's numbers into the folders golden/ instead of comparing them; after a change that is meant"
    parser.addoption("--write-golden", action="store_true", help=f"with -m pytorch: {what}")


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
    """Begin with what a night must not leave out; raises UsageError if both frameworks would be imported: a crash."""
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


@dataclass(frozen=True)
class Trained:
    """A training with default options on the sample."""

    path: Path  # the run's folder
    stdout: str
    stderr: str


@pytest.fixture(scope="session")
def train_once(workplace: Path, once: Once) -> Callable[[str], Trained]:
    """Give a function from 'pytorch' or 'tensorflow' to its training, in outputs/ of the workplace.

    It is run when first asked for, as a user runs it; each worker has a copy of the run.
    """

    @functools.cache
    def train(framework: str) -> Trained:
        def make(folder: Path) -> tuple[str, str]:
            shutil.copytree(workplace / "mnist_data", folder / "mnist_data")
            with start_script(framework, "--dataset", "mnist-sample", cwd=folder) as process:
                streams = process.communicate()
            assert process.returncode == 0, streams[1]
            return streams

        folder, streams = once(f"trained-{framework}", make)
        path = Path("outputs") / f"mnist-sample-cnn-{framework}"
        assert find_runs(folder / "outputs") == list((folder / "outputs").iterdir()) == [folder / path]
        return Trained(shutil.copytree(folder / path, workplace / path), *streams)

    return train


# --- a framework in pytest's own process: `pytest -m pytorch` or `pytest -m tensorflow` ---


@pytest.fixture(scope="session", params=[pytest.param(name, marks=getattr(pytest.mark, name)) for name in TOOLS])
def framework(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="session")
def imported(framework: str) -> ModuleType:
    """The framework's training script; TensorFlow takes the number of its threads only before its first operation."""
    script = import_module(f"mnist_{framework}")
    script.set_up("cpu", 0)
    return script


@pytest.fixture
def tools(framework: str, imported: ModuleType) -> Iterator[Any]:
    """The framework's networks (tests/frameworks.py); afterwards it computes in float32 again."""
    found = TOOLS[framework]()
    yield found
    found.use_precision("float32")


@pytest.fixture
def script(imported: ModuleType, tools: Any) -> ModuleType:
    """The framework's training script; what its set_up changes in the framework is set back."""
    return imported


@pytest.fixture
def quick_export(framework: str, imported: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the framework export a small matrix in place of any network: the export takes longer than the training."""
    from linear_run import write_linear_model

    if framework == "pytorch":
        monkeypatch.setattr("torch.onnx.export", lambda model, inputs, path, **_: write_linear_model(path))
    else:
        monkeypatch.setattr("keras.Model.export", lambda model, path, **_: write_linear_model(path))


@pytest.fixture(scope="session")
def tiny_data(workplace: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with `tiny`, a dataset of 500 training and 100 test images, the first of the sample's."""
    sample, folder = load_dataset("mnist-sample", workplace / "mnist_data"), tmp_path_factory.mktemp("tiny")
    train, test = (sample.train_images[:500], sample.train_labels[:500]), (sample.test_images, sample.test_labels)
    write_own("tiny", (*train, *(array[:100] for array in test)), sample.class_names, folder)
    return folder


Train = Callable[..., Run]


@pytest.fixture
def train(
    script: ModuleType, quick_export: None, tiny_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Train:
    """Give a function that trains in this process, on `tiny` unless the options say otherwise, and returns the run.

    It works in the test's own folder, and writes outputs/run there unless --name says otherwise.
    """
    from mnist_twice.recipes.options import parse_options

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("mnist_twice.errors._say", None)  # set back afterwards: what Ctrl-C says is of this training

    def trained(*words: object) -> Run:
        usual = ("--dataset", "tiny", "--data-dir", tiny_data, "--validation-fraction", "0.2", "--name", "run")
        options = parse_options(script.__doc__, list(map(str, (*usual, *words))))
        script.main(options)
        return read_run(options.output_dir / str(options.name))

    return trained


@pytest.fixture
def golden(request: pytest.FixtureRequest, framework: str) -> Callable[..., None]:
    """Give a function that compares arrays with PyTorch's, which lie in golden/NAME.npz beside the test's file."""

    def compare(name: str, found: dict[str, np.ndarray], **tolerance: float) -> None:
        path = request.path.parent / "golden" / f"{name}.npz"
        stored = dict(np.load(path)) if path.exists() else {}
        if request.config.option.write_golden:
            assert framework == "pytorch"
            np.savez_compressed(path, **{**stored, **found})
        else:
            for key, array in found.items():
                np.testing.assert_allclose(array, stored[key], err_msg=key, **tolerance)

    return compare


@pytest.fixture(scope="session")
def test_images(workplace: Path) -> np.ndarray:
    """The sample's 1,000 test images, uint8 (1000, 28, 28)."""
    return load_dataset("mnist-sample", workplace / "mnist_data").test_images
