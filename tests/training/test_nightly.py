"""What takes long and guards much: kills at random moments, every network in every precision, 60,000 images."""

from __future__ import annotations

import random
import time
from pathlib import Path

import numpy as np
import pytest
from conftest import Train
from frameworks import start_script

from mnist_twice.data.datasets import load_dataset, write_own
from mnist_twice.recipes.model_table import SOURCES
from mnist_twice.runs.run import find_runs, read_run
from mnist_twice.training import history_so_far

pytestmark = pytest.mark.nightly
KILLED = ("--dataset", "tiny", "--epochs", "6", "--augment", "--ema", "0.9", "--keep-best", "--schedule", "cosine")


@pytest.mark.nightly(first=True)
def test_killed_at_random_moments_it_ends_with_the_same_bytes(framework: str, tiny_data: Path, tmp_path: Path) -> None:
    words = (*KILLED, "--data-dir", tiny_data, "--name", "run")
    with start_script(framework, *words, "--output-dir", "whole", cwd=tmp_path) as process:
        assert process.communicate()[1] == ""
    whole = read_run(tmp_path / "whole" / "run")
    outputs = tmp_path / "outputs"
    run = outputs / "run"
    seed = random.randrange(10**6)
    print(f"seed {seed}")
    moments = random.Random(seed)
    for _ in range(4):
        before = len(history_so_far(run))
        with start_script(framework, *words, "--resume", cwd=tmp_path) as process:
            # Killed only where an epoch was won, or this would never end; in the next one, or while the run is written.
            while process.poll() is None and len(history_so_far(run)) == before:
                time.sleep(0.005)
            time.sleep(moments.choice([moments.uniform(0, 0.2), moments.uniform(0, 4)]))
            process.kill()
            process.communicate()
        if run.exists():
            break
        assert find_runs(outputs) == []
    if not run.exists():
        with start_script(framework, *words, "--resume", cwd=tmp_path) as process:
            assert process.communicate()[1] == ""
    for file in ("predictions.npy", "probabilities.npy", "losses.npy", "weights.safetensors"):
        assert (run / file).read_bytes() == (whole.path / file).read_bytes(), file
    losses = [row["validation_loss"] for row in read_run(run).history]
    assert losses == [row["validation_loss"] for row in whole.history]


@pytest.mark.parametrize("model", SOURCES)
def test_every_network_trains_in_every_precision(train: Train, model: str) -> None:
    words = ["--model", model, "--epochs", "1", "--batch-size", "128", "--dropout", "0.1"]
    runs = [train(*words, "--precision", name, "--name", name) for name in ("float32", "bfloat16", "float64")]
    exact, rounded, double = (np.load(run.path / "losses.npy") for run in runs)
    assert np.isfinite([exact, rounded, double]).all()
    assert rounded[0] == pytest.approx(exact[0], rel=0.05)
    assert rounded[0] != exact[0]
    # Another precision draws other first weights.
    assert double[0] == pytest.approx(exact[0], rel=0.3)


def test_memory_on_60_000_images(framework: str, workplace: Path, tmp_path: Path) -> None:
    """Predicting the 57,000 at once would take 2.9 GB for what the first layer gives alone."""
    sample = load_dataset("mnist-sample", workplace / "mnist_data")
    arrays = (sample.train_images, sample.train_labels, sample.test_images, sample.test_labels)
    many = [np.concatenate([array] * times) for array, times in zip(arrays, (15, 15, 10, 10), strict=True)]
    write_own("many", (many[0], many[1], many[2], many[3]), sample.class_names, tmp_path / "mnist_data")
    words = ("--dataset", "many", "--epochs", "1", "--validation-fraction", "0.95", "--name", "run")
    with start_script(framework, *words, cwd=tmp_path) as process:
        assert process.communicate()[1] == ""
    run = read_run(tmp_path / "outputs" / "run")
    assert run.info["validation"]["n"] == 57_000
    assert run.info["peak_memory_mb"] < 2500
