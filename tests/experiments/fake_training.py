"""A training script that obeys the options of the real ones, keeps checkpoints and writes a run, in no framework.

Its results follow from the recipe alone. FAKE_EPOCH is how many seconds an epoch takes; with FAKE_FAIL=NAME=VALUE a
training whose recipe has that value fails after its first epoch.
"""

from __future__ import annotations

import math
import os
import sys
import time

import numpy as np

from mnist_twice.data import load_dataset
from mnist_twice.errors import UserError, run_script
from mnist_twice.recipes import Options, Recipe, parse_options
from mnist_twice.training import NewRun, epoch_length, is_over, split_dataset
from mnist_twice.training.weights import write_weights

EPOCH = float(os.environ.get("FAKE_EPOCH", "0.05"))


def loss_after(recipe: Recipe, epoch: int) -> float:
    """Return a loss that is least at a learning rate of 0.003 without dropout."""
    noise = np.random.default_rng([recipe.seed, epoch]).normal() * 0.01
    return float(abs(math.log10(recipe.learning_rate / 0.003)) + recipe.dropout + 1 / epoch + 0.1 + noise)


def main(options: Options) -> None:
    started, recipe = time.perf_counter(), options.recipe
    dataset = load_dataset(options.dataset, options.data_dir)
    run = NewRun(options, dataset, "pytorch", ["numpy"], started)
    progress = run.checkpoint.restore(lambda state: None)
    trained, held_out = split_dataset(dataset, recipe)
    steps = math.ceil(epoch_length(len(trained), recipe.batch_size) / recipe.batch_size)
    print(f"epochs there already: {len(progress.history)}", flush=True)
    while not is_over(recipe, progress.history):
        time.sleep(EPOCH)
        epoch = len(progress.history) + 1
        loss = loss_after(recipe, epoch)
        if recipe.learning_rate > 1e3:
            raise UserError(f"the training diverged: the loss became nan in epoch {epoch}; lower --learning-rate.")
        row = {"epoch": epoch, "learning_rate": recipe.learning_rate, "train_loss": loss, "train_accuracy": 0.5}
        validation = {"validation_loss": loss, "validation_accuracy": math.exp(-loss)} if len(held_out) else {}
        progress.history.append({**row, **validation, "seconds": EPOCH, "images_per_second": 1.0})
        progress.losses += [loss] * steps
        run.checkpoint.write(progress, b"")
        print(f"epoch {epoch}", flush=True)
        name, _, value = os.environ.get("FAKE_FAIL", "").partition("=")
        if name and str(getattr(recipe, name)) == value:
            raise UserError(f"the training failed because {name} is {value}.")
    confidence = math.exp(-progress.history[-1]["train_loss"])
    probabilities = np.full((len(run.labels), 10), (1 - confidence) / 9, np.float32)
    probabilities[np.arange(len(run.labels)), run.labels] = confidence
    with run.writing() as folder:
        write_weights(folder / "weights.safetensors", run.config, {"head.bias": np.zeros(10, np.float32)})
        (folder / "model.bin").write_bytes(bytes(int(os.environ.get("FAKE_BYTES", "1000"))))
        print(run.write_results(folder, {"device": "cpu"}, (0, 0), progress, probabilities))


if __name__ == "__main__":
    sys.exit(run_script(lambda: main(parse_options(__doc__ or ""))))
