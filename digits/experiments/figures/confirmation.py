"""Confirmation: the best recipe against the default one, seed by seed, and their difference with its interval."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from digits.experiments.confirmation import Confirmation
from digits.experiments.figures.axes import end_at_100
from digits.experiments.records import Experiment
from digits.experiments.words import subject
from digits.figures.page import add_axes, new_figure
from digits.figures.style import BLUE, GREY, INK, MARGIN, ORANGE, PALE_INK, SMALL_SIZE, plot_interval, tidy_axes
from digits.names import percent

WIDTH, HEIGHT = 10.6, 2.6  # inches
LEFT, GAP = 0.9, 0.9


def plot_confirmation(experiment: Experiment, found: Confirmation) -> Figure:
    """Return the figure of an experiment of the kind 'confirm' in which both recipes were trained with one seed."""
    n = len(found.seeds)
    means = [sum(one.score["accuracy"] for one in group) / n for group in (found.default, found.best)]
    title = f"Test accuracy {percent(means[1])} with the best recipe, {percent(means[0])} with the default one"
    explanation = (
        "Left: thin lines join the trainings of one seed; large dots: means. Right: the difference of each seed, and "
        f"the mean with its 95 % t-interval. {found.best[0].score['n']:,} {experiment.evaluate_on} images; seeds "
        f"{', '.join(map(str, found.seeds))}. {found.remark()}"
    )
    with new_figure(title, subject(experiment), explanation, WIDTH, HEIGHT + 0.8) as (figure, top):
        width = (WIDTH - 2 * MARGIN - LEFT - GAP) / 2
        axes = add_axes(figure, MARGIN + LEFT, top + 0.1, width, HEIGHT)
        _plot_pairs(axes, found, means)
        axes = add_axes(figure, MARGIN + LEFT + width + GAP, top + 0.1, width, HEIGHT)
        _plot_differences(axes, found)
    return figure


def _plot_pairs(axes: Axes, found: Confirmation, means: list[float]) -> None:
    for default, best in zip(found.default, found.best, strict=True):
        pair = [100 * default.score["accuracy"], 100 * best.score["accuracy"]]
        axes.plot(pair, [0, 1], color=GREY, linewidth=1.2, marker="o", markersize=4, zorder=2)
    for row, (mean, colour) in enumerate(zip(means, (BLUE, ORANGE), strict=True)):
        axes.plot(100 * mean, row, "o", color=colour, markersize=10, zorder=3, markeredgecolor="white")
    axes.set(ylim=(1.5, -0.5), xlabel="Test accuracy, %")
    axes.set_yticks([0, 1], ["default", "best"])
    axes.margins(x=0.08)
    end_at_100(axes)
    axes.locator_params(axis="x", nbins=5)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    tidy_axes(axes, "x")


def _plot_differences(axes: Axes, found: Confirmation) -> None:
    spread = found.difference
    low, high = (100 * end for end in spread.interval or (spread.mean, spread.mean))
    axes.axvline(0, color=PALE_INK, linestyle=(0, (4, 3)), linewidth=1, zorder=1)
    plot_interval(axes, ([low, high], [0, 0]), (100 * spread.mean, 0), ORANGE)
    values = [100 * value for value in found.differences]
    axes.plot(values, [0.35] * len(values), "o", color=INK, alpha=0.6, markersize=4.5, markeredgewidth=0)
    axes.annotate(
        f"{100 * spread.mean:+.2f}",
        (100 * spread.mean, 0),
        (0, 9),
        textcoords="offset points",
        ha="center",
        size=SMALL_SIZE,
    )
    axes.set(ylim=(0.8, -0.6), xlabel="Best minus default, percentage points")
    axes.set_yticks([0, 0.35], ["mean", "seeds"])
    axes.margins(x=0.1)
    axes.locator_params(axis="x", nbins=6)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    tidy_axes(axes, "x")
