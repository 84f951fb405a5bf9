"""Two runs image by image: how often they agree, on which images they differ, and which both get wrong."""

from __future__ import annotations

import numpy as np
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from digits.evaluation import PairComparison
from digits.figures.image_grid import Captioned, grid_height, plot_grid
from digits.figures.predictions import COLUMNS, MOST, WIDTH
from digits.figures.style import (
    BLUE,
    GREEN,
    GREY,
    INK,
    MARGIN,
    ORANGE,
    PALE_INK,
    RED,
    SPELLING,
    TEXT_SIZE,
    add_axes,
    figure_style,
    fit_text,
    percent,
    run_title,
    start_figure,
)
from digits.runs import Run

Images = NDArray[np.uint8]


def plot_agreement(pair: PairComparison) -> Figure:
    """Return how many images both runs, one of them, or neither got right, with the verdict of McNemar's test."""
    disagreeing = pair.only_a_right + pair.only_b_right
    title = f"{percent(disagreeing / pair.n)} of {pair.n:,} images are read right by only one of the two"
    width, cell_width, cell_height = 9.2, 2.7, 1.25
    left = MARGIN + 1.9
    a, b = short_name(pair.a, pair.b), short_name(pair.b, pair.a)
    with figure_style():
        figure, top = start_figure(title, pair_title(pair), pair.verdict, width, 2 * cell_height + 0.45)
        axes = add_axes(figure, left, top + 0.4, 2 * cell_width, 2 * cell_height)
        axes.set(xlim=(0, 2), ylim=(2, 0))
        axes.set_axis_off()
        for x, y, count, what, colour in (
            (0, 0, pair.both_right, "both right", GREEN),
            (1, 0, pair.only_a_right, f"only {a} right", BLUE),
            (0, 1, pair.only_b_right, f"only {b} right", ORANGE),
            (1, 1, pair.both_wrong, "both wrong", GREY),
        ):
            axes.add_patch(Rectangle((x, y), 1, 1, facecolor=to_rgba(colour, 0.16), edgecolor="white", linewidth=4))
            axes.text(x + 0.5, y + 0.4, f"{count:,}", size=24, ha="center", va="center", color=INK)
            share = f"{fit_text(what, TEXT_SIZE, 1.7)}, {percent(count / pair.n)}"
            axes.text(x + 0.5, y + 0.74, share, size=TEXT_SIZE, ha="center", va="center", color=INK)
        for place, word in enumerate(("right", "wrong")):
            axes.text(place + 0.5, -0.06, f"{b} {word}", size=TEXT_SIZE, ha="center", va="bottom", color=PALE_INK)
            axes.text(-0.03, place + 0.5, f"{a} {word}", size=TEXT_SIZE, ha="right", va="center", color=PALE_INK)
    return figure


def plot_disagreements(pair: PairComparison, images: Images) -> Figure:
    """Return the images that the two take for different classes, at most 40, the surest answers first.

    images: the test images, uint8 (N, 28, 28).
    """
    indices = pair.disagreements
    title = f"The two give different answers to {len(indices):,} of {pair.n:,} images"
    return _plot_images(pair, images, title, indices)


def plot_both_wrong(pair: PairComparison, images: Images) -> Figure:
    """Return the images that both get wrong, at most 40, the surest answers first; images: as above."""
    indices = pair.both_wrong_images
    same = int((pair.a.predictions[indices] == pair.b.predictions[indices]).sum())
    title = f"Both get {len(indices):,} of {pair.n:,} images wrong, {same:,} of them in the same way"
    return _plot_images(pair, images, title, indices)


def pair_title(pair: PairComparison) -> str:
    return f"{run_title(pair.a)} and {short_name(pair.b, pair.a)}"


def short_name(run: Run, other: Run) -> str:
    """Return the framework's name where that tells the two apart, else the run's."""
    name = SPELLING.get(run.framework, run.framework) if run.framework != other.framework else f"'{run.name}'"
    return fit_text(name, TEXT_SIZE, 1.25)


def _plot_images(pair: PairComparison, images: Images, title: str, indices: NDArray[np.int64]) -> Figure:
    a, b = short_name(pair.a, pair.b), short_name(pair.b, pair.a)
    short = max(map(len, pair.a.class_names)) <= 2
    unit, word = (" %", "label ") if short else ("", "")  # long names leave no room for these
    cells = [
        Captioned(
            images[i],
            [_answer(pair.a, i, unit), _answer(pair.b, i, unit), (word + pair.a.class_names[pair.a.labels[i]], INK)],
        )
        for i in indices[:MOST].tolist()
    ]
    explanation = (
        f"Under each image the answer of {a} with its probability in %, then that of {b} (blue: right, red: wrong), "
        "then the label."
        if cells
        else ""
    )
    if len(cells) < len(indices):
        explanation = f"The {len(cells)} most confident ones. {explanation}"
    with figure_style():
        figure, top = start_figure(title, pair_title(pair), explanation, WIDTH, grid_height(cells, COLUMNS))
        plot_grid(figure, MARGIN, top, cells, COLUMNS)
    return figure


def _answer(run: Run, index: int, unit: str) -> tuple[str, str]:
    predicted = int(run.predictions[index])
    # Never 100: that would claim what no network knows.
    probability = min(99, round(100 * float(run.probabilities[index].max())))
    return f"{run.class_names[predicted]} {probability}{unit}", BLUE if predicted == run.labels[index] else RED
