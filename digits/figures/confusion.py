"""Confusion matrices: which class is taken for which, with the few errors as easy to see as the many right answers."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from digits.evaluation import MANY_CLASSES, confusion_matrix
from digits.figures.confusion_panels import (
    Matrix,
    error_scale,
    percent_of_rows,
    plot_colour_bar,
    plot_counts,
    plot_errors,
    room_for_labels,
)
from digits.figures.page import add_axes, add_text, new_figure
from digits.figures.style import LINE, MARGIN, SMALL_SIZE, TEXT_SIZE
from digits.figures.text import fit_text, run_title
from digits.metrics import accuracy_interval
from digits.names import percent, percent_range, percent_text, spelled
from digits.runs import Run

# Inches.
LONGEST_LABEL = 1.3
COLOUR_BAR, COLOUR_BAR_LABELS = 0.16, 0.75
WIDTH = 11.8  # that of the figures with images: shown equally wide, their texts are equally large


def plot_confusion(run: Run) -> Figure:
    """Return one run's matrix twice: as counts, and as errors in per cent of each true class; of more than
    MANY_CLASSES as images, without numbers."""
    matrix, names = confusion_matrix(run), _labels(run)
    left, below = room_for_labels(names)
    side = max((WIDTH - 3 * MARGIN) / 2 - left, min(0.2 * len(matrix), 10.4))
    n, interval = len(run.labels), percent_range(accuracy_interval(run.right, run.writer_numbers))
    title = f"Accuracy {percent(run.accuracy)} on {n:,} {run.evaluated_on} images (95 % interval {interval})"
    size = (2 * (left + side) + 3 * MARGIN, 0.3 + side + below + 0.15 + COLOUR_BAR + 0.5)
    grey = " (grey: recall, %)" if len(names) <= MANY_CLASSES else ""
    with new_figure(title, run_title(run), _worst_error(matrix, names), *size) as (figure, top):
        for index, (title, plot, bar_label) in enumerate(
            [
                ("Number of images by true and predicted class", plot_counts, "images (log scale)"),
                (f"Errors, % of each true class{grey}", plot_errors, "% (square-root scale)"),
            ]
        ):
            start = MARGIN + index * (left + side + MARGIN) + left
            axes = add_axes(figure, start, top + 0.3, side, side)
            mesh = plot(axes, matrix, names)
            axes.set_title(title, pad=8)
            bar = add_axes(figure, start, top + 0.3 + side + below + 0.15, side, COLOUR_BAR)
            plot_colour_bar(figure, mesh, bar, bar_label, "horizontal")
    return figure


def plot_confusions(runs: Sequence[Run]) -> Figure:
    """Return the errors of all runs side by side, in per cent of each true class, on one colour scale."""
    matrices = [confusion_matrix(run) for run in runs]
    names = [_labels(run) for run in runs]
    columns = len(runs) if len(runs) <= 3 else math.ceil(math.sqrt(len(runs)))
    side, title_height = 4.2, 0.62
    rooms = [room_for_labels(labels) for labels in names]
    left = max(room[0] for room in rooms)
    panel_width = left + side + MARGIN
    row_heights = [
        title_height + side + max(room[1] for room in rooms[first : first + columns]) + MARGIN
        for first in range(0, len(runs), columns)
    ]
    width = MARGIN + columns * panel_width + COLOUR_BAR + COLOUR_BAR_LABELS + MARGIN
    kinds: dict[str, list[float]] = {}
    for run in runs:
        kinds.setdefault(run.evaluated_on, []).append(1 - run.accuracy)
    ranges = [f"{percent_range((min(errors), max(errors)))} of {kind} images" for kind, errors in kinds.items()]
    title = f"Errors of {len(runs)} runs: {', '.join(ranges)}"
    if len(runs) == 1:
        title = f"Errors of the run: {percent(1 - runs[0].accuracy)} of its {runs[0].evaluated_on} images"
    reading = "Images of a true class (row) predicted as another one (column), in % of the true class"
    reading += "; grey: recall." if min(map(len, names)) <= MANY_CLASSES else "."
    reading += " All panels have the same colour scale." if len(runs) > 1 else ""
    scale = error_scale(matrices)
    subject = ", ".join(dict.fromkeys(spelled(run.dataset) for run in runs))
    with new_figure(title, subject, "", width, sum(row_heights) - MARGIN, reading) as (figure, header):
        for index, (run, matrix, labels) in enumerate(zip(runs, matrices, names, strict=True)):
            row, column = divmod(index, columns)
            start, top = MARGIN + column * panel_width + left, header + sum(row_heights[:row])
            add_text(figure, start, top, fit_text(run_title(run), TEXT_SIZE, side, "bold"), weight="bold")
            add_text(figure, start, top + LINE, f"accuracy {percent(run.accuracy)}, n = {len(run.labels):,}")
            axes = add_axes(figure, start, top + title_height, side, side)
            mesh = plot_errors(axes, matrix, labels, scale)
        bar = add_axes(figure, MARGIN + columns * panel_width, header + title_height, COLOUR_BAR, side)
        plot_colour_bar(figure, mesh, bar, "% of the true class (square-root scale)")
    return figure


def _labels(run: Run) -> list[str]:
    return [fit_text(name, SMALL_SIZE, LONGEST_LABEL) for name in run.class_names]


def _worst_error(matrix: Matrix, names: list[str]) -> str:
    errors = matrix * ~np.eye(len(matrix), dtype=bool)
    if not errors.any():
        return "No errors."
    true, predicted = np.unravel_index(errors.argmax(), errors.shape)
    total, count = int(errors.sum()), int(errors[true, predicted])
    times = "once" if count == 1 else f"{count:,} times"
    return (
        f"{total:,} error{'s' if total > 1 else ''}; the most frequent: "
        f"'{names[true]}' was taken for '{names[predicted]}' {times}, "
        f"{percent_text(percent_of_rows(matrix)[true, predicted])} % of its class."
    )
