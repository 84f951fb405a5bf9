"""Whole trainings, and what is odd about some: missing classes, too few images, many images."""

from __future__ import annotations

import os
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np


def train_runs(script: ModuleType, folder: str, commands: list[list[str]]) -> list[str]:
    """Run the script's main in the folder with these options, once for each list of them; return the runs' folders."""
    from digits.training.options import parse_options
    from digits.training.saving import run_path

    os.chdir(folder)
    framework = script.__name__.removeprefix("mnist_")
    paths = []
    for words in commands:
        options = parse_options(script.__doc__, words)
        script.main(options)
        paths.append(str(run_path(options, framework)))
    return paths


def odd_datasets(script: ModuleType, folder: str) -> list[Any]:
    """Return what comes of trainings on the sample without a class, with one image alone, and with none to watch."""
    from dataclasses import replace

    from digits.errors import UserError
    from digits.training.options import Options
    from digits.training.recipe import RECIPES

    os.chdir(folder)
    sample = script.load_dataset("mnist-sample", Path("mnist_data"))

    def trained(recipe: Any, chosen: Any) -> tuple[np.ndarray, list[dict[str, float]]]:
        dataset = replace(sample, train_images=sample.train_images[chosen], train_labels=sample.train_labels[chosen])
        device = script.set_up("cpu", 0)
        model = script.make_model(Options(recipe), 10)
        history = script.train(model, dataset, recipe, device).history
        return script.predict(model, sample.test_images), history

    cnn, deep = RECIPES["cnn"], RECIPES["deep-cnn"]
    probabilities, _ = trained(cnn, sample.train_labels != 3)
    predictions = probabilities.argmax(axis=1)
    missing = {
        "classes": probabilities.shape[1],
        "predicted_3": int(np.sum(predictions == 3)),
        "accuracy": float(np.mean(predictions == sample.test_labels)),
    }
    unwatched = replace(deep, early_stopping=0, reduce_on_plateau=0, keep_best=False, validation_fraction=0.0)
    # 129 images in batches of 128: normalising the last one by itself would fail.
    probabilities, history = trained(replace(unwatched, epochs=1), np.arange(129))
    alone = {"finite": bool(np.isfinite(probabilities).all() and np.isfinite(history[0]["train_loss"]))}
    try:
        trained(replace(deep, epochs=2, validation_fraction=0.01), np.flatnonzero(sample.train_labels == 3)[:1])
        return [missing, alone, "it trained"]
    except UserError as error:
        return [missing, alone, str(error)]


def memory_of_full_size_run(script: ModuleType, folder: str) -> tuple[int, int]:
    """Train on 60,000 images, few steps and a long validation, write the run.

    Return the peak memory before, the images included, and after it, in bytes.
    """
    from dataclasses import replace

    from digits.training.memory import peak_memory
    from digits.training.options import parse_options

    os.chdir(folder)
    options = parse_options(
        script.__doc__,
        ["--dataset", "mnist-sample", "--epochs", "1", "--validation-fraction", "0.95", "--name", "full-size"],
    )
    sample = script.load_dataset(options.dataset, options.data_dir)
    full = replace(
        sample,
        train_images=np.tile(sample.train_images, (15, 1, 1)),
        train_labels=np.tile(sample.train_labels, 15),
        test_images=np.tile(sample.test_images, (10, 1, 1)),
        test_labels=np.tile(sample.test_labels, 10),
    )
    assert len(full.train_images) == 60_000
    script.load_dataset = lambda name, data_dir: full
    before = peak_memory()
    script.main(options)
    return before, peak_memory()
