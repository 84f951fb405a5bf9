"""Whose images are misclassified: the errors of each writer, and the images of the ten with the most."""

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from digits.data import SERIES
from digits.evaluation import Evaluation, WriterScores
from digits.figures.image_grid import CELL, COLUMNS, Captioned, grid_height, plot_grid
from digits.figures.page import add_axes, add_text, new_figure
from digits.figures.style import BLUE, GREY, MARGIN, ORANGE, PALE_INK, RED, SMALL_SIZE, tidy_axes
from digits.figures.text import fit_text, run_title
from digits.names import percent
from digits.runs import Run

MOST_BARS = 300
WORST = 10
IMAGES = COLUMNS // 2  # of a writer: two writers stand side by side
CHART, LABELS, HEADING, GAP = 1.9, 0.75, 0.28, 0.3  # inches
READING = (
    "Below: misclassified images of the writers with the most errors in red frames, the most confident first, as class "
    "and what it was taken for; where there are fewer, correct ones follow."
)
COLOURS = dict(zip(SERIES, (BLUE, ORANGE), strict=True))


def plot_writers(evaluation: Evaluation, images: NDArray[np.uint8] | None) -> Figure:
    """Return the errors of each writer, most first, and images of the worst ten where `images` are given.

    evaluation: of a run that records its writers; images: those it was evaluated on, uint8 (N, 28, 28).
    """
    scores, run = evaluation.writers, evaluation.run
    if scores is None or run.writers is None:
        raise ValueError(f"'{run.name}' does not record who wrote its images")
    worst = scores.numbers[:WORST][scores.errors[:WORST] > 0].tolist() if images is not None else []
    cells = [_cells_of(run, number, images) for number in worst if images is not None]
    panel = HEADING + max((grid_height(one, IMAGES) for one in cells), default=0) + 0.15
    below = -(-len(cells) // 2) * panel
    width = COLUMNS * CELL + GAP + 2 * MARGIN
    words, size = (_title(scores), run_title(run), _explanation(evaluation, scores)), (width, CHART + LABELS + below)
    with new_figure(*words, *size, READING if cells else "") as (figure, top):
        _plot_errors(figure, scores, run, (MARGIN + 0.45, top, width - 2 * MARGIN - 0.5, CHART))
        for place, (number, grid) in enumerate(zip(worst, cells, strict=True)):
            left = MARGIN + place % 2 * (IMAGES * CELL + GAP)
            row = top + CHART + LABELS + place // 2 * panel
            series = SERIES.get(_series_of(run, number), f"series {_series_of(run, number)}")
            heading = f"Writer {number} ({series}): {scores.errors[place]:,} of {scores.images[place]:,} wrong"
            add_text(figure, left + 0.08, row, fit_text(heading, SMALL_SIZE, IMAGES * CELL - 0.2), size=SMALL_SIZE)
            plot_grid(figure, left, row + HEADING, grid, IMAGES)
    return figure


def _title(scores: WriterScores) -> str:
    if not scores.errors.any():
        return f"No image of {len(scores.numbers):,} writers misclassified"
    return (
        f"{percent(scores.without_error, 0)} of {len(scores.numbers):,} writers without an error; {WORST} writers have "
        f"{percent(scores.share_of_worst(WORST), 0)} of all errors"
    )


def _explanation(evaluation: Evaluation, scores: WriterScores) -> str:
    series = " and ".join(f"{percent(one.accuracy)} for {one.name}" for one in scores.series)
    text = f"Accuracy {series}."
    if scores.bootstrap:
        text += (
            f" Images of one writer are right or wrong together: the standard error of the accuracy, "
            f"{100 * scores.bootstrap.standard_error:.3f} percentage points, is "
            f"{scores.bootstrap.design_effect**0.5:.2f} times that of {evaluation.n:,} independent images."
        )
    return text


def _plot_errors(figure: Figure, scores: WriterScores, run: Run, place: tuple[float, float, float, float]) -> None:
    """Plot a bar for each writer with errors, coloured by series."""
    axes = add_axes(figure, *place)
    count = min(int((scores.errors > 0).sum()), MOST_BARS)
    heights = scores.errors[:count]
    series = [_series_of(run, number) for number in scores.numbers[:count].tolist()]
    axes.bar(range(count), heights, width=0.8, color=[COLOURS.get(number, GREY) for number in series], clip_on=False)
    for line, (number, colour) in enumerate(COLOURS.items()):
        of = sum(one.writers for one in scores.series if one.name == SERIES[number])
        text = f"{SERIES[number]}: {series.count(number):,} of {of:,} writers with errors"
        axes.text(
            0.99,
            0.92 - 0.16 * line,
            text,
            color=colour,
            transform=axes.transAxes,
            ha="right",
            va="top",
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 2},  # over the grid's lines
        )
    axes.set(xlim=(-1, max(count, 10)), ylim=(0, 1.08 * max([1, *heights])), ylabel="Errors")
    axes.set(xlabel=f"The {count:,} writers with errors" if count else "No writer with errors")
    axes.set_xticks([])
    axes.locator_params(axis="y", integer=True)
    tidy_axes(axes, "y")


def _series_of(run: Run, writer: int) -> int:
    assert run.writers is not None
    return int(run.writers[run.writers[:, 0] == writer, 1][0])


def _cells_of(run: Run, writer: int, images: NDArray[np.uint8]) -> list[Captioned]:
    """Return IMAGES of the writer's images: errors, the most confident first, then correct ones."""
    assert run.writers is not None
    indices = np.flatnonzero(run.writers[:, 0] == writer)
    order = np.lexsort((-run.probabilities[indices].max(axis=1), run.right[indices]))
    cells = []
    for index in indices[order][:IMAGES].tolist():
        true, predicted = (run.class_names[classes[index]] for classes in (run.labels, run.predictions))
        wrong = not run.right[index]
        lines = [(f"{true} as {predicted}", RED)] if wrong else [(true, PALE_INK)]
        cells.append(Captioned(images[index], lines, wrong))
    return cells
