"""Runs to try readers and figures on, with errors by a seeded model of what is taken for what."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from mnist_twice.data.catalogue import FASHION_MNIST, MNIST
from mnist_twice.data.datasets import fingerprint, load_dataset
from mnist_twice.recipes import run_name
from mnist_twice.recipes.recipe import RECIPES, Recipe
from mnist_twice.runs import HeldOut, Run, read_run, write_run_files, writing_run
from mnist_twice.training.saving import recipe_record
from mnist_twice.training.schedule import learning_rates

DIGITS, FASHION = list(MNIST.class_names), list(FASHION_MNIST.class_names)


def make_run(
    outputs: Path,
    dataset: str = "mnist",
    framework: str = "pytorch",
    *,
    model: str = "cnn",
    seed: int = 0,
    error_rate: float = 0.012,
    class_names: Sequence[str] | None = None,
    labels: np.ndarray | None = None,
    folder: str | None = None,
    recipe: Recipe | None = None,
    losses: np.ndarray | None = None,
    held_out: HeldOut | None = None,
    writers: np.ndarray | None = None,
) -> Path:
    """Write a run into `outputs` as a training script does; return its folder.

    Each class has one or two others that it is mostly mistaken for; `error_rate` is the fraction of all errors.
    labels: the test set's, int64; 100 of each class (our sample's) where None.
    recipe: the model's default where None, with the seed given; losses: what losses.npy holds, if there is to be one;
    held_out: as with --evaluate-on validation; writers: int32 (N, 2), what writers.npy holds, if there is to be one.
    """
    labels = np.repeat(np.arange(10), 100) if labels is None else labels
    class_names = list(class_names or (FASHION if dataset == "fashion-mnist" else DIGITS))
    num_classes = len(class_names)
    rng = np.random.default_rng([seed, num_classes, *f"{dataset}{framework}".encode()])
    likeness = rng.dirichlet(np.full(num_classes, 0.3), num_classes) + 1e-9
    np.fill_diagonal(likeness, 0)
    likeness /= np.maximum(likeness.sum(axis=1, keepdims=True), 1e-300)
    share = error_rate * rng.dirichlet(np.full(num_classes, 2.0)) * num_classes
    predictions = labels.copy()
    if num_classes > 1:
        for i in np.flatnonzero(rng.random(len(labels)) < share[labels]):
            predictions[i] = rng.choice(num_classes, p=likeness[labels[i]])
    # The predicted class gets more than half, so that it is the most probable one.
    rest = rng.dirichlet(np.ones(num_classes), len(labels)) * rng.uniform(0, 0.45, (len(labels), 1))
    rest[np.arange(len(labels)), predictions] += 1 - rest.sum(axis=1)
    recipe = replace(recipe or RECIPES.get(model, Recipe()), seed=seed)
    path = outputs / (folder or run_name(dataset, model, framework, seed, recipe.parity))
    accuracy = float(np.mean(predictions == labels))
    history: list[dict[str, float]] = []
    for epoch in range(1, recipe.epochs + 1):
        rates = learning_rates(recipe, 10, history)
        history.append(
            {
                "epoch": epoch,
                "learning_rate": rates[-1],
                "train_loss": 0.4 / epoch,
                "train_accuracy": accuracy - 0.03 / epoch,
                "validation_loss": 0.3 / epoch,
                "validation_accuracy": accuracy - 0.01 / epoch,
                "seconds": 5.0,
                "images_per_second": 10_800.0,
            }
        )
    info = make_info(dataset, model, framework, seed, class_names, len(labels), accuracy, recipe)
    evaluated: dict[str, Any] = {}
    if held_out:
        evaluated = {"evaluated_on": "validation", "held_out": held_out, "validation": info["test"], "test": None}
    with writing_run(path) as unfinished:
        write_run_files(
            unfinished,
            probabilities=rest.astype(np.float32),
            labels=labels,
            history=history,
            info=info | evaluated,
            writers=writers,
        )
        if losses is not None:
            np.save(unfinished / "losses.npy", losses)
        (unfinished / "weights.safetensors").write_bytes(rng.bytes(1000))
    return path


def add_info(path: Path, **fields: Any) -> Run:
    """Add to the run's run.json, which no hash covers, and return the run."""
    file = path / "run.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **fields}))
    return read_run(path)


def make_sample_run(
    outputs: Path, data_dir: Path, framework: str = "pytorch", seed: int = 0, error_rate: float = 0.08, **options: Any
) -> Run:
    """Write a run on mnist-sample, which must be in data_dir, and return it."""
    sample = load_dataset("mnist-sample", data_dir)
    labels = sample.test_labels.astype(np.int64)
    path = make_run(outputs, "mnist-sample", framework, seed=seed, error_rate=error_rate, labels=labels, **options)
    return add_info(path, dataset_fingerprint=sample.fingerprint)


def make_info(
    dataset: str,
    model: str,
    framework: str,
    seed: int,
    class_names: Sequence[str],
    n: int,
    accuracy: float,
    recipe: Recipe | None = None,
) -> dict[str, Any]:
    """Return what a training script writes into run.json, as far as readers look at it.

    The fingerprint is MNIST's own where the test set has its size, else one made up from dataset and size.
    """
    real = dataset == "mnist" and n == 10_000
    digests = MNIST.sha256 if real else [hashlib.sha256(f"{dataset} {n}".encode()).hexdigest()]
    recipe = recipe or Recipe(seed=seed)
    return {
        "format": 1,
        "name": run_name(dataset, model, framework, seed, recipe.parity),
        "dataset": dataset,
        "dataset_fingerprint": fingerprint(digests),
        "class_names": list(class_names),
        "model": model,
        "framework": framework,
        "seed": seed,
        "recipe": recipe_record(recipe) | {"model": model},
        "command": f"python mnist_{framework}.py --dataset {dataset} --model {model}"
        + (f" --seed {seed}" if seed else ""),
        "versions": {"python": "3.11.7", framework: "1.2.3"},
        "hardware": {"device": "cpu", "processor": "a processor", "cores": 2},
        "parameters": {"trainable": 206_922, "non_trainable": 0},
        "seconds": {"training": 5.0 * recipe.epochs, "total": 5.0 * recipe.epochs + 2.5},
        "validation": None,
        "test": {"n": n, "accuracy": accuracy, "loss": 0.05},
    }
