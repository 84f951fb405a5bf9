"""Runs side by side: accuracy with intervals, loss, seconds and parameters of all runs on one dataset."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes

from mnist_twice.evaluation import Evaluation, name_intervals
from mnist_twice.figures.page import Page, new_figure
from mnist_twice.figures.style import BLUE, FRAMEWORK_COLOURS, SMALL_SIZE, WIDE, plot_interval, tidy_axes
from mnist_twice.figures.text import fit_text, run_title, wrap_text
from mnist_twice.names import percent, spelled

ROW = 0.42  # inches for a run
LONGEST_NAME = 3.2


def plot_comparison(evaluations: Sequence[Evaluation], width: float = WIDE) -> Page | None:
    """Return two or more evaluated runs with the same images, the most accurate on top; None of a single one."""
    if len(evaluations) < 2:
        return None
    ordered = sorted(evaluations, key=lambda one: -one.accuracy)
    best, dataset = ordered[0], spelled(ordered[0].run.dataset)
    # Without the dataset, which all of them share.
    titles = [run_title(one.run).removeprefix(f"{dataset} · ") for one in ordered]
    names = [fit_text(title, SMALL_SIZE, LONGEST_NAME) for title in titles]
    alike = sum(one.interval[1] >= best.interval[0] for one in ordered[1:])
    explanation = (
        f"Bars around the accuracy: {name_intervals(ordered)}, n = {best.n:,} {best.run.evaluated_on} images. "
        + (
            f"{alike} other run{'s have intervals that overlap' if alike > 1 else ' has an interval that overlaps'} "
            "the best one's: accuracy alone does not tell them apart."
            if alike
            else "No other run's interval overlaps the best one's."
        )
    )
    title = f"Most accurate of {len(ordered)} runs: {names[0]}, {percent(best.accuracy)}"
    height = ROW * len(ordered) + 0.75
    shape: dict[str, Any] = {"ncols": 4, "width_ratios": [2.9, 1.5, 1.5, 1.5]}
    if width != WIDE:
        shape, height = {"nrows": 4}, 4 * height
        names = [wrap_text(fit_text(name, SMALL_SIZE, 2.4), SMALL_SIZE, 1.6) for name in titles]
    with new_figure(title, dataset, explanation, height=height, width=width) as figure:
        accuracies, losses, seconds, parameters = figure.subplots(sharey=width == WIDE, **shape)
        _plot_accuracies(accuracies, ordered)
        _plot_bars(losses, [one.loss for one in ordered], ordered, "{:.4f}")
        _plot_bars(seconds, [one.run.training_seconds for one in ordered], ordered, "{:,.1f}")
        _plot_bars(parameters, [one.run.parameters for one in ordered], ordered, "{:,.0f}")
        headings = ("Accuracy, %", "Cross-entropy loss", "Training time, s", "Parameters")
        for axes, heading in zip(figure.axes, headings, strict=True):
            axes.set(title=heading, ylim=(len(ordered) - 0.5, -0.5))
            axes.set_yticks(range(len(ordered)), names)
    return figure


def _plot_accuracies(axes: Axes, evaluations: Sequence[Evaluation]) -> None:
    for row, one in enumerate(evaluations):
        accuracy, interval = 100 * one.accuracy, [100 * end for end in one.interval]
        plot_interval(axes, (interval, [row, row]), (accuracy, row), _colour(one))
        above = (0, 5.5)
        axes.annotate(f"{accuracy:.2f}", (accuracy, row), above, textcoords="offset points", ha="center", size=9)
    lowest, highest = min(one.interval[0] for one in evaluations), max(one.interval[1] for one in evaluations)
    room = 8 * (highest - lowest)
    axes.set_xlim(100 * lowest - room, 100 * highest + room)
    axes.locator_params(axis="x", nbins=5)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    tidy_axes(axes, "x")


def _plot_bars(axes: Axes, values: Sequence[float | None], evaluations: Sequence[Evaluation], form: str) -> None:
    largest = max([1e-9, *(value for value in values if value is not None)])
    for row, (value, one) in enumerate(zip(values, evaluations, strict=True)):
        if value is not None:
            axes.barh(row, value, color=_colour(one), alpha=0.85, height=0.6)
        text = "not recorded" if value is None else form.format(value)
        axes.text((value or 0) + 0.03 * largest, row, text, va="center", size=9)
    axes.set_xlim(0, 1.75 * largest)
    axes.set_xticks([])
    tidy_axes(axes, "x")


def _colour(evaluation: Evaluation) -> str:
    return FRAMEWORK_COLOURS.get(evaluation.run.framework, BLUE)
