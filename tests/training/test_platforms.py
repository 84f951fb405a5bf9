"""Systems that lack what Linux has: Windows has no fcntl, resource or /proc, and not every user may make links."""

import builtins
import os
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mnist_twice.data import load_dataset
from mnist_twice.data.catalogue import MNIST_SAMPLE
from mnist_twice.data.download import download_dataset
from mnist_twice.recipes import Options, Recipe
from mnist_twice.runs import read_run
from mnist_twice.training import NewRun, Progress


@pytest.fixture
def windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take away what Windows lacks."""
    really_open = builtins.open

    def open_outside_proc(file: Any, *args: Any, **options: Any) -> Any:
        if str(file).startswith("/proc/"):
            raise FileNotFoundError(2, "No such file or directory", str(file))
        return really_open(file, *args, **options)

    def refuse_link(*_: Any, **__: Any) -> None:
        raise OSError(22, "A required privilege is not held by the client")

    monkeypatch.setattr(builtins, "open", open_outside_proc)
    monkeypatch.setattr(os, "symlink", refuse_link)
    for module in ("resource", "fcntl"):
        monkeypatch.setitem(sys.modules, module, None)
    for name in ("sysconf", "sched_getaffinity"):
        monkeypatch.delattr(os, name, raising=False)
    monkeypatch.setattr(sys, "platform", "win32")


@pytest.mark.usefixtures("windows")
def test_a_run_is_written_without_what_windows_lacks(tmp_path: Path) -> None:
    download_dataset(MNIST_SAMPLE, tmp_path)
    dataset = load_dataset("mnist-sample", tmp_path)
    options = replace(Options(Recipe(epochs=0)), dataset=dataset.name, data_dir=tmp_path / "a b", output_dir=tmp_path)
    for _ in range(2):  # the second replaces the first
        run = NewRun(options, dataset, "pytorch", ["numpy"], time.perf_counter())
        with run.writing() as folder:
            probabilities = np.full((len(run.images), 10), 0.1, np.float32)
            run.write_results(folder, "cpu", (1, 0), Progress([], []), probabilities)
    info = read_run(run.path).info
    assert "peak_memory_mb" not in info
    assert info["hardware"]["device"] == "cpu"
    assert f'--data-dir "{tmp_path / "a b"}"' in info["command"]
