"""Every figure: its name, where its file goes, what it is made from, and the function that plots it."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from matplotlib.figure import Figure

from digits.data import Dataset
from digits.evaluation import Comparison, Evaluation
from digits.evaluation.corruptions import CORRUPTIONS
from digits.evaluation.robustness import Robustness
from digits.figures.agreement import plot_agreement, plot_both_wrong, plot_disagreements
from digits.figures.classes import plot_calibration, plot_per_class_accuracy
from digits.figures.comparison import plot_comparison
from digits.figures.confusion import plot_confusion, plot_confusions
from digits.figures.dataset import plot_augmentation, plot_class_distribution, plot_sample_images
from digits.figures.parity import can_show_parity, plot_parity
from digits.figures.predictions import Images, plot_correct_predictions, plot_incorrect_predictions
from digits.figures.robustness import plot_corruptions, plot_robustness
from digits.figures.training import plot_training_curves
from digits.figures.writers import plot_writers
from digits.names import safe_name
from digits.runs import Run


@dataclass(frozen=True)
class FigureSpec:
    """A figure that can be rendered."""

    name: str  # as in --only
    path: Path  # of its file, without an ending
    inputs: tuple[str, ...]  # hashes of all it is made from
    plot: Callable[[], Figure]


def figures_of_run(evaluation: Evaluation, images: Images | None) -> list[FigureSpec]:
    """Return the figures of one run, those that show images only where these are given."""
    run = evaluation.run
    plots: dict[str, Callable[[], Figure]] = {}
    if run.history:
        plots["training_curves"] = partial(plot_training_curves, run)
    plots["confusion_matrix"] = partial(plot_confusion, run)
    plots["per_class_accuracy"] = partial(plot_per_class_accuracy, evaluation)
    plots["calibration"] = partial(plot_calibration, evaluation)
    if images is not None:
        plots["incorrect_predictions"] = partial(plot_incorrect_predictions, evaluation, images)
        plots["correct_predictions"] = partial(plot_correct_predictions, evaluation, images)
    if evaluation.writers is not None:
        plots["writers"] = partial(plot_writers, evaluation, images)
    inputs = (_hash(run), str(images is not None))
    return [FigureSpec(name, run.path / name, inputs, plot) for name, plot in plots.items()]


def figures_of_dataset(dataset: Dataset, folder: Path) -> list[FigureSpec]:
    """Return the figures of a dataset, whose files go into `folder`."""
    plots = {
        "class_distribution": plot_class_distribution,
        "sample_images": plot_sample_images,
        "augmentation": plot_augmentation,
    }
    inputs = (dataset.name, dataset.fingerprint)
    return [FigureSpec(name, folder / name, inputs, partial(plot, dataset)) for name, plot in plots.items()]


def figure_of_comparison(evaluations: Sequence[Evaluation], folder: Path) -> FigureSpec:
    """Return the figure of all runs on one dataset, whose file goes into `folder`."""
    inputs = tuple(_hash(one.run) for one in evaluations)
    return FigureSpec("comparison", folder / "comparison", inputs, partial(plot_comparison, evaluations))


def figures_of_pairs(comparison: Comparison, images: Images | None, folder: Path) -> list[list[FigureSpec]]:
    """Return the figures of each pair, whose files go into `folder`; those with images only where these are given.

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
        plots: dict[str, Callable[[], Figure]] = {}
        if can_show_parity(pair):
            plots["parity"] = partial(plot_parity, pair)
        plots["agreement"] = partial(plot_agreement, pair)
        if images is not None:
            plots["disagreements"] = partial(plot_disagreements, pair, images)
            plots["both_wrong"] = partial(plot_both_wrong, pair, images)
        paths = {name: folder / f"{name}-{model if name == 'parity' else ending}{number}" for name in plots}
        inputs = (_hash(pair.a), _hash(pair.b))
        figures.append([FigureSpec(name, paths[name], inputs, plot) for name, plot in plots.items()])
    return figures


def figures_of_robustness(
    measured: Sequence[tuple[Run, Robustness]], images: Images | None, folder: Path
) -> list[FigureSpec]:
    """Return the figures of the runs that were measured on corrupted images; what these look like only where the
    images are given."""
    if not measured:
        return []
    results = (f"{_hash(run)} {robustness}" for run, robustness in measured)
    specs = [FigureSpec("robustness", folder / "robustness", tuple(results), partial(plot_robustness, measured))]
    if images is not None:
        dataset, few = measured[0][0].dataset, images[: len(CORRUPTIONS)]
        inputs = (dataset, hashlib.sha256(few.tobytes()).hexdigest())
        specs.append(FigureSpec("corruptions", folder / "corruptions", inputs, partial(plot_corruptions, few, dataset)))
    return specs


def figure_of_confusions(runs: Sequence[Run], folder: Path) -> FigureSpec:
    """Return the figure of these runs' errors side by side, whose file goes into `folder`."""
    inputs = tuple(map(_hash, runs))
    return FigureSpec("confusion_matrices", folder / "confusion_matrices", inputs, partial(plot_confusions, runs))


def _hash(run: Run) -> str:
    """Return a hash of all that a run's figures show: run.json (which holds the arrays' hashes) and the run's name."""
    return hashlib.sha256(json.dumps([run.name, run.info], sort_keys=True).encode()).hexdigest()
