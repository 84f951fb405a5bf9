"""Whose images are misclassified: the errors of each writer, and the images of the ten with the most."""

import numpy as np
from matplotlib.axes import Axes

from mnist_twice.data import SERIES
from mnist_twice.evaluation import Evaluation, WriterScores
from mnist_twice.figures.image_grid import CELL, COLUMNS, Captioned, Images, grid_height, plot_grid
from mnist_twice.figures.page import Page, new_figure
from mnist_twice.figures.style import BLUE, GREY, ORANGE, PALE_INK, RED, SMALL_SIZE, WIDE, tidy_axes
from mnist_twice.figures.text import class_labels, fit_text, run_title
from mnist_twice.names import percent
from mnist_twice.runs import Run

MOST_BARS = 300
WORST = 10
READING = (
    "Below: images of the writers with the most errors, misclassified ones first, in red frames, the most confident "
    "before the others; '4 as 9' is a 4 taken for a 9."
)
COLOURS = dict(zip(SERIES, (BLUE, ORANGE), strict=True))


def plot_writers(evaluation: Evaluation, images: Images | None, width: float = WIDE) -> Page | None:
    """Return the errors of each writer, most first, and images of the worst ten where `images` are given.

    None of a run that does not record its writers.
    """
    scores, run = evaluation.writers, evaluation.run
    if scores is None or run.writers is None:
        return None
    series_of = dict(run.writers.tolist())  # by writer
    columns, number = (2, COLUMNS // 2) if width == WIDE else (1, 4)  # of writers; of images of each
    worst = scores.numbers[:WORST][scores.errors[:WORST] > 0].tolist() if images is not None else []
    cells = [_cells_of(run, writer, images, number) for writer in worst if images is not None]
    cell, rows = 0.95 * min(CELL, (width - 0.8) / columns / number), -(-len(cells) // columns)
    heights = [1.9] + [max((grid_height(one, number) for one in cells), default=0.0) * cell / CELL] * rows
    words = (_title(scores), run_title(run), _explanation(evaluation, scores), READING if cells else "")
    with new_figure(*words, height=sum(heights) + 0.8 + 0.45 * rows, width=width) as figure:
        grid = figure.add_gridspec(1 + rows, columns, height_ratios=heights)
        _plot_errors(figure.add_subplot(grid[0, :]), scores, series_of)
        for place, (writer, images_of_writer) in enumerate(zip(worst, cells, strict=True)):
            axes = figure.add_subplot(grid[1 + place // columns, place % columns])
            series = SERIES.get(series_of[writer], f"series {series_of[writer]}")
            heading = f"Writer {writer} ({series}): {scores.errors[place]:,} of {scores.images[place]:,} wrong"
            plot_grid(axes, images_of_writer, number, cell)
            axes.set_title(fit_text(heading, SMALL_SIZE, number * cell), size=SMALL_SIZE, pad=4)
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
    if scores.design_effect > 1:
        alike = f"{evaluation.n / scores.design_effect:,.0f}"
        text += f" Errors cluster by writer: the accuracy is as uncertain as on {alike} independent images."
    return text


def _plot_errors(axes: Axes, scores: WriterScores, series_of: dict[int, int]) -> None:
    """Plot a bar for each writer with errors, coloured by series."""
    count = min(int((scores.errors > 0).sum()), MOST_BARS)
    heights = scores.errors[:count]
    series = [series_of[number] for number in scores.numbers[:count].tolist()]
    axes.bar(range(count), heights, width=0.8, color=[COLOURS.get(number, GREY) for number in series], clip_on=False)
    for line, (number, colour) in enumerate(COLOURS.items()):
        of = sum(one.writers for one in scores.series if one.name == SERIES[number])
        text = f"{SERIES[number]}: {series.count(number):,} of {of:,} with errors"
        axes.text(0, 1.12 - 0.1 * line, text, color=colour, size=SMALL_SIZE, transform=axes.transAxes, va="bottom")
    axes.set(xlim=(-1, max(count, 10)), ylim=(0, 1.08 * max([1, *heights])), ylabel="Errors")
    axes.set(xlabel=f"The {count:,} writers with errors" if count else "No writer with errors")
    axes.set_xticks([])
    axes.locator_params(axis="y", integer=True)
    tidy_axes(axes, "y")


def _cells_of(run: Run, writer: int, images: Images, number: int) -> list[Captioned]:
    """Return that many of the writer's images: errors, the most confident first, then correct ones."""
    assert run.writers is not None
    indices = np.flatnonzero(run.writers[:, 0] == writer)
    order = np.lexsort((-run.probabilities[indices].max(axis=1), run.right[indices]))
    names, cells = class_labels(run.class_names), []
    for index in indices[order][:number].tolist():
        true, predicted = (names[classes[index]] for classes in (run.labels, run.predictions))
        wrong = not run.right[index]
        lines = [(f"{true} as {predicted}", RED)] if wrong else [(true, PALE_INK)]
        cells.append(Captioned(images[index], lines, wrong))
    return cells
