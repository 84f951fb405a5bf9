"""One confusion matrix in its axes, as counts or as errors, with class labels and a colour bar."""

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm, Normalize, PowerNorm, to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import FuncFormatter, MaxNLocator

from digits.evaluation import MANY_CLASSES
from digits.figures.style import DOTS_PER_INCH, GRID_GREY, INK, PALE_INK, SMALL_SIZE, ink_on
from digits.figures.text import text_width
from digits.names import percent_text

# Perceptually uniform and safe for colour-blind readers; cold for counts and warm for errors, since the two panels
# stand side by side and do not share a scale.
COUNT_COLOURS, ERROR_COLOURS = "mako_r", "rocket_r"
DIAGONAL_GREY = "#e9ecef"

Matrix = npt.NDArray[np.int64]


def plot_counts(axes: Axes, matrix: Matrix, names: list[str]) -> ScalarMappable:
    """Plot how many images of each class (row) were taken for which (column); return what colours the cells."""
    # Logarithmic, so that one confused image is visible beside a thousand right ones.
    scale = LogNorm(1, max(10, int(matrix.max())))
    if len(matrix) > MANY_CLASSES:
        return _plot_image(axes, matrix, names, COUNT_COLOURS, scale, empty="white")
    texts = [[str(count) if count else "" for count in row] for row in matrix]
    return _plot_cells(axes, matrix, texts, names, COUNT_COLOURS, scale, empty=matrix == 0)


def plot_errors(axes: Axes, matrix: Matrix, names: list[str], scale: Normalize | None = None) -> ScalarMappable:
    """Plot the errors in per cent of each true class, and the recall on a grey diagonal; return what colours the cells.

    scale: what `error_scale` returns, for panels that share one; the matrix's own by default.
    """
    percent = percent_of_rows(matrix)
    diagonal, scale = np.eye(len(matrix), dtype=bool), scale or error_scale([matrix])
    if len(matrix) > MANY_CLASSES:
        return _plot_image(axes, np.where(diagonal, 0, percent), names, ERROR_COLOURS, scale, empty=DIAGONAL_GREY)
    texts = [
        [percent_text(value) if count or i == j else "" for j, (value, count) in enumerate(zip(*pair, strict=True))]
        for i, pair in enumerate(zip(percent, matrix, strict=True))
    ]
    for i, images in enumerate(matrix.sum(axis=1)):
        if images == 0:
            texts[i][i] = "-"  # no image of this class
        axes.add_patch(Rectangle((i, i), 1, 1, facecolor=DIAGONAL_GREY, edgecolor=GRID_GREY, linewidth=0.6))
    empty = diagonal | (matrix == 0)
    return _plot_cells(axes, percent, texts, names, ERROR_COLOURS, scale, empty=empty)


def plot_colour_bar(
    figure: Figure,
    mesh: ScalarMappable,
    axes: Axes,
    label: str,
    orientation: Literal["vertical", "horizontal"] = "vertical",
) -> None:
    """Plot the colours of `mesh`, with their values, into `axes`."""
    form = FuncFormatter(lambda value, _: f"{value:g}")
    bar = figure.colorbar(mesh, cax=axes, orientation=orientation, format=form)
    bar.set_label(label, color=PALE_INK)
    assert bar.solids is not None
    bar.solids.set_rasterized(True)  # in a vector graphic it would be hundreds of rectangles
    bar.outline.set_visible(False)
    if not isinstance(mesh.norm, LogNorm):
        bar.locator = MaxNLocator(6, steps=[1, 2, 5, 10])
    axes.tick_params(length=0, which="both")


def error_scale(matrices: Sequence[Matrix]) -> Normalize:
    """Return the colour scale from 0 to the largest error of all matrices.

    By square roots, so that rare errors keep a colour beside a class that is often wrong; and at least to 2 %, so
    that a network whose worst error is one image does not look as dark as a bad one.
    """
    largest = max(float((percent_of_rows(matrix) * ~np.eye(len(matrix), dtype=bool)).max()) for matrix in matrices)
    return PowerNorm(0.5, 0, max(largest, 2.0))


def percent_of_rows(matrix: Matrix) -> npt.NDArray[np.float64]:
    """Return the matrix in per cent of its rows; a row without images is 0."""
    images = np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    return np.asarray(100 * matrix / images, dtype=np.float64)


