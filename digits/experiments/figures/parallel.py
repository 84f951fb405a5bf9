"""Parallel coordinates: every complete trial of a search as a line through the values of its options."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from digits.experiments.records import Experiment, Trial
from digits.experiments.scales import OptionScale, option_scale
from digits.experiments.searches import ranked
from digits.experiments.words import objective_label, objective_text, option_text, subject, value_text
from digits.figures.page import add_axes, add_text, new_figure
from digits.figures.style import INK, MARGIN, ORANGE, PALE_INK, SMALL_SIZE, TEXT_SIZE
from digits.figures.text import fit_text, wrap_text

WIDTH, HEIGHT = 10.6, 3.9  # inches
BAR = 0.16
# From pale to dark, so that the best of many lines stand out, in grey print too.
COLOURS = LinearSegmentedColormap.from_list("good", ["#d3dbe3", "#7fb0d3", "#0072b2", "#08306b"])


def plot_parallel(experiment: Experiment) -> Figure:
    """Return the figure of a search with at least one complete trial and one varied option."""
    best = ranked(experiment)
    trials = best[::-1]  # the best are drawn last, over the others
    names = experiment.varied
    chosen = ", ".join(f"{option_text(name)} {value_text(best[0].values.get(name))}" for name in names)
    title = f"Best of {len(best):,} complete trials: {chosen}" if len(best) > 1 else f"The one complete trial: {chosen}"
    explanation = (
        "A line is a trial; it crosses each axis at the value of that option, and lines through the same level are "
        f"moved apart a little. Colour: rank by {experiment.evaluate_on} {experiment.objective}, the best darkest. "
        f"Orange: the best, trial {best[0].number}."
    )
    scales = [option_scale(experiment, name) for name in names]
    ranks = np.linspace(0, 1, len(trials)) if len(trials) > 1 else np.ones(1)
    with new_figure(title, subject(experiment), explanation, WIDTH, HEIGHT + 0.6) as (figure, top):
        left, right = MARGIN + 0.35, 2.0
        gap = (WIDTH - left - right - MARGIN) / len(names)
        axes = add_axes(figure, left, top + 0.55, gap * len(names), HEIGHT)
        heights = np.stack([_heights(scale, trials) for scale in scales] + [ranks], axis=1)
        places = np.arange(len(names) + 1)
        lines = np.stack([np.broadcast_to(places, heights.shape), heights], axis=2)
        many = len(trials) > 300
        axes.add_collection(
            LineCollection(
                list(lines),
                colors=COLOURS(ranks),
                linewidths=0.6 if many else 1.3,
                alpha=0.6 if many else 0.9,
                capstyle="round",
                rasterized=many,
            )
        )
        axes.plot(places, heights[-1], color="white", linewidth=5, zorder=4)
        axes.plot(places, heights[-1], color=ORANGE, linewidth=3, zorder=5, marker="o", markersize=7, clip_on=False)
        axes.set(xlim=(0, len(names)), ylim=(-0.03, 1.03))
        axes.axis("off")
        for place, scale in enumerate(scales):
            _draw_axis(axes, place, scale, gap)
            _head(
                figure, left + place * gap, top, option_text(scale.name) + (" (log)" if scale.logarithmic else ""), gap
            )
        _head(figure, left + len(names) * gap, top, objective_label(experiment), right)
        _draw_ranks(axes, experiment, best, len(names), gap)
    return figure


def _heights(scale: OptionScale, trials: list[Trial]) -> np.ndarray:
    return scale.spread(scale.positions([trial.values.get(scale.name) for trial in trials]))


def _draw_axis(axes: Axes, place: int, scale: OptionScale, gap: float) -> None:
    axes.plot([place, place], [0, 1], color=INK, linewidth=1.2, zorder=6, clip_on=False)
    for height, text in zip(*scale.ticks(), strict=True):
        axes.annotate(
            fit_text(text, SMALL_SIZE, gap - 0.2),
            (place, height),
            (5, 0),
            textcoords="offset points",
            va="center",
            size=SMALL_SIZE,
            zorder=7,
            annotation_clip=False,
            bbox={"boxstyle": "round,pad=0.15", "facecolor": "white", "edgecolor": "none", "alpha": 0.8},
        )


def _draw_ranks(axes: Axes, experiment: Experiment, best: list[Trial], place: int, gap: float) -> None:
    """Draw the last axis: the colours from the worst rank to the best, and the objective of some of them."""
    shades = np.linspace(0, 1, 256)[:, None]
    width = BAR / gap
    axes.imshow(
        shades,
        cmap=COLOURS,
        origin="lower",
        aspect="auto",
        extent=(place, place + width, 0, 1),
        zorder=6,
        clip_on=False,
    )
    steps = (
        [0.0, 0.25, 0.5, 0.75, 1.0]
        if len(best) >= 5
        else list(np.linspace(0, 1, len(best)))
        if len(best) > 1
        else [1.0]
    )
    words = {1.0: "best", 0.5: "median", 0.0: "worst"} if len(best) >= 5 else {1.0: "best"}
    for step in steps:
        trial = best[round((1 - step) * (len(best) - 1))]
        text = objective_text(experiment, trial.objective or 0.0)
        text += f"  {words[step]}" if step in words else ""
        axes.annotate(
            text,
            (place + width, step),
            (6, 0),
            textcoords="offset points",
            va="center",
            size=SMALL_SIZE,
            annotation_clip=False,
        )
    axes.set(xlim=(0, place), ylim=(-0.03, 1.03))


def _head(figure: Figure, left: float, top: float, text: str, gap: float) -> None:
    """Write what an axis shows above it, in two lines at most."""
    lines = wrap_text(text, TEXT_SIZE, gap - 0.1)[:2]
    for number, line in enumerate(lines):
        add_text(figure, left - 0.05, top + 0.24 * (number + 2 - len(lines)), line, color=PALE_INK)
