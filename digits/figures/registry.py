"""Every figure there is: its name, where it goes, what it is made from, and the function that plots it."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from matplotlib.figure import Figure

from digits.data import Dataset
from digits.evaluation import Evaluation, PairComparison
from digits.figures.agreement import plot_agreement, plot_both_wrong, plot_disagreements
from digits.figures.classes import plot_calibration, plot_per_class_accuracy
from digits.figures.comparison import plot_comparison
from digits.figures.confusion import plot_confusion, plot_confusions
from digits.figures.dataset import plot_augmentation, plot_class_distribution, plot_sample_images
from digits.figures.parity import can_show_parity, plot_parity
from digits.figures.predictions import plot_correct_predictions, plot_incorrect_predictions
from digits.figures.training import plot_training_curves
from digits.runs import Run


@dataclass(frozen=True)
class FigureSpec:
    """A figure to be."""

    name: str  # as in --only
    path: Path  # without an ending
    inputs: tuple[str, ...]  # hashes of all it is made from
    plot: Callable[[], Figure]


def figures_of_run(evaluation: Evaluation, dataset: Dataset | None) -> list[FigureSpec]:
    """Return the figures of one run, those that show images only where its dataset is given."""
    run = evaluation.run
    plots: dict[str, Callable[[], Figure]] = {}
    if run.history:
        plots["training_curves"] = partial(plot_training_curves, run)
    plots["confusion_matrix"] = partial(plot_confusion, run)
    plots["per_class_accuracy"] = partial(plot_per_class_accuracy, evaluation)
    plots["calibration"] = partial(plot_calibration, evaluation)
    if dataset is not None:
        plots["incorrect_predictions"] = partial(plot_incorrect_predictions, evaluation, dataset.test_images)
        plots["correct_predictions"] = partial(plot_correct_predictions, evaluation, dataset.test_images)
    return [FigureSpec(name, run.path / name, (run_hash(run),), plot) for name, plot in plots.items()]


def figures_of_dataset(dataset: Dataset, folder: Path) -> list[FigureSpec]:
    """Return the figures of a dataset, to lie in `folder`."""
    plots = {
        "class_distribution": plot_class_distribution,
        "sample_images": plot_sample_images,
        "augmentation": plot_augmentation,
    }
    inputs = (dataset.name, dataset.fingerprint)
    return [FigureSpec(name, folder / name, inputs, partial(plot, dataset)) for name, plot in plots.items()]


def figure_of_comparison(evaluations: Sequence[Evaluation], folder: Path) -> FigureSpec:
    """Return the figure of all runs on one dataset, to lie in `folder`."""
    inputs = tuple(run_hash(one.run) for one in evaluations)
    return FigureSpec("comparison", folder / "comparison", inputs, partial(plot_comparison, evaluations))


def figures_of_pairs(pairs: Sequence[PairComparison], dataset: Dataset | None, folder: Path) -> list[list[FigureSpec]]:
    """Return the figures of each pair of a dataset, to lie in `folder`; those with images only where it is given.

    Their files' names carry the model's, the seed where it is not 0, and '-parity' where that is what they were
    trained for.
    """
    pictures = []
    taken: Counter[str] = Counter()
    for pair in pairs:
        model = safe_name(pair.a.model + (f"-s{pair.a.seed}" if pair.a.seed else ""))
        ending = f"{model}-parity" if pair.a.parity and pair.b.parity else model
        taken[ending] += 1
        number = f"-{taken[ending]}" if taken[ending] > 1 else ""
        plots: dict[str, Callable[[], Figure]] = {"agreement": partial(plot_agreement, pair)}
        if dataset is not None:
            plots["disagreements"] = partial(plot_disagreements, pair, dataset.test_images)
            plots["both_wrong"] = partial(plot_both_wrong, pair, dataset.test_images)
        inputs = (run_hash(pair.a), run_hash(pair.b))
        group = [FigureSpec(name, folder / f"{name}-{ending}{number}", inputs, plot) for name, plot in plots.items()]
        if can_show_parity(pair):
            plot = partial(plot_parity, pair)
            group.insert(0, FigureSpec("parity", folder / f"parity-{model}{number}", inputs, plot))
        pictures.append(group)
    return pictures


def figure_of_all_runs(runs: Sequence[Run], outputs: Path) -> FigureSpec:
    """Return the figure of all runs' errors side by side."""
    inputs = tuple(run_hash(run) for run in runs)
    return FigureSpec("confusion_matrices", outputs / "confusion_matrices", inputs, partial(plot_confusions, runs))


def run_hash(run: Run) -> str:
    """Return a hash of all that a run's figures show: run.json (which holds the arrays' hashes) and the run's name."""
    return hashlib.sha256(json.dumps([run.name, run.info], sort_keys=True).encode()).hexdigest()


def safe_name(text: str) -> str:
    """Return the text as part of a file's name: run.json may say anything, '../..' too."""
    return re.sub(r"[^A-Za-z0-9._-]", "_", text)[:60].lstrip(".") or "_"
