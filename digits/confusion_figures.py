"""Confusion matrices: which class is taken for which, with the few errors as easy to see as the many right answers."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from digits.confusion_panels import (
    Matrix,
    draw_colour_bar,
    draw_counts,
    draw_errors,
    error_scale,
    percent_of_rows,
    percent_text,
    room_for_labels,
)
from digits.figures import (
    SMALL_SIZE,
    TEXT_SIZE,
    TITLE_SIZE,
    accuracy_text,
    add_axes,
    add_text,
    figure_style,
    fit_text,
    run_title,
    wrap_text,
)
from digits.metrics import confusion_matrix
from digits.runs import Run

# Inches.
MARGIN = 0.3
LONGEST_LABEL = 1.3
LINE = 0.24
COLOUR_BAR_GAP, COLOUR_BAR, COLOUR_BAR_LABELS = 0.15, 0.16, 0.75


def draw_confusion(run: Run) -> Figure:
    """Return one run's matrix twice: as counts, and as errors in per cent of each true class."""
    matrix = confusion_matrix(run.labels, run.predictions, len(run.class_names))
    side = max(5.2, min(0.2 * len(matrix), 10.4))
    names = _labels(run)
    left, below = room_for_labels(names)
    panel = left + side + COLOUR_BAR_GAP + COLOUR_BAR + COLOUR_BAR_LABELS
    width = 2 * panel + 3 * MARGIN
    explanation = wrap_text(f"{accuracy_text(run)}. {_worst_error(matrix, names)}", TEXT_SIZE, width - 2 * MARGIN)
    top = MARGIN + 0.42 + LINE * len(explanation) + 0.55
    with figure_style():
        figure = Figure(figsize=(width, top + side + below + MARGIN))
        _write_header(figure, fit_text(run_title(run), TITLE_SIZE, width - 2 * MARGIN, "bold"), explanation)
        for index, (title, draw, bar_label) in enumerate(
            [
                ("Counts: how many images of each class were taken for which", draw_counts, "images (log scale)"),
                ("Errors, % of each true class (grey: % recognised)", draw_errors, "% (square-root scale)"),
            ]
        ):
            start = MARGIN + index * (panel + MARGIN) + left
            axes = add_axes(figure, start, top, side, side)
            mesh = draw(axes, matrix, names)
            axes.set_title(title, pad=8)
            bar = add_axes(figure, start + side + COLOUR_BAR_GAP, top, COLOUR_BAR, side)
            draw_colour_bar(figure, mesh, bar, bar_label)
    return figure


def draw_confusions(runs: Sequence[Run]) -> Figure:
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
    explanation = wrap_text(
        "Share of each true class (row) that was taken for another (column), in %; grey: share recognised."
        + (" All panels have the same colour scale." if len(runs) > 1 else ""),
        TEXT_SIZE,
        width - 2 * MARGIN,
    )
    header = MARGIN + 0.42 + LINE * len(explanation) + 0.2
    scale = error_scale(matrices)
    with figure_style():
        figure = Figure(figsize=(width, header + sum(row_heights)))
        _write_header(figure, f"Errors of {len(runs)} run{'s' if len(runs) > 1 else ''}", explanation)
        for index, (run, matrix, labels) in enumerate(zip(runs, matrices, names, strict=True)):
            row, column = divmod(index, columns)
            start, top = MARGIN + column * panel_width + left, header + sum(row_heights[:row])
            add_text(figure, start, top, fit_text(run_title(run), TEXT_SIZE, side, "bold"), weight="bold")
            add_text(
                figure, start, top + LINE, f"accuracy {run.accuracy:.2%}, n = {len(run.labels):,}".replace("%", " %")
            )
            axes = add_axes(figure, start, top + title_height, side, side)
            mesh = draw_errors(axes, matrix, labels, scale)
        bar = add_axes(figure, MARGIN + columns * panel_width, header + title_height, COLOUR_BAR, side)
        draw_colour_bar(figure, mesh, bar, "% of the true class (square-root scale)")
    return figure


def _write_header(figure: Figure, title: str, lines: list[str]) -> None:
    add_text(figure, MARGIN, MARGIN, title, size=TITLE_SIZE, weight="bold")
    for number, line in enumerate(lines):
        add_text(figure, MARGIN, MARGIN + 0.42 + LINE * number, line)


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
