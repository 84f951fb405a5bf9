"""Corrupted images: what each corruption looks like, and which networks withstand it."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib
import numpy as np
from matplotlib.axes import Axes

from mnist_twice.evaluation.corruptions import CORRUPTIONS, STRENGTHS, corrupt
from mnist_twice.evaluation.robustness import Robustness
from mnist_twice.figures.image_grid import COLUMNS, Captioned, Images, plot_image_page
from mnist_twice.figures.page import LINE, Page, new_figure
from mnist_twice.figures.style import INK, PALE_INK, SMALL_SIZE, TEXT_SIZE, WIDE
from mnist_twice.figures.text import fit_text
from mnist_twice.names import percent, percent_range, spelled
from mnist_twice.runs import Run

MOST = 12  # runs in one figure
CELL = 0.38  # inches, the height of a row
COLOURS = matplotlib.colormaps["RdYlBu"]
LOWEST = 0.1  # accuracy with the darkest red: ten classes by chance

Measured = Sequence[tuple[Run, Robustness]]
"""Runs of the same images, and what was measured of each."""


def plot_corruptions(measured: Measured, images: Images | None, width: float = WIDE) -> Page | None:
    """Return an image under every corruption at its five strengths; images: at least 15 where there are as many."""
    if images is None:
        return None
    cells = []
    for number, name in enumerate(CORRUPTIONS):
        image = images[number % len(images)][None]
        for strength in STRENGTHS:
            words = name.replace("_", " ") if strength == 1 else str(strength)
            words += " *" if strength == CORRUPTIONS[name].published else ""
            cells.append(Captioned(corrupt(image, name, strength)[0], [(words, INK)]))
    title = f"{len(CORRUPTIONS)} corruptions, each at the strengths 1 to 5"
    explanation = "Based on MNIST-C (Mu and Gilmer 2019), which has only the strength with a star of each corruption."
    subject = spelled(measured[0][0].dataset)
    return plot_image_page(title, subject, explanation, "", cells, width, (COLUMNS, len(STRENGTHS)))


def plot_robustness(measured: Measured, _: object = None, width: float = WIDE) -> Page:
    """Return the accuracy of each run under each corruption: five strengths as colours, their mean as a number."""
    ordered = sorted(measured, key=lambda one: -one[1].mean)
    shown = ordered[:MOST]
    run, best = shown[0]
    letters = [chr(ord("A") + number) for number in range(len(shown))]
    by_writers = "writers" if run.writers is not None else "images"
    more = f" The best {MOST} of {len(ordered)} runs are shown." if len(ordered) > MOST else ""
    explanation = (
        f"n = {best.n:,} {best.evaluated_on} images, each under every corruption. Colours, from left to right: "
        "accuracy at the strengths 1 to 5, from red (guessing) to blue (all correct); number: their mean in %. Behind "
        "each name: accuracy without corruption, the mean under all of them, with its 95 % interval over "
        f"{by_writers}, and with a star the mean at the strengths of MNIST-C.{more}"
    )
    title = f"Most robust of {len(ordered)} runs: {run.name}" if len(ordered) > 1 else f"Robustness of {run.name}"
    title += f", {percent(best.mean, 1)} under corruption"
    names = ["mean", *CORRUPTIONS]
    lines = 1 if width == WIDE else 2  # for each run
    heights = [LINE * lines * len(shown) + 0.1, CELL * len(names) + 0.4]
    with new_figure(title, spelled(run.dataset), explanation, height=sum(heights), width=width) as figure:
        upper, lower = np.asarray(figure.subfigures(2, 1, height_ratios=heights))  # whose axes need not be aligned
        above, axes = upper.subplots(), lower.subplots()
        above.set(xlim=(0, width), ylim=(lines * len(shown), 0))
        above.set_axis_off()
        for number, (letter, (one, result)) in enumerate(zip(letters, shown, strict=True)):
            row = lines * number
            above.text(0, row, letter, weight="bold", va="top")
            above.text(0.3, row, fit_text(one.name, TEXT_SIZE, width - (5.3 if lines == 1 else 0.4)), va="top")
            mean = f"{percent(result.mean)} ({percent_range(result.interval_95)})"
            numbers = f"{percent(result.clean)}, {mean}, * {percent(result.starred_mean)}"
            place = (width - 4.4, row) if lines == 1 else (0.3, row + 1)
            above.text(*place, numbers, color=PALE_INK, va="top")
            means = np.mean(list(result.accuracy.values()), axis=0).tolist()  # at each strength
            for place_of_name, values in enumerate([means, *(result.accuracy[name] for name in CORRUPTIONS)]):
                _plot_cell(axes, number, place_of_name, values, min(SMALL_SIZE, 18 * width / len(shown)))
        axes.set(xlim=(0, len(shown)), ylim=(len(names), 0))
        axes.set_xticks([number + 0.5 for number in range(len(shown))], letters, weight="bold")
        axes.set_yticks([row + 0.45 for row in range(len(names))], [name.replace("_", " ") for name in names])
        axes.tick_params(length=0, labeltop=True, labelbottom=False)
        axes.spines[:].set_visible(False)
    return figure


def _plot_cell(axes: Axes, column: int, row: int, values: Sequence[float], size: float) -> None:
    """Plot five colours and, below them, their mean."""
    width = 0.94 / len(values)
    starts = [column + 0.03 + width * number for number in range(len(values))]
    colours = COLOURS([(value - LOWEST) / (1 - LOWEST) for value in values])
    axes.bar(starts, 0.38, width, row + 0.08, color=colours, align="edge", linewidth=0)
    axes.text(column + 0.5, row + 0.49, f"{100 * np.mean(values):.1f}", size=size, ha="center", va="top")
