"""A training on images whose writers are known leaves them in its run, those of the images that it was evaluated on."""

import re
import time
from pathlib import Path

import numpy as np
import pytest

from mnist_twice.data import Dataset
from mnist_twice.evaluation import evaluate_run
from mnist_twice.recipes import Recipe
from mnist_twice.recipes.options import Options
from mnist_twice.runs import read_run
from mnist_twice.training import NewRun, Progress, split_dataset

N = 600
WRITERS = np.stack([np.arange(N) % 60 + 100, np.arange(N) % 60 % 2 * 4], axis=1).astype(np.int32)


@pytest.mark.parametrize("split", ["random", "writers"])
@pytest.mark.parametrize("evaluate_on", ["test", "validation"])
def test_the_run_holds_who_wrote_what_it_was_evaluated_on(tmp_path: Path, evaluate_on: str, split: str) -> None:
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 256, (2, N, 28, 28), np.uint8), rng.integers(0, 10, (2, N)).astype(np.uint8)
    others = WRITERS + np.array([1000, 0], np.int32)
    arrays = (images[0], labels[0], images[1], labels[1])
    dataset = Dataset("mnist", *arrays, tuple("0123456789"), "0" * 64, WRITERS, others)
    recipe = Recipe(epochs=0, validation_fraction=0.2, split=split, seed=3)
    options = Options(recipe, evaluate_on=evaluate_on, output_dir=tmp_path)
    new = NewRun(options, dataset, "pytorch", ["numpy"], time.perf_counter())
    probabilities = np.full((len(new.images), 10), 0.01, np.float32)
    guessed = np.where(np.arange(len(new.labels)) % 7, new.labels, (new.labels + 1) % 10)
    probabilities[np.arange(len(guessed)), guessed] = 0.91
    with new.writing() as folder:
        outcome = new.write_results(folder, "cpu", (1, 0), Progress([], []), probabilities)
    run = read_run(new.path)
    expected = others if evaluate_on == "test" else WRITERS[split_dataset(dataset, recipe)[1]]
    assert run.writers is not None
    np.testing.assert_array_equal(run.writers, expected)
    low, high = evaluate_run(run).interval
    assert run.score["writer_interval_95"] == [low, high]
    assert re.search(rf"{evaluate_on} accuracy .* 95 % interval over writers {low:.2%} to {high:.2%}", outcome)
    if evaluate_on == "validation":
        assert run.info["held_out"] == {"validation_fraction": 0.2, "split": split, "seed": 3}
        assert (len(np.unique(expected[:, 0])) == 12) == (split == "writers")