def room_for_labels(names: list[str]) -> tuple[float, float]:
    """Return the inches that class labels and the axis label take left of a matrix and below it."""
    longest = max(text_width(name, SMALL_SIZE) for name in names)
    below = (longest + SMALL_SIZE / 72) * math.sin(math.pi / 4) if _are_long(names) else 0.15
    return longest + 0.5, below + 0.4


def _plot_image(
    axes: Axes, values: npt.NDArray[np.generic], names: list[str], colours: str, scale: Normalize, empty: str
) -> ScalarMappable:
    """Plot the matrix of many classes as an image without numbers, cells of 0 white, on the diagonal in colour `empty`.

    A dot of less than two pixels would be lost: then a pixel shows the largest of several classes' values.
    """
    import seaborn  # type: ignore[import-untyped]

    block = math.ceil(len(names) / (_width(axes) * DOTS_PER_INCH / 2))
    starts = range(0, len(names), block)
    largest = np.maximum.reduceat(np.maximum.reduceat(values, starts, axis=0), starts, axis=1)
    mesh = ScalarMappable(scale, seaborn.color_palette(colours, as_cmap=True))
    pixels = mesh.to_rgba(largest)
    pixels[largest == 0] = to_rgba("white")
    pixels[np.eye(len(largest), dtype=bool) & (largest == 0)] = to_rgba(empty)
    end = len(starts) * block
    axes.imshow(pixels, extent=(0, end, end, 0), interpolation="none")
    _label_classes(axes, names)
    return mesh


def _plot_cells(
    axes: Axes,
    values: npt.NDArray[np.generic],
    texts: list[list[str]],
    names: list[str],
    colours: str,
    scale: Normalize,
    empty: npt.NDArray[np.bool_],
) -> ScalarMappable:
    """Plot coloured cells with their texts; `empty` cells get no colour."""
    import seaborn  # imported here because it takes more than a second

    cell = _width(axes) / len(names)  # inches
    # Not seaborn.heatmap, which renders the whole figure for every panel to see whether labels overlap.
    mesh = axes.pcolormesh(
        np.ma.masked_where(empty, values),
        cmap=seaborn.color_palette(colours, as_cmap=True),
        norm=scale,
        edgecolors=GRID_GREY,
        linewidth=min(0.6, 2 * cell),
        clip_on=False,
    )
    size = min(SMALL_SIZE, 72 * cell * 0.3)
    longest = max((text_width(text, size) for row in texts for text in row), default=0.0)
    size *= min(1.0, 0.9 * cell / max(longest, 1e-9))
    if size >= 5:  # points; smaller numbers cannot be read, and the colours remain
        for i, row in enumerate(texts):
            for j, text in enumerate(row):
                if text:
                    colour = INK if empty[i, j] else ink_on(mesh.cmap(scale(float(values[i, j]))))
                    axes.text(j + 0.5, i + 0.5, text, size=size, color=colour, ha="center", va="center")
    _label_classes(axes, names)
    return mesh


def _label_classes(axes: Axes, names: list[str]) -> None:
    """Label both axes with the classes, the first one in the upper row, and frame them."""
    axes.set(xlim=(0, len(names)), ylim=(len(names), 0), aspect="equal")
    # A line of 10 points takes 0.16 inches, more if slanted: of many small cells only some get a label.
    shown = range(0, len(names), math.ceil(0.2 * len(names) / _width(axes)))
    slanted = _are_long(names)
    axes.set_xticks([i + 0.5 for i in shown], [names[i] for i in shown], rotation=45 if slanted else 0)
    axes.set_yticks([i + 0.5 for i in shown], [names[i] for i in shown])
    if slanted:
        for label in axes.get_xticklabels():
            label.set(ha="right", va="center", rotation_mode="anchor")
    axes.tick_params(length=0, pad=5)
    axes.set(xlabel="Predicted class", ylabel="True class")
    for spine in axes.spines.values():
        spine.set(color=GRID_GREY, linewidth=0.8)


def _width(axes: Axes) -> float:
    """Return the width of the axes in inches."""
    figure = axes.get_figure()
    assert isinstance(figure, Figure)
    return float(axes.get_position().width * figure.get_size_inches()[0])


def _are_long(names: list[str]) -> bool:
    return max(text_width(name, SMALL_SIZE) for name in names) > 0.3
