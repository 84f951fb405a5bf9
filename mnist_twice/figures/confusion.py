"""Confusion matrices: which class is taken for which, with the few errors as easy to see as the many right answers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm, Normalize, PowerNorm
from matplotlib.patches import Rectangle
from matplotlib.ticker import FuncFormatter, MaxNLocator
from numpy.typing import NDArray

from mnist_twice.evaluation import MANY_CLASSES, Evaluation
from mnist_twice.figures.page import DOTS_PER_INCH, Page, new_figure
from mnist_twice.figures.style import GRID_GREY, INK, PALE_INK, SMALL_SIZE, TEXT_SIZE, WIDE, ink_on
from mnist_twice.figures.text import class_labels, fit_text, run_title, text_width, wrap_text
from mnist_twice.names import few, percent, percent_range, percent_text, spelled

# Perceptually uniform and safe for colour-blind readers; cold for counts and warm for errors, since the two panels
# stand side by side and do not share a scale.
COUNT_COLOURS, ERROR_COLOURS = "mako_r", "rocket_r"
DIAGONAL_GREY = "#e9ecef"
MOST_BESIDE = 25  # classes of matrices that stand side by side
MOST_LARGE = 30  # panels; of more runs they become smaller

Matrix = NDArray[np.int64]


def plot_confusion(evaluation: Evaluation, _: object = None, width: float = WIDE) -> Page:
    """Return one run's matrix twice: as counts, and as errors in per cent of each true class; of more than
    MANY_CLASSES without numbers."""
    run, matrix, names = evaluation.run, evaluation.confusion_matrix, _labels(evaluation, width)
    title = f"Accuracy {percent(run.accuracy)} on {evaluation.n:,} {run.evaluated_on} images"
    title += f" (95 % interval {percent_range(evaluation.interval)})"
    shape = (1, 2) if width == WIDE and len(names) <= MOST_BESIDE else (2, 1)
    side = width / shape[1] - _room(names) - 0.35
    height = shape[0] * (side + _room(names) + 1.1)
    with new_figure(title, run_title(run), _worst_error(evaluation, names), height=height, width=width) as figure:
        counts, errors = figure.subplots(*shape)
        grey = " (grey: recall, %)" if len(names) <= MANY_CLASSES else ""
        counts.set_title(wrap_text("Number of images by true and predicted class", TEXT_SIZE, side))
        errors.set_title(wrap_text(f"Errors, % of each true class{grey}", TEXT_SIZE, side))
        _add_colour_bar(figure, [counts], _plot_counts(counts, matrix, names, side), "images (log scale)")
        mesh = _plot_errors(errors, matrix, names, side, _error_scale([matrix]))
        _add_colour_bar(figure, [errors], mesh, "% (square-root scale)")
    return figure


def plot_confusions(evaluations: Sequence[Evaluation], width: float = WIDE) -> Page:
    """Return the errors of all runs side by side, in per cent of each true class, on one colour scale."""
    runs, matrices = [one.run for one in evaluations], [one.confusion_matrix for one in evaluations]
    number, names = len(runs), [_labels(one, width) for one in evaluations]
    most = 3 if number <= MOST_LARGE else math.ceil(math.sqrt(number))
    columns = min(number, most if width == WIDE else math.ceil(most / 3))
    rows, room = math.ceil(number / columns), max(map(_room, names))
    side = min(width / columns - room - 0.25, 4.2)
    kinds: dict[str, list[float]] = {}
    for run in runs:
        kinds.setdefault(run.evaluated_on, []).append(1 - run.accuracy)
    ranges = [f"{percent_range((min(errors), max(errors)))} of {kind} images" for kind, errors in kinds.items()]
    title = f"Errors of {number} runs: {', '.join(ranges)}"
    if number == 1:
        title = f"Errors of the run: {percent(1 - runs[0].accuracy)} of its {runs[0].evaluated_on} images"
    reading = "Images of a true class (row) predicted as another one (column), in % of the true class"
    reading += "; grey: recall." if min(map(len, names)) <= MANY_CLASSES else "."
    reading += " All panels have the same colour scale." if number > 1 else ""
    subject = ", ".join(dict.fromkeys(spelled(run.dataset) for run in runs))
    height = rows * (side + room + 0.8) + 0.7
    with new_figure(title, subject, "", reading, height=height, width=width) as figure:
        panels = figure.subplots(rows, columns, squeeze=False).ravel().tolist()
        for run, matrix, labels, axes in zip(runs, matrices, names, panels, strict=False):
            mesh = _plot_errors(axes, matrix, labels, side, _error_scale(matrices))
            heading = fit_text(run_title(run), TEXT_SIZE, side)
            axes.set_title(f"{heading}\naccuracy {percent(run.accuracy)}, n = {len(run.labels):,}")
        for axes in panels[number:]:
            axes.remove()
        _add_colour_bar(figure, panels[:number], mesh, "% of the true class (square-root scale)")
    return figure


def _plot_counts(axes: Axes, matrix: Matrix, names: list[str], side: float) -> ScalarMappable:
    """Plot how many images of each class (row) were taken for which (column); return what colours the cells."""
    texts = [[str(count) if count else "" for count in row] for row in matrix]
    # Logarithmic, so that one confused image is visible beside a thousand right ones.
    return _plot_matrix(axes, matrix, texts, names, side, COUNT_COLOURS, LogNorm(1, max(10, int(matrix.max()))))


def _plot_errors(axes: Axes, matrix: Matrix, names: list[str], side: float, scale: Normalize) -> ScalarMappable:
    """Plot the errors in per cent of each true class, and the recall on a grey diagonal; return what colours the cells.

    scale: what `_error_scale` returns.
    """
    shares = 100 * matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    texts = [[percent_text(share) if share else "" for share in row] for row in shares]
    for i, images in enumerate(matrix.sum(axis=1)):
        texts[i][i] = percent_text(shares[i, i]) if images else "-"
        axes.add_patch(Rectangle((i, i), 1, 1, facecolor=DIAGONAL_GREY, edgecolor=DIAGONAL_GREY, linewidth=0.6))
    return _plot_matrix(axes, _errors_of(matrix), texts, names, side, ERROR_COLOURS, scale)


def _plot_matrix(
    axes: Axes,
    values: NDArray[np.generic],
    texts: list[list[str]],
    names: list[str],
    side: float,
    colours: str,
    scale: Normalize,
) -> ScalarMappable:
    """Plot coloured cells with their texts, and the classes' labels; cells of 0 get no colour. side: inches.

    A dot of less than two pixels would be lost: then a pixel shows the largest of several classes' values.
    """
    import seaborn  # type: ignore[import-untyped]  # imported here because it takes more than a second

    cell, few = side / len(names), len(names) <= MANY_CLASSES
    block = math.ceil(2 / (cell * DOTS_PER_INCH))
    starts = range(0, len(names), block)
    largest = np.maximum.reduceat(np.maximum.reduceat(values, starts, axis=0), starts, axis=1)
    # Not seaborn.heatmap, which renders the whole figure for every panel to see whether labels overlap.
    mesh = axes.pcolormesh(
        *[[*starts, starts[-1] + block]] * 2,
        np.ma.masked_equal(largest, 0),
        cmap=seaborn.color_palette(colours, as_cmap=True),
        norm=scale,
        edgecolors=GRID_GREY if few else "none",
        linewidth=min(0.6, 2 * cell),
        rasterized=not few,
    )
    size = min(SMALL_SIZE, 72 * cell * 0.3)
    size *= min(1.0, 0.9 * cell / max(1e-9, *(text_width(text, size) for row in texts for text in row))) if few else 0
    if size >= 5:  # points; smaller numbers cannot be read, and the colours remain
        for i, j in np.ndindex(values.shape):
            if texts[i][j]:
                colour = ink_on(mesh.cmap(scale(float(values[i, j])))) if values[i, j] else INK
                axes.text(j + 0.5, i + 0.5, texts[i][j], size=size, color=colour, ha="center", va="center")
    axes.set(xlim=(0, len(names)), ylim=(len(names), 0), aspect="equal")
    # A line of 10 points takes 0.16 inches, more if slanted: of many small cells only some get a label.
    shown = range(0, len(names), math.ceil(0.2 / cell))
    slanted: dict[str, Any] = {"rotation": 45, "ha": "right", "va": "center", "rotation_mode": "anchor"}
    labels = [names[i] for i in shown]
    axes.set_xticks([i + 0.5 for i in shown], labels, **(slanted if max(map(len, names)) > 2 else {}))
    axes.set_yticks([i + 0.5 for i in shown], labels)
    axes.tick_params(length=0, pad=5)
    axes.set(xlabel="Predicted class", ylabel="True class")
    axes.spines[:].set(color=GRID_GREY, linewidth=0.8)
    return mesh


def _add_colour_bar(figure: Page, panels: Sequence[Axes], mesh: ScalarMappable, label: str) -> None:
    """Add the colours of `mesh`, with their values, below the panels."""
    shrink = 0.8 if len(panels) == 1 else 0.5
    bar = figure.colorbar(mesh, ax=panels, location="bottom", shrink=shrink, aspect=24, pad=0.02)
    bar.set_label(label, color=PALE_INK)
    bar.solids.set_rasterized(True)  # type: ignore[union-attr]  # else hundreds of rectangles in a vector graphic
    bar.outline.set_visible(False)
    if not isinstance(mesh.norm, LogNorm):
        bar.locator = MaxNLocator(6, steps=[1, 2, 5, 10])
    bar.formatter = FuncFormatter(lambda value, _: f"{value:g}")
    bar.ax.tick_params(length=0, which="both")


def _error_scale(matrices: Sequence[Matrix]) -> Normalize:
    """Return the colour scale from 0 to the largest error of all matrices.

    By square roots, so that rare errors keep a colour beside a class that is often wrong; and at least to 10 %, so
    that one wrong image in a hundred is pale.
    """
    return PowerNorm(0.5, 0, max(10.0, *(float(_errors_of(matrix).max()) for matrix in matrices)))


def _errors_of(matrix: Matrix) -> NDArray[np.float64]:
    """Return the errors in per cent of their rows; a row without images is 0, as is the diagonal."""
    errors = matrix * ~np.eye(len(matrix), dtype=bool)
    return np.asarray(100 * errors / np.maximum(matrix.sum(axis=1, keepdims=True), 1), dtype=np.float64)


def _labels(evaluation: Evaluation, width: float) -> list[str]:
    longest = 1.3 if width == WIDE else 0.8
    return [fit_text(name, SMALL_SIZE, longest) for name in class_labels(evaluation.run.class_names)]


def _room(names: list[str]) -> float:
    """Return about how many inches class labels and the axis label take beside a matrix."""
    return max(text_width(name, SMALL_SIZE) for name in names) + 0.4


def _worst_error(evaluation: Evaluation, names: list[str]) -> str:
    if not evaluation.top_confusions:
        return "No errors."
    total, most = len(evaluation.errors), evaluation.top_confusions[0].count
    labels = dict(zip(evaluation.run.class_names, names, strict=True))
    worst = [one for one in evaluation.top_confusions if one.count == most]
    pairs = [f"'{labels[one.true]}' taken for '{labels[one.predicted]}'" for one in worst]
    images = f"{most:,} image{'s' if most > 1 else ''}{' each' if len(pairs) > 1 else ''}"
    shown = " and ".join(pairs) if len(pairs) < 4 else few(pairs, "confusion")
    return f"{total:,} error{'s' if total > 1 else ''}; most frequent: {shown}, {images}."
