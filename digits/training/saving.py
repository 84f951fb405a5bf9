"""The end of a training: judge the test set's probabilities, write the run's neutral files, say what came out."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from digits.data import Dataset, split_indices
from digits.files import write_npy
from digits.machine import hardware, versions
from digits.metrics import cross_entropy, wilson_interval
from digits.runs import FORMAT, LOSSES, RunInfo, run_name, write_run_files
from digits.training.checkpoint import Progress
from digits.training.memory import peak_memory
from digits.training.options import Options, command_line
from digits.training.recipe import Recipe
from digits.training.schedule import best_epoch


@dataclass(frozen=True)
class Training:
    """What one training gave, as the framework's wing hands it over."""

    framework: str  # "pytorch" or "tensorflow"
    script: str
    packages: tuple[str, ...]  # whose versions decide the numbers
    device: str
    parameters: tuple[int, int]  # trainable, not trainable
    progress: Progress
    probabilities: NDArray[np.float32]  # of the test images, (N, classes)
    seconds: float  # since the script began its work, and those of the epochs before it was resumed


def run_path(options: Options, framework: str) -> Path:
    """Return the folder that a training with these options writes its run to."""
    recipe = options.recipe
    return options.output_dir / run_name(options.dataset, recipe.model, framework, recipe.seed, recipe.parity)


def recipe_record(recipe: Recipe) -> dict[str, Any]:
    """Return the recipe as run.json holds it."""
    record: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(recipe)))
    return record


def write_results(folder: Path, options: Options, dataset: Dataset, training: Training) -> str:
    """Write the run's arrays, history.csv and run.json into `folder`; return a sentence on the outcome."""
    labels = dataset.test_labels.astype(np.int64)
    n = len(labels)
    correct = int(np.sum(training.probabilities.argmax(axis=1) == labels))
    low, high = wilson_interval(correct, n)
    history = training.progress.history
    judged = _judged_row(history, options.recipe)
    validated = len(split_indices(dataset.train_labels, options.recipe.validation_fraction, options.recipe.seed)[1])
    training_seconds = sum(row["seconds"] for row in history)
    info: RunInfo = {
        "format": FORMAT,
        "name": run_path(options, training.framework).name,
        "dataset": dataset.name,
        "dataset_fingerprint": dataset.fingerprint,
        "class_names": list(dataset.class_names),
        "model": options.recipe.model,
        "framework": training.framework,
        "seed": options.recipe.seed,
        "recipe": recipe_record(options.recipe),
        "init_from": None if options.init_from is None else options.init_from.resolve().name,
        "new_head": options.new_head,
        "freeze_features": options.freeze_features,
        "command": command_line(training.script, options),
        "versions": versions(training.packages),
        "hardware": hardware(training.device),
        "parameters": dict(zip(("trainable", "non_trainable"), training.parameters, strict=True)),
        "seconds": {"training": round(training_seconds, 3), "total": round(training.seconds, 3)},
        "images_per_second": round(
            sum(row["images_per_second"] * row["seconds"] for row in history) / max(training_seconds, 1e-9), 1
        ),
        "peak_memory_mb": round(peak_memory() / 1e6),
        "validation": {"n": validated, "accuracy": judged["validation_accuracy"], "loss": judged["validation_loss"]}
        if validated and history
        else None,
        "test": {
            "n": n,
            "accuracy": correct / n,
            "loss": cross_entropy(labels, training.probabilities),
            "interval_95": [low, high],
        },
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    write_run_files(folder, probabilities=training.probabilities, labels=labels, history=history, info=info)
    write_npy(folder / LOSSES, np.array(training.progress.losses, np.float64))
    return (
        f"test accuracy {correct / n:.2%} ({correct:,} of {n:,}; 95 % interval {low:.2%} to {high:.2%}), "
        f"training {training_seconds:.1f} s, in all {training.seconds:.1f} s"
    )


def _judged_row(history: Sequence[Mapping[str, float]], recipe: Recipe) -> Mapping[str, float]:
    """Return the row of the epoch whose weights were kept; empty where there was no epoch."""
    if not history:
        return {}
    return history[best_epoch(history) - 1 if recipe.keep_best else -1]
