"""Optimisation history: the objective of each trial of a search, the best so far, and where the others were stopped."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from digits.experiments.figures.axes import ObjectiveScale, objective_scale
from digits.experiments.records import Experiment, Trial
from digits.experiments.searches import epochs_trained, last_value, pruning_of, ranked
from digits.experiments.words import count, objective_text, pruning_text, subject
from digits.figures.page import add_axes, new_figure
from digits.figures.style import BLUE, GREEN, GREY, MARGIN, ORANGE, RED, SMALL_SIZE, tidy_axes

WIDTH, HEIGHT, STRIP = 10.6, 3.6, 1.0  # inches; the height of the panel, and of that of the epochs


def plot_history(experiment: Experiment) -> Figure:
    """Return the figure of a search in which at least one trial has reported an epoch."""
    best = ranked(experiment)
    pruning, trials = pruning_of(experiment), experiment.trials
    name = f"{experiment.evaluate_on} {experiment.objective}"
    title = (
        f"Best {name} {objective_text(experiment, best[0].objective or 0.0)}, "
        f"in trial {best[0].number} of {len(trials):,}"
        if best
        else f"All {len(trials):,} trials were pruned"
        if all(trial.state == "pruned" for trial in trials)
        else f"No trial is complete yet, of {len(trials):,}"
    )
    shown = [trial for trial in trials if last_value(trial) is not None]
    values = [last_value(trial) or 0.0 for trial in shown]
    scale = objective_scale(experiment, values)
    _, beyond = scale.clip(values)
    explanation = "Line: the best complete trial so far." if best else ""
    if any(trial.state == "pruned" for trial in trials):
        explanation += " Crosses: trials that were pruned, at the value that they reported last."
    if pruning:
        explanation += f" {pruning_text(pruning)}"
    if beyond.any():
        explanation += f" Triangles at the edge: {count(int(beyond.sum()), 'trial')} beyond it."
    strip = any(trial.state == "pruned" for trial in trials)
    below = STRIP + 0.25 if strip else 0.0
    with new_figure(title, subject(experiment), explanation, WIDTH, HEIGHT + 0.75 + below) as (figure, top):
        left, width = MARGIN + 0.75, WIDTH - 2 * MARGIN - 0.8
        axes = add_axes(figure, left, top + 0.05, width, HEIGHT)
        _plot_values(axes, shown, scale)
        _plot_best(axes, best, trials, scale)
        _plot_failed(axes, trials)
        scale.apply(axes)
        axes.set_ylabel(scale.label)
        style: dict[str, Any] = {"frameon": False, "fontsize": SMALL_SIZE, "borderpad": 0, "handletextpad": 0.4}
        panels = [axes]
        if strip:
            panels.append(add_axes(figure, left, top + HEIGHT + 0.2, width, STRIP))
            _plot_epochs(panels[1], trials)
        for panel in panels:
            _finish(panel, trials)
        panels[-1].set_xlabel("Trial")
        axes.tick_params(labelbottom=not strip)
        bottom = panels[-1].get_position().height * figure.get_size_inches()[1]
        axes.legend(
            loc="upper center",
            bbox_to_anchor=(0.5, -0.55 / bottom),
            bbox_transform=panels[-1].transAxes,
            ncols=6,
            **style,
        )
        figure.align_ylabels(panels)
    return figure


def _plot_values(axes: Axes, trials: list[Trial], scale: ObjectiveScale) -> None:
    size = 6.0 if len(trials) <= 200 else 3.0
    kinds: list[tuple[str, str, str, dict[str, Any]]] = [
        ("pruned", "x", GREY, {"markeredgewidth": 1.4}),
        ("running", "o", GREEN, {"markerfacecolor": "white", "markeredgewidth": 1.6}),
        ("complete", "o", BLUE, {"alpha": 0.85, "markeredgewidth": 0}),
    ]
    for state, marker, colour, style in kinds:
        these = [trial for trial in trials if trial.state == state]
        if not these:
            continue
        numbers = np.array([trial.number for trial in these])
        values, beyond = scale.clip([last_value(trial) or 0.0 for trial in these])
        style = {"linestyle": "", "color": colour, "markersize": size, "zorder": 3, **style}
        axes.plot(numbers[~beyond], values[~beyond], marker=marker, label=state, **style)
        edge = "^" if scale.lower_is_better else "v"
        axes.plot(
            numbers[beyond], values[beyond], marker=edge, **{**style, "markeredgewidth": 0, "markerfacecolor": colour}
        )


def _plot_best(axes: Axes, best: list[Trial], trials: tuple[Trial, ...], scale: ObjectiveScale) -> None:
    """Plot the best so far as steps, from the first complete trial to the last trial, and mark the best of all."""
    if not best:
        return
    complete = sorted(best, key=lambda trial: trial.number)
    so_far = (np.minimum if scale.lower_is_better else np.maximum).accumulate(
        [trial.objective or 0.0 for trial in complete]
    )
    numbers = [trial.number for trial in complete]
    values, _ = scale.clip([*so_far, so_far[-1]])
    end = max(trial.number for trial in trials)
    axes.plot([*numbers, end], values, drawstyle="steps-post", color=ORANGE, linewidth=2, label="best so far", zorder=2)
    axes.plot(
        [best[0].number],
        scale.clip([best[0].objective or 0.0])[0],
        "D",
        color=ORANGE,
        markersize=9,
        zorder=4,
        markeredgecolor="white",
        label="best of all",
    )


def _plot_failed(axes: Axes, trials: tuple[Trial, ...]) -> None:
    failed = [trial.number for trial in trials if trial.state == "failed"]
    if failed:
        axes.plot(
            failed,
            [0.015] * len(failed),
            "P",
            color=RED,
            markersize=8,
            markeredgecolor="white",
            label="failed",
            transform=axes.get_xaxis_transform(),
            zorder=4,
        )


def _plot_epochs(axes: Axes, trials: tuple[Trial, ...]) -> None:
    """Plot how many epochs each trial was trained."""
    width = axes.get_position().width * WIDTH * 72  # points
    thickness = min(40.0, max(0.8 * width / len(trials), 0.5))
    for state, colour in (("complete", BLUE), ("running", GREEN), ("pruned", GREY)):
        these = [trial for trial in trials if trial.state == state]
        bars = [[(trial.number, 0), (trial.number, epochs_trained(trial))] for trial in these]
        axes.add_collection(LineCollection(bars, colors=colour, linewidths=thickness, capstyle="butt"))
    axes.set_ylabel("Epochs")
    axes.set_ylim(0, max(1, *(epochs_trained(trial) for trial in trials)))
    axes.yaxis.set_major_locator(MaxNLocator(3, integer=True, min_n_ticks=1))


def _finish(axes: Axes, trials: tuple[Trial, ...]) -> None:
    numbers = [trial.number for trial in trials]
    room = max(0.6, 0.01 * len(trials))
    axes.set_xlim(min(numbers) - room, max(numbers) + room)
    axes.xaxis.set_major_locator(MaxNLocator(10, integer=True, min_n_ticks=1, steps=[1, 2, 5, 10]))
    tidy_axes(axes)
