"""Runs side by side: accuracy with intervals, loss, seconds and parameters of all runs on one dataset."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from digits.evaluation import Evaluation, name_intervals
from digits.figures.page import add_axes, new_figure
from digits.figures.style import BLUE, FRAMEWORK_COLOURS, MARGIN, SMALL_SIZE, plot_interval, tidy_axes
from digits.figures.text import fit_text, run_title, text_width
from digits.names import percent, spelled

ROW = 0.42  # inches for a run
GAP = 0.3
COLUMNS = {"Accuracy, %": 2.9, "Cross-entropy loss": 1.5, "Training time, s": 1.5, "Parameters": 1.5}


def plot_comparison(evaluations: Sequence[Evaluation]) -> Figure:
    """Return two or more evaluated runs with the same images, the most accurate on top."""
    ordered = sorted(evaluations, key=lambda one: -one.accuracy)
    best, dataset = ordered[0], spelled(ordered[0].run.dataset)
    # Without the dataset, which all of them share.
    titles = [run_title(one.run).removeprefix(f"{dataset} · ") for one in ordered]
    names = [fit_text(title, SMALL_SIZE, 3.2) for title in titles]
    left = MARGIN + max(text_width(name, SMALL_SIZE) for name in names) + 0.15
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
    height = ROW * len(ordered) + 0.1
    width = MARGIN + left + sum(COLUMNS.values()) + GAP * len(COLUMNS)
    title = f"Most accurate of {len(ordered)} runs: {names[0]}, {percent(best.accuracy)}"
    with new_figure(title, dataset, explanation, width, height + 0.65) as (figure, top):
        panels = []
        for number, (name, size) in enumerate(COLUMNS.items()):
            panels.append(axes := add_axes(figure, left, top + 0.3, size, height))
            axes.set_title(name, pad=8)
            axes.set(ylim=(len(ordered) - 0.5, -0.5))
            axes.set_yticks(range(len(ordered)), [name if number == 0 else "" for name in names])
            left += size + GAP
        _plot_accuracies(panels[0], ordered)
        _plot_bars(panels[1], [one.loss for one in ordered], ordered, "{:.4f}")
        _plot_bars(panels[2], [one.run.training_seconds for one in ordered], ordered, "{:,.1f}")
        _plot_bars(panels[3], [one.run.parameters for one in ordered], ordered, "{:,.0f}")
    return figure


def _plot_accuracies(axes: Axes, evaluations: Sequence[Evaluation]) -> None:
    for row, one in enumerate(evaluations):
        accuracy, interval = 100 * one.accuracy, [100 * end for end in one.interval]
        plot_interval(axes, (interval, [row, row]), (accuracy, row), _colour(one))
        offset: dict[str, Any] = {"xytext": (0, 5.5), "textcoords": "offset points"}
        axes.annotate(f"{accuracy:.2f}", (accuracy, row), **offset, ha="center", va="bottom", size=9)
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
