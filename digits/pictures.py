"""Every figure there is: its name, where it goes, what it is made from, and the function that draws it."""

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

from digits.agreement_figures import draw_agreement, draw_both_wrong, draw_disagreements
from digits.class_figures import draw_calibration, draw_per_class_accuracy
from digits.comparison import PairComparison
from digits.comparison_figures import draw_comparison
from digits.confusion_figures import draw_confusion, draw_confusions
from digits.dataset_figures import draw_augmentation, draw_class_distribution, draw_sample_images
from digits.datasets import Dataset
from digits.judge import Judgement
from digits.parity_figure import can_show_parity, draw_parity
from digits.prediction_figures import draw_correct_predictions, draw_incorrect_predictions
from digits.runs import Run
from digits.training_figure import draw_training_curves


@dataclass(frozen=True)
class Picture:
    """A figure to be."""

    name: str  # as in --only
    path: Path  # without an ending
    inputs: tuple[str, ...]  # hashes of all it is made from
    draw: Callable[[], Figure]


def run_pictures(judgement: Judgement, dataset: Dataset | None) -> list[Picture]:
    """Return the figures of one run, those that show images only where its dataset is given."""
    run = judgement.run
    draws: dict[str, Callable[[], Figure]] = {}
    if run.history:
        draws["training_curves"] = partial(draw_training_curves, run)
    draws["confusion_matrix"] = partial(draw_confusion, run)
    draws["per_class_accuracy"] = partial(draw_per_class_accuracy, judgement)
    draws["calibration"] = partial(draw_calibration, judgement)
    if dataset is not None:
        draws["incorrect_predictions"] = partial(draw_incorrect_predictions, judgement, dataset.test_images)
        draws["correct_predictions"] = partial(draw_correct_predictions, judgement, dataset.test_images)
    return [Picture(name, run.path / name, (run_hash(run),), draw) for name, draw in draws.items()]


def dataset_pictures(dataset: Dataset, folder: Path) -> list[Picture]:
    """Return the figures of a dataset, to lie in `folder`."""
    draws = {
        "class_distribution": draw_class_distribution,
        "sample_images": draw_sample_images,
        "augmentation": draw_augmentation,
    }
    inputs = (dataset.name, dataset.fingerprint)
    return [Picture(name, folder / name, inputs, partial(draw, dataset)) for name, draw in draws.items()]


def comparison_picture(judgements: Sequence[Judgement], folder: Path) -> Picture:
    """Return the figure of all runs on one dataset, to lie in `folder`."""
    inputs = tuple(run_hash(one.run) for one in judgements)
    return Picture("comparison", folder / "comparison", inputs, partial(draw_comparison, judgements))


def pair_pictures(pairs: Sequence[PairComparison], dataset: Dataset | None, folder: Path) -> list[list[Picture]]:
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
        draws: dict[str, Callable[[], Figure]] = {"agreement": partial(draw_agreement, pair)}
        if dataset is not None:
            draws["disagreements"] = partial(draw_disagreements, pair, dataset.test_images)
            draws["both_wrong"] = partial(draw_both_wrong, pair, dataset.test_images)
        inputs = (run_hash(pair.a), run_hash(pair.b))
        group = [Picture(name, folder / f"{name}-{ending}{number}", inputs, draw) for name, draw in draws.items()]
        if can_show_parity(pair):
            draw = partial(draw_parity, pair)
            group.insert(0, Picture("parity", folder / f"parity-{model}{number}", inputs, draw))
        pictures.append(group)
    return pictures


def overview_picture(runs: Sequence[Run], outputs: Path) -> Picture:
    """Return the figure of all runs' errors side by side."""
    inputs = tuple(run_hash(run) for run in runs)
    return Picture("confusion_matrices", outputs / "confusion_matrices", inputs, partial(draw_confusions, runs))


def run_hash(run: Run) -> str:
    """Return a hash of all that a run's figures show: run.json (which holds the arrays' hashes) and the run's name."""
    return hashlib.sha256(json.dumps([run.name, run.info], sort_keys=True).encode()).hexdigest()


def safe_name(text: str) -> str:
    """Return the text as part of a file's name: run.json may say anything, '../..' too."""
    return re.sub(r"[^A-Za-z0-9._-]", "_", text)[:60].lstrip(".") or "_"
