"""The run that a training leaves: who wrote its images, and on systems that lack what Linux has."""

import builtins
import os
import re
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mnist_twice.data import Dataset, load_dataset
from mnist_twice.data.catalogue import MNIST_SAMPLE
from mnist_twice.data.download import download_dataset
from mnist_twice.evaluation import evaluate_run
from mnist_twice.recipes import Options, Recipe
from mnist_twice.runs import Run, read_run
from mnist_twice.training import NewRun, Progress, split_dataset

N = 600
WRITERS = np.stack([np.arange(N) % 60 + 100, np.arange(N) % 60 % 2 * 4], axis=1).astype(np.int32)
OTHERS = WRITERS + np.array([1000, 0], np.int32)


def untrained(options: Options) -> tuple[Run, str]:
    """Return the run of a guess that is wrong for each seventh image, and the sentence on its outcome."""
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 256, (2, N, 28, 28), np.uint8), rng.integers(0, 10, (2, N)).astype(np.uint8)
    arrays = (images[0], labels[0], images[1], labels[1])
    dataset = Dataset("mnist", *arrays, tuple("0123456789"), "0" * 64, "digits", WRITERS, OTHERS)
    new = NewRun(options, dataset, "pytorch", ["numpy"], time.perf_counter())
    probabilities = np.full((len(new.images), 10), 0.01, np.float32)
    guessed = np.where(np.arange(len(new.labels)) % 7, new.labels, (new.labels + 1) % 10)
    probabilities[np.arange(len(guessed)), guessed] = 0.91
    with new.writing() as folder:
        outcome = new.write_results(folder, {"device": "cpu"}, (1, 0), Progress([], []), probabilities)
    if options.evaluate_on == "validation":
        np.testing.assert_array_equal(read_run(new.path).writers, WRITERS[split_dataset(dataset, options.recipe)[1]])
    return read_run(new.path), outcome


@pytest.mark.parametrize("split", ["random", "writers"])
@pytest.mark.parametrize("evaluate_on", ["test", "validation"])
def test_the_run_holds_who_wrote_what_it_was_evaluated_on(tmp_path: Path, evaluate_on: str, split: str) -> None:
    recipe = Recipe(epochs=0, validation_fraction=0.2, split=split, seed=3)
    run, outcome = untrained(Options(recipe, evaluate_on=evaluate_on, output_dir=tmp_path))
    assert run.writers is not None
    low, high = evaluate_run(run).interval
    assert run.score["writer_interval_95"] == [low, high]
    assert re.search(rf"{evaluate_on} accuracy .* 95 % interval over writers {low:.2%} to {high:.2%}", outcome)
    if evaluate_on == "test":
        np.testing.assert_array_equal(run.writers, OTHERS)
    else:
        assert run.info["held_out"] == {"validation_fraction": 0.2, "split": split, "seed": 3}
        assert (len(np.unique(run.writers[:, 0])) == 12) == (split == "writers")


@pytest.fixture
def windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take away what Windows lacks: fcntl, resource and /proc; and not every user may make links."""
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
    assert len(load_dataset("mnist-sample", tmp_path).test_images) == 1000
    options = Options(Recipe(epochs=0), data_dir=tmp_path / "a b", output_dir=tmp_path)
    for _ in range(2):  # the second replaces the first
        run, _ = untrained(options)
    assert "peak_memory_mb" not in run.info
    assert run.info["hardware"]["device"] == "cpu"
    assert f'--data-dir "{tmp_path / "a b"}"' in run.info["command"]
