"""Full disks: a sentence that names the file, nothing half written, nothing good destroyed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from make_runs import make_run
from paths import ROOT

from mnist_twice.data.catalogue import MNIST_SAMPLE
from mnist_twice.data.download import download_dataset

pytestmark = pytest.mark.nightly
FULL = "No space left on device"


@pytest.fixture
def disk(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """An empty file system of the size that the test asks for; skipped where none can be mounted."""
    folder = tmp_path / "disk"
    folder.mkdir()
    options = ["mount", "-t", "tmpfs", "-o", f"size={request.param}", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(options, capture_output=True).returncode:
        pytest.skip("a small file system can only be mounted by root, on Linux")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def run(script: str, *words: str | Path, cwd: Path = ROOT) -> str:
    """Run the script, which must end with status 1 and without a traceback; return what it says on stderr."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": "-1"}
    command = [sys.executable, str(ROOT / script), *map(str, words)]
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr


@pytest.mark.parametrize(
    "framework", [pytest.param(name, marks=getattr(pytest.mark, name)) for name in ("pytorch", "tensorflow")]
)
@pytest.mark.parametrize(("disk", "kept"), [("160k", False), ("800k", True)], indirect=["disk"])
def test_a_training_keeps_its_checkpoint(disk: Path, kept: bool, framework: str, tmp_path: Path) -> None:
    download_dataset(MNIST_SAMPLE, tmp_path / "mnist_data")
    words = ["--dataset", "mnist-sample", "--model", "mlp", "--epochs", "1", "--name", "mlp", "--output-dir", disk]
    stderr = run(f"mnist_{framework}.py", *words, cwd=tmp_path)
    assert f"{disk}/" in stderr
    assert FULL in stderr
    assert [entry.name for entry in disk.iterdir()] == [".mlp.checkpoint"] * kept


@pytest.mark.parametrize(
    ("disk", "file"), [("1m", "MNISTSample/raw/train-images-idx3-ubyte"), ("5m", "mnist-sample.npz")], indirect=["disk"]
)
def test_a_dataset(disk: Path, file: str) -> None:
    stderr = run("download_mnist.py", "--dataset", "mnist-sample", "--data-dir", disk)
    assert f"{FULL} ({disk / file})" in stderr
    assert not list(disk.rglob(".*"))


@pytest.mark.parametrize("disk", ["2m"], indirect=True)
def test_figures(disk: Path) -> None:
    make_run(disk)
    free = os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize
    (disk / "filler").write_bytes(bytes(free - 8192))
    stderr = run("visualize_results.py", "--only", "confusion_matrix", "--output-dir", disk)
    assert f"cannot write '{disk}/mnist-cnn-pytorch/confusion_matrix.png' ({FULL}" in stderr
    assert [entry.name for entry in (disk / "mnist-cnn-pytorch").glob("*confusion*")] == []
