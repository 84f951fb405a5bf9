"""Confusion matrices: which class is taken for which, with the few errors as easy to see as the many right answers."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from digits.figures.confusion_panels import (
    Matrix,
    error_scale,
    percent_of_rows,
    plot_colour_bar,
    plot_counts,
    plot_errors,
    room_for_labels,
)
from digits.figures.style import (
    LINE,
    MARGIN,
    SMALL_SIZE,
    SPELLING,
    TEXT_SIZE,
    add_axes,
    add_text,
    figure_style,
    fit_text,
    percent,
    percent_text,
    run_title,
    start_figure,
)
from digits.metrics import confusion_matrix, wilson_interval
from digits.runs import Run

# Inches.
LONGEST_LABEL = 1.3
COLOUR_BAR_GAP, COLOUR_BAR, COLOUR_BAR_LABELS = 0.15, 0.16, 0.75


def plot_confusion(run: Run) -> Figure:
    """Return one run's matrix twice: as counts, and as errors in per cent of each true class."""
    matrix = confusion_matrix(run.labels, run.predictions, len(run.class_names))
    side = max(5.2, min(0.2 * len(matrix), 10.4))
    names = _labels(run)
    left, below = room_for_labels(names)
    panel = left + side + COLOUR_BAR_GAP + COLOUR_BAR + COLOUR_BAR_LABELS
    width = 2 * panel + 3 * MARGIN
    n = len(run.labels)
    low, high = wilson_interval(round(run.accuracy * n), n)
    title = (
        f"{percent(run.accuracy)} of {n:,} test images recognised (95 % interval {100 * low:.2f} to {percent(high)})"
    )
    with figure_style():
        figure, top = start_figure(title, run_title(run), _worst_error(matrix, names), width, 0.3 + side + below)
        top += 0.3
        for index, (title, draw, bar_label) in enumerate(
            [
                ("Counts: how many images of each class were taken for which", plot_counts, "images (log scale)"),
                ("Errors, % of each true class (grey: % recognised)", plot_errors, "% (square-root scale)"),
            ]
        ):
            start = MARGIN + index * (panel + MARGIN) + left
            axes = add_axes(figure, start, top, side, side)
            mesh = draw(axes, matrix, names)
            axes.set_title(title, pad=8)
            bar = add_axes(figure, start + side + COLOUR_BAR_GAP, top, COLOUR_BAR, side)
            plot_colour_bar(figure, mesh, bar, bar_label)
    return figure


def plot_confusions(runs: Sequence[Run]) -> Figure:
    """Return the errors of all runs side by side, in per cent of each true class, on one colour scale."""
    matrices = [confusion_matrix(run.labels, run.predictions, len(run.class_names)) for run in runs]
    names = [_labels(run) for run in runs]
    columns = len(runs) if len(runs) <= 3 else math.ceil(math.sqrt(len(runs)))
    rows = math.ceil(len(runs) / columns)
    side = 4.2
    rooms = [room_for_labels(labels) for labels in names]
    left = max(room[0] for room in rooms)
    title_height = 0.62
    panel_width = left + side + MARGIN
    row_heights = [
        title_height + side + max(room[1] for room in rooms[row * columns : (row + 1) * columns]) + MARGIN
        for row in range(rows)
    ]
    width = MARGIN + columns * panel_width + COLOUR_BAR + COLOUR_BAR_LABELS + MARGIN
    best, worst = (extreme(run.accuracy for run in runs) for extreme in (max, min))
    explanation = (
        "Share of each true class (row) that was taken for another (column), in %; grey: share recognised."
        + (" All panels have the same colour scale." if len(runs) > 1 else "")
    )
    title = (
        f"{len(runs)} runs, and what they confuse: {100 * (1 - best):.2f} to {percent(1 - worst)} errors"
        if len(runs) > 1
        else f"What the run confuses: {percent(1 - worst)} errors"
    )
    scale = error_scale(matrices)
    with figure_style():
        figure, header = start_figure(
            title,
            ", ".join(dict.fromkeys(SPELLING.get(run.dataset, run.dataset) for run in runs)),
            explanation,
            width,
            sum(row_heights) - MARGIN,
        )
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
