"""Corrupted images: what each corruption looks like, and which networks withstand it."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from digits.evaluation.corruptions import CORRUPTIONS, STRENGTHS, corrupt
from digits.evaluation.robustness import Robustness
from digits.figures.image_grid import COLUMNS, Captioned, plot_image_page
from digits.figures.page import add_axes, add_text, new_figure
from digits.figures.style import INK, LINE, MARGIN, PALE_INK, SMALL_SIZE
from digits.figures.text import fit_text, text_width
from digits.names import percent, percent_range, spelled
from digits.runs import Run

MOST = 12  # runs in one figure
WIDTH, HEADING, CELL = 11.8, 0.28, 0.38  # inches
COLOURS = matplotlib.colormaps["RdYlBu"]
LOWEST = 0.1  # accuracy with the darkest red: ten classes by chance


def plot_corruptions(images: NDArray[np.uint8], dataset: str) -> Figure:
    """Return an image under every corruption at its five strengths; images: at least 15 where there are as many."""
    cells = []
    for number, name in enumerate(CORRUPTIONS):
        image = images[number % len(images)][None]
        for strength in STRENGTHS:
            words = name.replace("_", " ") if strength == 1 else str(strength)
            words += " *" if strength == CORRUPTIONS[name].published else ""
            cells.append(Captioned(corrupt(image, name, strength)[0], [(words, INK)]))
    title = f"{len(CORRUPTIONS)} corruptions, each at the strengths 1 to 5"
    explanation = "After MNIST-C (Mu and Gilmer 2019), which has of each corruption the strength with a star."
    return plot_image_page(title, spelled(dataset), explanation, cells, COLUMNS)


def plot_robustness(measured: Sequence[tuple[Run, Robustness]]) -> Figure:
    """Return the accuracy of each run under each corruption: five strengths as colours, their mean as a number.

    measured: of the same images.
    """
    ordered = sorted(measured, key=lambda one: -one[1].mean)
    shown = ordered[:MOST]
    run, best = shown[0]
    letters = [chr(ord("A") + number) for number in range(len(shown))]
    by_writers = "writers" if run.writers is not None else "images"
    more = f" The best {MOST} of {len(ordered)} runs are shown." if len(ordered) > MOST else ""
    explanation = (
        f"n = {best.n:,} {best.evaluated_on} images, each under every corruption. Colours, from left to right: "
        "accuracy at the strengths 1 to 5, from red (guessing) to blue (all correct); number: their mean in %. Behind "
        "each name: accuracy without corruption, and the mean under all of them, with its 95 % interval over "
        f"{by_writers}.{more}"
    )
    title = f"Most robust of {len(ordered)} runs: {run.name}" if len(ordered) > 1 else f"Robustness of {run.name}"
    title += f", {percent(best.mean, 1)} under corruption"
    names = ["mean", *CORRUPTIONS]
    list_height = LINE * len(shown) + 0.2
    with new_figure(title, spelled(run.dataset), explanation, WIDTH, list_height + HEADING + CELL * len(names)) as (
        figure,
        top,
    ):
        for number, (letter, (one, result)) in enumerate(zip(letters, shown, strict=True)):
            numbers = f"{percent(result.clean)}, {percent(result.mean)} ({percent_range(result.interval_95)})"
            row = top + LINE * number
            add_text(figure, MARGIN, row, letter, weight="bold")
            room = WIDTH - 2 * MARGIN - 0.3 - 3.6
            add_text(figure, MARGIN + 0.3, row, fit_text(one.name, SMALL_SIZE + 1, room))
            add_text(figure, WIDTH - MARGIN - 3.6, row, numbers, color=PALE_INK)
        _plot_cells(figure, [result for _, result in shown], letters, names, top + list_height)
    return figure


def _plot_cells(
    figure: Figure, results: Sequence[Robustness], letters: Sequence[str], names: Sequence[str], top: float
) -> None:
    """Plot the table: a row for each name, a column for each result."""
    left = MARGIN + max(text_width(name.replace("_", " "), SMALL_SIZE) for name in names) + 0.15
    axes = add_axes(figure, left, top + HEADING, WIDTH - MARGIN - left, CELL * len(names))
    axes.set(xlim=(0, len(results)), ylim=(len(names), 0))
    axes.set_axis_off()
    for column, (letter, result) in enumerate(zip(letters, results, strict=True)):
        axes.text(column + 0.5, -0.3, letter, weight="bold", ha="center", va="bottom", color=INK)
        for row, name in enumerate(names):
            values = result.accuracy[name] if name in result.accuracy else _means(result)
            _plot_cell(axes, column, row, values)
    for row, name in enumerate(names):
        add_text(figure, MARGIN, top + HEADING + CELL * (row + 0.3), name.replace("_", " "), size=SMALL_SIZE)


def _plot_cell(axes: Axes, column: int, row: int, values: Sequence[float]) -> None:
    """Plot five colours and, below them, their mean."""
    colours = COLOURS([(value - LOWEST) / (1 - LOWEST) for value in values])
    width = 0.94 / len(values)
    starts = [column + 0.03 + width * number for number in range(len(values))]
    axes.bar(starts, 0.38, width, row + 0.08, color=colours, align="edge", linewidth=0)
    axes.text(column + 0.5, row + 0.49, f"{100 * fmean(values):.1f}", size=SMALL_SIZE, ha="center", va="top")


def _means(result: Robustness) -> list[float]:
    """Return the mean accuracy at each strength, over all corruptions."""
    return [fmean(accuracies[number] for accuracies in result.accuracy.values()) for number in range(len(STRENGTHS))]
