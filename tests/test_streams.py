"""Scripts whose standard streams are closed, full or narrow, and full disks: no traceback, nothing half done."""

from __future__ import annotations

import errno
import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

import pytest
from framework_process import ROOT, ask, environment, run_forked
from make_runs import make_run

from digits.data.catalogue import MNIST_SAMPLE
from digits.data.datasets import load_dataset
from digits.runs.run import read_run

pytestmark = pytest.mark.slow

SCRIPTS = [
    *("download_mnist.py", "mnist_pytorch.py", "mnist_tensorflow.py"),
    *("visualize_results.py", "predict_digit.py", "draw_digit.py"),
]
NARROW = [
    {"PYTHONIOENCODING": "cp1252"},
    {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
]
FULL = "error: No space left on device"
NO_TEXT = os.fsdecode(b"b\xff")  # a file's name that is not UTF-8


def shell(
    script: str, *words: str | Path, streams: str = "", cwd: Path = ROOT, **more: str
) -> subprocess.CompletedProcess[str]:
    """Run a script with the shell's redirections, such as `2>&-`, and with more variables."""
    command = f"{shlex.join(map(str, [sys.executable, ROOT / script, *words]))} {streams}"
    return subprocess.run(
        ["sh", "-c", command],
        cwd=cwd,
        env=environment() | more,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        timeout=300,
    )


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """Give an empty file system of this size; skip the test where none can be mounted."""
    folder.mkdir()
    options = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(options, capture_output=True).returncode:
        pytest.skip("a small file system can only be mounted by root, on Linux")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


# --- closed streams ---


@pytest.fixture(scope="module")
def train_silently(workplace: Path) -> Callable[[str], Path]:
    """Give a function from the framework to the run of a training without stderr, whose stdout shows only ASCII."""

    @cache
    def train(framework: str) -> Path:
        words = [
            "--dataset",
            "mnist-sample",
            "--model",
            "mlp",
            "--epochs",
            "1",
            "--output-dir",
            "日本",
            "--name",
            framework,
        ]
        done = shell(f"mnist_{framework}.py", *words, streams="2>&-", cwd=workplace, PYTHONIOENCODING="ascii")
        assert done.returncode == 0
        assert f"\\u65e5\\u672c/{framework}: predictions" in done.stdout
        return workplace / "日本" / framework

    return train


def test_training_without_stderr(train_silently: Callable[[str], Path], framework: str) -> None:
    assert read_run(train_silently(framework)).framework == framework


def test_files_do_not_get_the_descriptors_of_closed_streams(tmp_path: Path) -> None:
    code = """
import os, sys
from digits.errors import run_script
def main():
    with open("file", "w") as file:
        print("to nobody")
        print("to nobody", file=sys.stderr)
        os.write(1, b"to nobody")
        os.write(2, b"to nobody")
        os.system("echo to nobody")
        file.write(str(file.fileno() > 2))
sys.exit(run_script(main))
"""
    subprocess.run(["sh", "-c", f"{sys.executable} -c '{code}' <&- >&- 2>&-"], cwd=tmp_path, env=environment())
    assert (tmp_path / "file").read_text() == "True"


@pytest.mark.parametrize("script", SCRIPTS)
def test_help_to_nobody_and_to_a_full_device(script: str) -> None:
    done = shell(script, "--help", streams=">&-")
    assert (done.returncode, done.stderr) == (0, "")
    done = shell(script, "--help", streams=">/dev/full")
    assert done.returncode == 1
    assert done.stderr.startswith(FULL)
    assert done.stderr.count("\n") == 1


def test_list_of_models_to_a_full_device(framework: str) -> None:
    done = shell(f"mnist_{framework}.py", "--list-models", streams=">/dev/full")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert done.stderr.startswith(FULL)


def test_other_scripts_do_their_work_without_stdout(
    train_silently: Callable[[str], Path], workplace: Path, tmp_path: Path
) -> None:
    assert shell("download_mnist.py", "--dataset", "mnist-sample", cwd=tmp_path, streams=">&-").returncode == 0
    assert len(load_dataset("mnist-sample", tmp_path / "mnist_data").test_labels) == 1000

    make_run(tmp_path / "outputs")
    done = shell("visualize_results.py", "--only", "calibration", cwd=tmp_path, streams=">&-")
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "outputs" / "mnist-cnn-pytorch" / "calibration.png").is_file()

    run = train_silently("pytorch")
    words = ["--run", run, "--multiple", "--boxes", tmp_path / "boxes", ROOT / "docs" / "photo.jpg"]
    for streams in (">&-", ">&- 2>&-"):
        done = shell("predict_digit.py", *words, cwd=tmp_path, streams=streams)
        assert (done.returncode, done.stderr) == (0, "")
        (tmp_path / "boxes" / "photo.jpg-boxes.png").unlink()


def test_page_without_streams(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    command = f"exec {sys.executable} {ROOT / 'draw_digit.py'} --port {port} <&- >&- 2>&-"
    with subprocess.Popen(["sh", "-c", command], cwd=tmp_path, env=environment()) as process:
        page = b""
        while process.poll() is None and not page:
            with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=30) as answer:
                page = answer.read()
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) == 130
    assert b"<html" in page


# --- what the terminal cannot show ---


