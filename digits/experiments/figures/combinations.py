"""Combinations: accuracy, loss and seconds of each combination of a grid, the mean with its interval and every seed."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from digits.experiments.combinations import Combination, combinations_of
from digits.experiments.figures.axes import end_at_100
from digits.experiments.records import Experiment
from digits.experiments.statistics import Spread
from digits.experiments.words import subject, values_text
from digits.figures.page import add_axes, new_figure
from digits.figures.style import BLUE, FRAMEWORK_COLOURS, INK, MARGIN, SMALL_SIZE, plot_interval, tidy_axes
from digits.figures.text import fit_text, text_width
from digits.names import percent

ROW, GAP = 0.42, 0.35  # inches; the height of a combination
MOST_ROWS = 60
ACCURACY, LOSS, SECONDS = 3.7, 2.2, 1.5  # widths


def plot_combinations(experiment: Experiment) -> Figure:
    """Return the figure of a grid in which at least one training is finished, the most accurate combination on top."""
    combinations = [one for one in combinations_of(experiment) if one.trainings]
    combinations.sort(key=lambda one: -one.accuracy.mean if one.accuracy else 0)
    shown = combinations[:MOST_ROWS]
    names = [fit_text(values_text(one.values), SMALL_SIZE, 3.4) for one in shown]
    best = shown[0]
    assert best.accuracy is not None
    seeds = f"mean of {len(best.trainings)} seeds" if len(best.trainings) > 1 else "one seed"
    title = f"Most accurate: {names[0]}, {percent(best.accuracy.mean)} ({seeds})"
    if len(combinations) == 1:
        title = f"{names[0]}: {percent(best.accuracy.mean)} ({seeds})"
    explanation = (
        f"Large dots: means over the seeds with their 95 % t-intervals; small dots: single seeds. Measured on "
        f"{best.trainings[0].score['n']:,} {experiment.evaluate_on} images. Seconds: the median."
    )
    if len(combinations) > len(shown):
        explanation += f" The best {len(shown)} of {len(combinations)} combinations."
    left = MARGIN + max(text_width(name, SMALL_SIZE) for name in names) + 0.15
    height = ROW * len(shown) + 0.1
    width = left + ACCURACY + LOSS + SECONDS + 2 * GAP + MARGIN + 0.1
    with new_figure(title, subject(experiment), explanation, width, height + 0.65) as (figure, top):
        panels = []
        for size, text in ((ACCURACY, "Accuracy, %"), (LOSS, "Cross-entropy loss"), (SECONDS, "Training time, s")):
            panels.append(axes := add_axes(figure, left, top + 0.3, size, height))
            axes.set_title(text, pad=8)
            axes.set(ylim=(len(shown) - 0.5, -0.5))
            axes.set_yticks(range(len(shown)), [name if len(panels) == 1 else "" for name in names])
            left += size + GAP
        accuracies = [[100 * training.score["accuracy"] for training in one.trainings] for one in shown]
        losses = [[training.score["loss"] for training in one.trainings] for one in shown]
        _plot_spreads(panels[0], shown, accuracies, [one.accuracy for one in shown], 100)
        _plot_spreads(panels[1], shown, losses, [one.loss for one in shown], 1)
        _plot_seconds(panels[2], shown)
    return figure


def _plot_spreads(
    axes: Axes,
    combinations: Sequence[Combination],
    seeds: list[list[float]],
    spreads: Sequence[Spread | None],
    unit: float,
) -> None:
    for row, (one, values, spread) in enumerate(zip(combinations, seeds, spreads, strict=True)):
        assert spread is not None
        colour = _colour(one)
        low, high = spread.interval or (spread.mean, spread.mean)
        plot_interval(axes, ([unit * low, unit * high], [row, row]), (unit * spread.mean, row), colour)
        if len(values) > 1:
            axes.plot(values, [row + 0.27] * len(values), "o", color=INK, alpha=0.55, markersize=3, markeredgewidth=0)
    if unit == 100:
        end_at_100(axes)
    axes.locator_params(axis="x", nbins=5)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    tidy_axes(axes, "x")


def _plot_seconds(axes: Axes, combinations: Sequence[Combination]) -> None:
    largest = max([1e-9, *(one.seconds or 0.0 for one in combinations)])
    for row, one in enumerate(combinations):
        axes.barh(row, one.seconds or 0.0, color=_colour(one), alpha=0.85, height=0.6)
        axes.text((one.seconds or 0.0) + 0.03 * largest, row, f"{one.seconds or 0.0:,.1f}", va="center", size=9)
    axes.set_xlim(0, 1.6 * largest)
    axes.set_xticks([])
    tidy_axes(axes, "x")


def _colour(combination: Combination) -> str:
    return FRAMEWORK_COLOURS.get(str(combination.values.get("framework")), BLUE)
