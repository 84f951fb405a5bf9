"""Slices: the objective of every trial of a search over each option, one small panel an option."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from digits.experiments.figures.axes import ObjectiveScale, apply_ticks, objective_scale
from digits.experiments.records import Experiment, Trial
from digits.experiments.scales import OptionScale, option_scale
from digits.experiments.searches import last_value, ranked
from digits.experiments.words import count, option_text, subject
from digits.figures.page import add_axes, new_figure
from digits.figures.style import BLUE, GREY, MARGIN, ORANGE, PALE_INK, tidy_axes

WIDTH, HEIGHT, GAP = 10.6, 2.3, 0.35  # inches; the height of a panel
MOST_COLUMNS = 4


def plot_slices(experiment: Experiment) -> Figure:
    """Return the figure of a search with at least one varied option and one trial that reported an epoch."""
    best = ranked(experiment)
    shown = [
        trial for trial in experiment.trials if trial.state in ("pruned", "complete") and last_value(trial) is not None
    ]
    scale = objective_scale(experiment, [last_value(trial) or 0.0 for trial in shown])
    names = experiment.varied
    name = f"{experiment.evaluate_on} {experiment.objective}"
    title = f"{name.capitalize()} by each option, {count(len(shown), 'trial')}"
    explanation = "All panels share the vertical axis. Dots: complete trials"
    if any(trial.state == "pruned" for trial in shown):
        explanation += "; crosses: pruned ones, at the value that they reported last"
    explanation += f"; diamond: the best, trial {best[0].number}" if best else ""
    explanation += ". Dashed lines: the default recipe." if experiment.defaults else "."
    _, beyond = scale.clip([last_value(trial) or 0.0 for trial in shown])
    if beyond.any():
        explanation += f" Triangles at the edge: {count(int(beyond.sum()), 'trial')} beyond it."
    columns = min(MOST_COLUMNS, len(names))
    columns = ceil(len(names) / ceil(len(names) / columns))  # rows of equal length
    rows = ceil(len(names) / columns)
    left = MARGIN + 0.75
    width = min(3.6, (WIDTH - left - MARGIN - 0.1 - GAP * (columns - 1)) / columns)
    step = HEIGHT + 0.85
    with new_figure(title, subject(experiment), explanation, WIDTH, step * rows - 0.1) as (figure, top):
        for number, option in enumerate(names):
            row, column = divmod(number, columns)
            axes = add_axes(figure, left + column * (width + GAP), top + 0.05 + row * step, width, HEIGHT)
            _plot_option(axes, experiment, option_scale(experiment, option), shown, scale, width)
            scale.apply(axes)
            tidy_axes(axes, "both")
            if column:
                axes.set_yticklabels([])
            else:
                axes.set_ylabel(scale.label)
    return figure


def _plot_option(
    axes: Axes,
    experiment: Experiment,
    option: OptionScale,
    trials: Sequence[Trial],
    scale: ObjectiveScale,
    width: float,
) -> None:
    size = 5.0 if len(trials) <= 200 else 2.5
    positions = option.spread(option.positions([trial.values.get(option.name) for trial in trials]))
    values, beyond = scale.clip([last_value(trial) or 0.0 for trial in trials])
    best = ranked(experiment)[:1]
    edge = "^" if scale.lower_is_better else "v"
    kinds: dict[str, dict[str, Any]] = {
        "pruned": {"marker": "x", "color": GREY, "markeredgewidth": 1.2},
        "complete": {"marker": "o", "color": BLUE, "markeredgewidth": 0, "alpha": 0.75},
    }
    for state, style in kinds.items():
        these = [trial.state == state for trial in trials]
        axes.plot(positions[these & ~beyond], values[these & ~beyond], linestyle="", markersize=size, **style)
        axes.plot(
            positions[these & beyond],
            values[these & beyond],
            linestyle="",
            markersize=size,
            **{**style, "marker": edge, "markeredgewidth": 0},
        )
    for trial in best:
        at = trials.index(trial)
        axes.plot(positions[at], values[at], "D", color=ORANGE, markersize=8, markeredgecolor="white", zorder=4)
    default = experiment.defaults.get(option.name)
    if default is not None and _lies_on(option, default):
        (at,) = option.positions([default])
        axes.axvline(at, color=PALE_INK, linestyle=(0, (4, 3)), linewidth=1, zorder=1)
    apply_ticks(axes, option, width)
    axes.set_xlabel(_capital(option_text(option.name)) + (" (log)" if option.logarithmic else ""))


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _lies_on(option: OptionScale, value: Any) -> bool:
    """Return whether the value can be shown: one of the levels, or between the ends."""
    if option.levels:
        return value in option.levels
    return isinstance(value, int | float) and option.low <= value <= option.high
