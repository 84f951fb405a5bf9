"""Runs side by side: accuracy with intervals, loss, seconds and parameters of all runs on one dataset."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from digits.evaluation import Evaluation
from digits.figures.style import (
    BLUE,
    FRAMEWORK_COLOURS,
    MARGIN,
    SMALL_SIZE,
    SPELLING,
    add_axes,
    figure_style,
    fit_text,
    percent,
    run_title,
    start_figure,
    text_width,
    tidy_axes,
)

ROW = 0.42  # inches for a run


def plot_comparison(evaluations: Sequence[Evaluation]) -> Figure:
    """Return all judged runs of one dataset, the most accurate on top; they must have the same test images."""
    ordered = sorted(evaluations, key=lambda one: -one.accuracy)
    best, dataset = ordered[0], ordered[0].run.dataset
    spelled = SPELLING.get(dataset, dataset)
    names = [fit_text(_short_title(one, spelled), SMALL_SIZE, 3.2) for one in ordered]
    left = max(text_width(name, SMALL_SIZE) for name in names) + 0.15
    title = f"Most accurate of {len(ordered)} runs: {fit_text(names[0], SMALL_SIZE, 3.2)}, {percent(best.accuracy)}"
    alike = sum(one.interval[1] >= best.interval[0] for one in ordered[1:])
    explanation = f"Bars at the accuracy are 95 % Wilson intervals at n = {best.n:,} test images. " + (
        f"{alike} other run{'s have intervals that overlap' if alike > 1 else ' has an interval that overlaps'} "
        "the best one's: accuracy alone does not tell them apart."
        if alike
        else "No other run's interval reaches that of the best one."
        if len(ordered) > 1
        else ""
    )
    if len(ordered) == 1:
        title = f"{names[0]}: {percent(best.accuracy)} of {best.n:,} test images recognised"
    columns = [("Accuracy, %", 2.9), ("Loss, nats", 1.5), ("Training, seconds", 1.5), ("Parameters", 1.5)]
    gap, height = 0.3, ROW * len(ordered) + 0.1
    width = 2 * MARGIN + left + sum(size for _, size in columns) + gap * len(columns)
    with figure_style():
        figure, top = start_figure(title, spelled, explanation, width, height + 0.65)
        start = MARGIN + left
        panels = []
        for name, size in columns:
            axes = add_axes(figure, start, top + 0.3, size, height)
            axes.set_title(name, pad=8)
            panels.append(axes)
            start += size + gap
        _plot_accuracies(panels[0], ordered)
        _plot_bars(panels[1], [one.loss for one in ordered], ordered, "{:.4f}")
        _plot_bars(panels[2], [one.run.training_seconds for one in ordered], ordered, "{:,.1f}")
        _plot_bars(panels[3], [one.run.parameters for one in ordered], ordered, "{:,.0f}")
        for number, axes in enumerate(panels):
            axes.set(ylim=(len(ordered) - 0.5, -0.5))
            axes.set_yticks(range(len(ordered)), names if number == 0 else [""] * len(ordered))
    return figure


def _plot_accuracies(axes: Axes, evaluations: Sequence[Evaluation]) -> None:
    for row, one in enumerate(evaluations):
        colour, (low, high) = _colour(one), one.interval
        axes.plot([100 * low, 100 * high], [row, row], color=colour, alpha=0.4, linewidth=4, solid_capstyle="round")
        axes.plot(100 * one.accuracy, row, "o", color=colour, markersize=8)
        axes.annotate(
            f"{100 * one.accuracy:.2f}",
            (100 * one.accuracy, row),
            xytext=(0, 5.5),
            textcoords="offset points",
            ha="center",
            va="bottom",
            size=9,
        )
    lowest, highest = min(one.interval[0] for one in evaluations), max(one.interval[1] for one in evaluations)
    room = 8 * (highest - lowest)
    axes.set_xlim(100 * lowest - room, 100 * highest + room)
    axes.locator_params(axis="x", nbins=5)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    tidy_axes(axes, "x")


def _plot_bars(axes: Axes, values: Sequence[float | None], evaluations: Sequence[Evaluation], form: str) -> None:
    known = [value for value in values if value is not None]
    largest = max([*known, 1e-9])
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


def _short_title(evaluation: Evaluation, dataset: str) -> str:
    """Return the run's title without the dataset, which all of them share."""
    return run_title(evaluation.run).removeprefix(f"{dataset} · ")
