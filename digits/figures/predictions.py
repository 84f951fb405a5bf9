"""Test images with what the network made of them: right answers from sure to unsure, and the errors, surest first."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from digits.evaluation import Evaluation
from digits.figures.image_grid import CELL, Captioned, grid_height, plot_grid
from digits.figures.style import INK, MARGIN, PALE_INK, RED, figure_style, percent, run_title, start_figure
from digits.runs import Run

COLUMNS, MOST = 10, 40
WIDTH = COLUMNS * CELL + 2 * MARGIN

Images = NDArray[np.uint8]


def plot_incorrect_predictions(evaluation: Evaluation, images: Images) -> Figure:
    """Return the errors of which the network was surest, at most 40, labels that are known to be wrong marked.

    images: the test images, uint8 (N, 28, 28), in the order of the run's labels.
    """
    run, errors = evaluation.run, evaluation.errors
    known = set(evaluation.known_label_errors.tolist())
    shown = errors[:MOST].tolist()
    cells = [Captioned(images[index], _error_lines(run, index, index in known), index in known) for index in shown]
    title = f"{len(errors):,} of {evaluation.n:,} images misread" + (
        f", the surest error with a probability of {chance(float(run.probabilities[shown[0]].max()))}" if shown else ""
    )
    explanation = "Under each image, in red what it was taken for and how surely, then the label." if shown else ""
    if len(shown) < len(errors):
        explanation = f"The {len(shown)} most confident errors. {explanation}"
    if known and evaluation.accuracy_without_known_errors is not None:
        among = len(known & set(errors.tolist()))
        explanation += (
            f" Red frames: the label itself is known to be wrong (Northcutt et al. 2021), as in {among} of all errors; "
            f"without the {len(known)} images of that kind the accuracy is "
            f"{percent(evaluation.accuracy_without_known_errors)}, with them {percent(evaluation.accuracy)}."
        )
    return _draw_page(title, run_title(run), explanation, cells)


def plot_correct_predictions(evaluation: Evaluation, images: Images) -> Figure:
    """Return right answers: for each class from the surest to the least sure; of many classes a selection.

    images: as for the errors.
    """
    run = evaluation.run
    right = np.flatnonzero(run.predictions == run.labels)
    confidence = run.probabilities[right].max(axis=1)
    cells = [
        Captioned(
            images[index],
            [(run.class_names[run.labels[index]], INK), (chance(float(run.probabilities[index].max())), PALE_INK)],
        )
        for index in _from_sure_to_unsure(run, right)
    ]
    title = f"{len(right):,} of {evaluation.n:,} right" + (
        f", half of them with a probability above {chance(float(np.median(confidence)))}" if len(right) else ""
    )
    explanation = (
        "A column for each class: the surest right answer on top, the least sure at the bottom, two between."
        if len(run.class_names) <= COLUMNS
        else "Right answers, from the surest to the least sure."
    )
    return _draw_page(title, run_title(run), explanation if cells else "", cells)


def chance(probability: float) -> str:
    """Return a probability in per cent with as many digits as tell it from 100 %: '98.1 %', '99.97 %'."""
    if probability >= 0.99995:
        return ">99.99 %"
    return percent(probability, 2 if probability >= 0.999 else 1)


def _error_lines(run: Run, index: int, known: bool) -> list[tuple[str, str]]:
    names = run.class_names
    probability = float(run.probabilities[index].max())
    predicted, true = names[run.predictions[index]], names[run.labels[index]]
    sure = f"{100 * min(probability, 0.9999):.{2 if probability >= 0.999 else 1}f} %"
    if max(len(name) for name in names) <= 2:
        return [(f"{predicted}  {sure}", RED), (f"label {true}" + (" ✗" if known else ""), INK)]
    return [(predicted, RED), (sure, RED), (true, INK)]


def _from_sure_to_unsure(run: Run, right: NDArray[np.int64]) -> list[int]:
    """Return at most 40 of the right answers, in the order of a grid of 10 columns."""
    ordered = right[np.argsort(-run.probabilities[right].max(axis=1), kind="stable")]
    num_classes = len(run.class_names)
    if num_classes > COLUMNS:
        return [int(i) for i in ordered[_spread(len(ordered), MOST)]]
    columns = [ordered[run.labels[ordered] == label] for label in range(num_classes)]
    columns = [column[_spread(len(column), MOST // COLUMNS)] for column in columns if len(column)]
    rows = max((len(column) for column in columns), default=0)
    return [int(column[row]) for row in range(rows) for column in columns if row < len(column)]


def _spread(n: int, most: int) -> NDArray[np.int64]:
    """Return at most `most` places of 0..n-1, evenly spread, the first and the last among them."""
    return np.unique(np.linspace(0, max(n - 1, 0), min(n, most)).round().astype(np.int64))


def _draw_page(title: str, subject: str, explanation: str, cells: list[Captioned]) -> Figure:
    with figure_style():
        figure, top = start_figure(title, subject, explanation, WIDTH, max(grid_height(cells, COLUMNS), 0.0))
        plot_grid(figure, MARGIN, top, cells, COLUMNS)
    return figure
