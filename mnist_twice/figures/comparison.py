"""Runs side by side: accuracy, difference from the best, loss, seconds and parameters of all runs on one dataset."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes

from mnist_twice.evaluation import SIGNIFICANT, Evaluation, compare_pair, holm, name_intervals
from mnist_twice.figures.page import Page, new_figure
from mnist_twice.figures.style import BLUE, FRAMEWORK_COLOURS, GREY, SMALL_SIZE, WIDE, plot_interval, tidy_axes
from mnist_twice.figures.text import fit_text, run_title, wrap_text
from mnist_twice.names import p_text, percent, spelled

ROW = 0.42  # inches for a run
LONGEST_NAME = 2.9


def plot_comparison(evaluations: Sequence[Evaluation], width: float = WIDE) -> Page | None:
    """Return two or more evaluated runs with the same images, the most accurate on top; None of a single one."""
    if len(evaluations) < 2:
        return None
    ordered = sorted(evaluations, key=lambda one: -one.accuracy)
    best, dataset = ordered[0], spelled(ordered[0].run.dataset)
    # Without the dataset, which all of them share.
    titles = [run_title(one.run).removeprefix(f"{dataset} · ") for one in ordered]
    names = [fit_text(title, SMALL_SIZE, LONGEST_NAME) for title in titles]
    pairs = [compare_pair(one.run, best.run) for one in ordered[1:]]
    p_values = holm([pair.p_value for pair in pairs])
    differing = sum(p_value < SIGNIFICANT for p_value in p_values)
    tests = " or ".join(dict.fromkeys(pair.test for pair in pairs))
    explanation = f"Significantly different from it: {differing} of {len(pairs)} (p below {SIGNIFICANT} in the {tests}"
    explanation += ", after Holm's correction)." if len(pairs) > 1 else ")."
    reading = (
        f"Bars: {name_intervals(ordered)}, n = {best.n:,} {best.run.evaluated_on} images. Compare runs by their "
        "difference, which is of the same images: intervals of accuracies overlap even where runs differ."
    )
    colours = [FRAMEWORK_COLOURS.get(one.run.framework, BLUE) for one in ordered]
    title = f"Most accurate of {len(ordered)} runs: {names[0]}, {percent(best.accuracy)}"
    height = ROW * len(ordered) + 0.75
    shape: dict[str, Any] = {"ncols": 5, "width_ratios": [2.2, 2.2, 1.2, 1.2, 1.2]}
    if width != WIDE:
        shape, height = {"nrows": 5}, 5 * height
        names = [wrap_text(fit_text(name, SMALL_SIZE, 2.4), SMALL_SIZE, 1.6) for name in titles]
    with new_figure(title, dataset, explanation, reading, height=height, width=width) as figure:
        accuracies, differences, losses, seconds, parameters = figure.subplots(sharey=width == WIDE, **shape)
        differences.axvline(0, color=GREY, linewidth=1)
        for row, one in enumerate(ordered):
            _plot_row(accuracies, row, colours[row], one.accuracy, one.interval, f"{100 * one.accuracy:.2f}")
        for row, (one, pair, p_value) in enumerate(zip(ordered[1:], pairs, p_values, strict=True), 1):
            gap = one.accuracy - best.accuracy
            _plot_row(differences, row, colours[row], gap, pair.interval, f"{100 * gap:.2f}, p {p_text(p_value)}")
        _plot_bars(losses, [one.loss for one in ordered], colours, "{:.4f}")
        _plot_bars(seconds, [one.run.training_seconds for one in ordered], colours, "{:,.1f}")
        _plot_bars(parameters, [one.run.parameters for one in ordered], colours, "{:,.0f}")
        headings = ("Accuracy, %", "Difference, points", "Loss", "Training, s", "Parameters")
        for axes, heading in zip(figure.axes, headings, strict=True):
            axes.set(title=heading, ylim=(len(ordered) - 0.5, -0.5))
            axes.set_yticks(range(len(ordered)), names)
            tidy_axes(axes, "x")
    return figure


def _plot_row(axes: Axes, row: int, colour: str, middle: float, interval: tuple[float, float], text: str) -> None:
    """Plot a number, in per cent, with its interval, and `text` above it."""
    plot_interval(axes, ([100 * end for end in interval], [row, row]), (100 * middle, row), colour)
    above = (0, 5.5)
    axes.annotate(text, (100 * middle, row), above, textcoords="offset points", ha="center", size=9)
    axes.locator_params(axis="x", nbins=4)
    axes.ticklabel_format(axis="x", style="plain", useOffset=False)


def _plot_bars(axes: Axes, values: Sequence[float | None], colours: Sequence[str], form: str) -> None:
    largest = max([1e-9, *(value for value in values if value is not None)])
    for row, (value, colour) in enumerate(zip(values, colours, strict=True)):
        if value is not None:
            axes.barh(row, value, color=colour, alpha=0.85, height=0.6)
        text = "not recorded" if value is None else form.format(value)
        axes.text((value or 0) + 0.03 * largest, row, text, va="center", size=9)
    axes.set_xlim(0, 2.2 * largest)
    axes.set_xticks([])