@pytest.mark.parametrize("encoding", NARROW, ids=lambda encoding: next(iter(encoding.values())))
def test_names_that_the_encoding_lacks(
    train_silently: Callable[[str], Path], tmp_path: Path, encoding: dict[str, str]
) -> None:
    name = f"日本é{NO_TEXT}"
    done = shell("download_mnist.py", "--dataset", "mnist-sample", "--data-dir", name, cwd=tmp_path, **encoding)
    assert (done.returncode, done.stderr) == (0, "")
    make_run(tmp_path / name, class_names=[f"日é{digit}" for digit in range(10)], folder=name)
    words = [f"{name}/{name}", "--output-dir", name, "--only", "calibration"]
    done = shell("visualize_results.py", *words, cwd=tmp_path, **encoding)
    assert (done.returncode, done.stderr) == (0, "")

    picture = tmp_path / f"{name}.jpg"
    shutil.copy(ROOT / "docs" / "photo.jpg", picture)
    run = shutil.copytree(train_silently("pytorch"), tmp_path / "run")
    done = shell("predict_digit.py", picture.name, f"no {name}", "--run", run, cwd=tmp_path, **encoding)
    assert (done.returncode, done.stderr.count("\n"), done.stdout.count("\n")) == (1, 1, 1)
    assert done.stderr.startswith("error: ")
    done = shell("predict_digit.py", picture.name, "--run", run, "--json", cwd=tmp_path, **encoding)
    assert os.fsencode(json.loads(done.stdout)[0]["path"]) == os.fsencode(picture.name)


def test_output_folder_whose_name_is_no_text(framework: str, tmp_path: Path) -> None:
    for option in ("--output-dir", "--data-dir", "--init-from"):
        done = shell(f"mnist_{framework}.py", option, NO_TEXT, cwd=tmp_path)
        assert done.returncode == 2
        assert done.stderr == f"error: {option} b? has bytes that are not UTF-8 text; rename it.\n"
        assert list(tmp_path.iterdir()) == []


# --- full disks ---


@pytest.mark.training
def test_each_writer_names_its_file_where_the_disk_is_full(framework: str, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "1m") as disk:
        found, stderr = ask(framework, "full_disk.errors_of_writers", str(disk))
        checkpoint = {"pytorch": "model.pt", "tensorflow": "model.keras"}[framework]
        files = [str(disk / name) for name in (checkpoint, "weights.safetensors", "model.onnx") for _ in range(2)]
        assert found == [[errno.ENOSPC, file] for file in files]
        assert "Exception ignored" not in stderr


@pytest.mark.training
@pytest.mark.parametrize(("size", "what"), [("160k", ".checkpoint' (No"), ("800k", "/model.")])
def test_training_on_a_full_disk(framework: str, workplace: Path, tmp_path: Path, size: str, what: str) -> None:
    with small_disk(tmp_path / "disk", size) as disk:
        words = ["--dataset", "mnist-sample", "--model", "mlp", "--epochs", "1", "--name", "mlp", "--output-dir"]
        done = run_forked(framework, *words, disk, cwd=workplace)
        assert (done.returncode, done.stderr.count("\n")) == (1, 1), done.stderr
        assert done.stderr.startswith("error: ")
        assert f"{disk}/" in done.stderr
        assert what in done.stderr
        assert "No space left on device" in done.stderr
        name = ".mlp.checkpoint"
        assert [entry.name for entry in disk.iterdir()] == ([name] if size == "800k" else [])


@pytest.mark.parametrize(("size", "file"), [("1m", "raw/train-images-idx3-ubyte"), ("5m", "mnist-sample.npz")])
def test_dataset_on_a_full_disk(tmp_path: Path, size: str, file: str) -> None:
    with small_disk(tmp_path / "disk", size) as disk:
        done = shell("download_mnist.py", "--dataset", "mnist-sample", "--data-dir", disk)
        assert done.stderr.startswith(f"{FULL} ({disk / MNIST_SAMPLE.folder / file});"), done.stderr
        assert (done.returncode, done.stderr.count("\n")) == (1, 1)
        assert list(disk.iterdir()) == []


def test_images_on_a_full_disk(workplace: Path, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "1m") as disk:
        words = ["--dataset", "mnist-sample", "--to-images", disk / "images"]
        done = shell("download_mnist.py", *words, cwd=workplace)
        assert done.returncode == 1
        assert done.stderr.startswith(f"{FULL} ({disk / 'images' / 'train'}/")
        assert done.stderr.count("\n") == 1
        assert list(disk.iterdir()) == []


def test_figures_on_a_full_disk(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "2m") as disk:
        make_run(disk)
        free = os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize
        (disk / "filler").write_bytes(bytes(free - 8192))
        words = ["--only", "confusion_matrix", "--format", "png", "svg", "pdf", "--output-dir", disk]
        done = run_forked("figures", *words, cwd=ROOT)
        assert done.returncode == 1
        assert f"error: cannot write '{disk}/mnist-cnn-pytorch/confusion_matrix.png' (No space left" in done.stderr
        assert "Traceback" not in done.stderr
        done = run_forked("figures", *words[:3], "pdf", *words[4:], cwd=ROOT)
        assert f"error: cannot write '{disk}/mnist-cnn-pytorch/confusion_matrix.pdf' (No space left" in done.stderr
        assert [entry.name for entry in (disk / "mnist-cnn-pytorch").glob("*confusion*")] == []
