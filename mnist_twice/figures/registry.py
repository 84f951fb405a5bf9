"""Every figure: its name, where its file goes, what it is made from, and the function that plots it.

A new figure is a module with a function, and a line in one of the tables below. The function returns a figure as wide
as it is told (style.WIDE or style.NARROW), or None where there is nothing to show.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache, partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from mnist_twice.evaluation import Comparison
from mnist_twice.figures.agreement import plot_agreement, plot_both_wrong, plot_disagreements
from mnist_twice.figures.classes import plot_calibration, plot_per_class_accuracy
from mnist_twice.figures.comparison import plot_comparison
from mnist_twice.figures.confusion import plot_confusion, plot_confusions
from mnist_twice.figures.dataset import plot_augmentation, plot_class_distribution, plot_sample_images
from mnist_twice.figures.image_grid import Images
from mnist_twice.figures.page import Page
from mnist_twice.figures.parity import plot_parity
from mnist_twice.figures.predictions import plot_correct_predictions, plot_incorrect_predictions
from mnist_twice.figures.robustness import plot_corruptions, plot_robustness
from mnist_twice.figures.text import class_labels
from mnist_twice.figures.training import plot_training_curves
from mnist_twice.figures.writers import plot_writers
from mnist_twice.names import safe_name
from mnist_twice.runs import Run

Plots = dict[str, Callable[..., Page | None]]
"""The name of a figure, as in --only, and the function that plots it."""

OF_RUN: Plots = {  # plot(evaluation, images, width); images: None where the dataset is not at hand, as everywhere
    "training_curves": plot_training_curves,
    "confusion_matrix": plot_confusion,
    "per_class_accuracy": plot_per_class_accuracy,
    "calibration": plot_calibration,
    "incorrect_predictions": plot_incorrect_predictions,
    "correct_predictions": plot_correct_predictions,
    "writers": plot_writers,
}
OF_DATASET: Plots = {  # plot(dataset, width)
    "class_distribution": plot_class_distribution,
    "sample_images": plot_sample_images,
    "augmentation": plot_augmentation,
}
OF_RUNS: Plots = {"comparison": plot_comparison}  # plot(evaluations, width)
SIDE_BY_SIDE: Plots = {"confusion_matrices": plot_confusions}  # the same; of the runs on all datasets, too
OF_MEASURED: Plots = {"robustness": plot_robustness, "corruptions": plot_corruptions}  # plot(measured, images, width)
PARITY: Plots = {"parity": plot_parity}  # plot(pair, width)
OF_PAIR: Plots = {  # plot(pair, images, width)
    "agreement": plot_agreement,
    "disagreements": plot_disagreements,
    "both_wrong": plot_both_wrong,
}
FIGURES = tuple(OF_RUN | OF_DATASET | OF_RUNS | SIDE_BY_SIDE | OF_MEASURED | PARITY | OF_PAIR)


@dataclass(frozen=True)
class FigureSpec:
    """A figure that can be rendered."""

    name: str  # as in --only
    path: Path  # of its file, without an ending
    key: str  # a hash of all it is made from: while its files hold it, they need no rendering
    plot: Callable[[float], Page | None]  # as wide as that, in inches


def specs(plots: Plots, folder: Path, inputs: Iterable[object], *arguments: Any, ending: str = "") -> list[FigureSpec]:
    """Return the figures of one table, plotted from `arguments`, whose files go into `folder`.

    inputs: all that they show: runs, and texts on what else they are made from; ending: of the names of files.
    """
    hashes = [_hash(one) if isinstance(one, Run) else str(one) for one in inputs]
    return [
        FigureSpec(name, folder / f"{name}{ending}", key, partial(plot, *arguments))
        for name, plot in plots.items()
        for key in [_hash_json([name, *hashes, _hash_code()])]
    ]


def figures_of_pairs(comparison: Comparison, images: Images | None, folder: Path) -> list[list[FigureSpec]]:
    """Return the figures of each pair, whose files go into `folder`.

    The names of the files end in the model's, the seed where it is not 0, and '-parity' where both were trained for it;
    of a pair that was asked for, in the names of both runs.
    """
    figures = []
    taken: Counter[str] = Counter()
    for pair in comparison.pairs:
        model = safe_name(pair.a.model + (f"-s{pair.a.seed}" if pair.a.seed else ""))
        ending = f"{model}-parity" if pair.a.parity and pair.b.parity else model
        if comparison.chosen:
            model = ending = f"{safe_name(pair.a.name)}-and-{safe_name(pair.b.name)}"
        taken[ending] += 1
        number = f"-{taken[ending]}" if taken[ending] > 1 else ""
        inputs = (pair.a, pair.b, images is not None)
        figures.append(
            specs(PARITY, folder, inputs, pair, ending=f"-{model}{number}")
            + specs(OF_PAIR, folder, inputs, pair, images, ending=f"-{ending}{number}")
        )
    return figures


def _hash(run: Run) -> str:
    """Return a hash of all that a run's figures show: run.json (which holds the arrays' hashes), the run's name, and
    what figures call its classes."""
    return _hash_json([run.name, run.info, class_labels(run.class_names)])


def _hash_json(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


@cache
def _hash_code() -> str:
    """Return a hash of all our modules (a list of those that plot would one day miss one), and of the libraries that
    make pixels of figures."""
    digest = hashlib.sha256(" ".join(version(name) for name in ("matplotlib", "numpy", "seaborn")).encode())
    for file in sorted(Path(__file__).parents[1].rglob("*.py")):
        digest.update(file.read_bytes())
    return digest.hexdigest()
