"""Images with their predictions: correct ones from confident to doubtful, and errors, the most confident first."""

from itertools import zip_longest

import numpy as np
from numpy.typing import NDArray

from mnist_twice.evaluation import Evaluation
from mnist_twice.figures.image_grid import COLUMNS, Captioned, Images, plot_image_page
from mnist_twice.figures.page import Page
from mnist_twice.figures.style import INK, PALE_INK, RED, WIDE
from mnist_twice.figures.text import class_labels, run_title
from mnist_twice.names import percent
from mnist_twice.runs import Run

MOST = 40
DISPUTED = "Red frames: the label is disputed (Northcutt et al. 2021)."


def plot_incorrect_predictions(evaluation: Evaluation, images: Images | None, width: float = WIDE) -> Page | None:
    """Return the most confident errors, at most 40; disputed labels are marked."""
    if images is None:
        return None
    run, errors = evaluation.run, evaluation.errors
    disputed = set(evaluation.disputed_labels.tolist())
    shown = errors[:MOST].tolist()
    cells = [
        Captioned(images[index], _error_lines(run, index, index in disputed), index in disputed) for index in shown
    ]
    title = f"{len(errors):,} of {evaluation.n:,} {run.evaluated_on} images misclassified" + (
        f", the most confident error with a probability of {chance(float(run.probabilities[shown[0]].max()))}"
        if shown
        else ""
    )
    explanation = f"Shown: the {len(shown)} most confident errors." if len(shown) < len(errors) else ""
    reading = "Below each image: the predicted class and its probability in red, then the label." if shown else ""
    if disputed and evaluation.accuracy_without_disputed is not None:
        among = len(disputed & set(errors.tolist()))
        reading += f" {DISPUTED}"
        explanation += (
            f" The label of {among} of all {len(errors):,} is disputed. Accuracy without the {len(disputed)} "
            f"test images with such labels: {percent(evaluation.accuracy_without_disputed)}; with them: "
            f"{percent(evaluation.accuracy)}."
        )
    return plot_image_page(title, run_title(run), explanation.strip(), reading, cells, width)


def plot_correct_predictions(evaluation: Evaluation, images: Images | None, width: float = WIDE) -> Page | None:
    """Return correct predictions, for each class from the most to the least confident; of many classes a selection."""
    if images is None:
        return None
    run, names = evaluation.run, class_labels(evaluation.run.class_names)
    right = np.flatnonzero(run.right)
    confidence = run.probabilities.max(axis=1)
    ordered = right[np.argsort(-confidence[right], kind="stable")]
    cells = [
        Captioned(images[i], [(names[run.labels[i]], INK), (chance(float(confidence[i])), PALE_INK)])
        for i in _selection(ordered, run.labels, len(names), by_row=width != WIDE)
    ]
    title = f"{len(right):,} of {evaluation.n:,} {run.evaluated_on} images classified correctly"
    reading = ""
    if cells:
        title += f", half of them with a probability above {chance(float(np.median(confidence[right])))}"
        reading = (
            "One column per class (on a phone, one row), from the most confident correct prediction to the least "
            "confident."
            if len(names) <= COLUMNS
            else "Correct predictions, from the most to the least confident."
        )
    return plot_image_page(title, run_title(run), "", reading, cells, width)


def chance(probability: float) -> str:
    """Return a probability in per cent with as many digits as distinguish it from 100 %: '98.1 %', '99.97 %'."""
    if probability >= 0.99995:
        return ">99.99 %"
    return percent(probability, 2 if probability >= 0.999 else 1)


def _error_lines(run: Run, index: int, disputed: bool) -> list[tuple[str, str]]:
    names = class_labels(run.class_names)
    probability = min(float(run.probabilities[index].max()), 0.9999)  # '>' would not fit
    predicted, true = names[run.predictions[index]], names[run.labels[index]]
    if max(len(name) for name in names) <= 2:
        return [(f"{predicted} ({chance(probability)})", RED), (f"label {true}" + (" ?" if disputed else ""), INK)]
    return [(predicted, RED), (chance(probability), RED), (true, INK)]


def _selection(ordered: NDArray[np.int64], labels: NDArray[np.int64], num_classes: int, by_row: bool) -> list[int]:
    """Return at most 40 of the indices: of up to 10 classes four of each, in a column or else a row for each."""
    if num_classes > COLUMNS:
        return [int(i) for i in ordered[_spread(len(ordered), MOST)]]
    columns = [ordered[labels[ordered] == label] for label in range(num_classes)]
    columns = [column[_spread(len(column), MOST // COLUMNS)] for column in columns if len(column)]
    return [int(i) for line in (columns if by_row else zip_longest(*columns)) for i in line if i is not None]


def _spread(n: int, most: int) -> NDArray[np.int64]:
    """Return at most `most` indices of 0..n-1, evenly spread, the first and the last among them."""
    return np.unique(np.linspace(0, max(n - 1, 0), min(n, most)).round().astype(np.int64))
