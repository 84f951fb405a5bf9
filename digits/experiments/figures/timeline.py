"""Trainings over time: when each worker worked at which trial, and how it ended."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from digits.experiments.records import Experiment, Trial
from digits.experiments.words import count, subject
from digits.figures.page import add_axes, new_figure
from digits.figures.style import BLUE, GREEN, GREY, MARGIN, RED, SMALL_SIZE, tidy_axes
from digits.figures.text import fit_text, text_width
from digits.names import percent

WIDTH = 10.6  # inches
MOST_WORKERS = 60
# Told apart by hatches too, in grey print and by colour-blind readers.
STYLES: dict[str, dict[str, Any]] = {
    "complete": {"facecolor": BLUE},
    "pruned": {"facecolor": GREY},
    "failed": {"facecolor": RED, "hatch": "xxx"},
    "running": {"facecolor": "white", "edgecolor": GREEN, "linewidth": 1.4, "hatch": "///"},
}


def plot_timeline(experiment: Experiment) -> Figure:
    """Return the figure of an experiment in which at least one trial was started."""
    started = [trial for trial in experiment.trials if trial.started and trial.worker]
    moments = [moment for trial in started for moment in (trial.started, trial.finished) if moment]
    first, last = min(moments), max(moments)
    workers: dict[str, list[Trial]] = {}
    for trial in sorted(started, key=lambda trial: (trial.started or first, trial.number)):
        workers.setdefault(trial.worker, []).append(trial)
    unit, name = _unit((last - first).total_seconds())

    def place(moment: datetime | None) -> float:
        return ((moment or last) - first).total_seconds() / unit

    end = place(last)
    busy = sum(place(trial.finished) - place(trial.started) for trial in started)
    duration = _duration((last - first).total_seconds())
    title = f"{count(len(started), 'trial')} by {count(len(workers), 'worker')} in {duration}"
    explanation = "A line for each worker (host:process), a bar for each of its trials, from its start to its end."
    if end > 0 and len(workers) > 1:
        explanation += f" On average {busy / end:.1f} of the {len(workers)} workers were busy."
    elif end > 0:
        explanation += f" It was busy {percent(min(1.0, busy / end), 0)} of the time."
    if len(workers) > MOST_WORKERS:
        explanation += f" The first {MOST_WORKERS} workers are shown."
    shown = list(workers.items())[:MOST_WORKERS]
    row = 0.42 if len(shown) <= 8 else 0.25
    names = [fit_text(worker, SMALL_SIZE, 2.4) for worker, _ in shown]
    left = MARGIN + max(text_width(text, SMALL_SIZE) for text in names) + 0.15
    height = max(row * len(shown), 0.6)
    with new_figure(title, subject(experiment), explanation, WIDTH, height + 0.8) as (figure, top):
        axes = add_axes(figure, left, top, WIDTH - left - MARGIN - 0.1, height)
        outline: dict[str, Any] = {"edgecolor": "white", "linewidth": 0.8 if len(started) <= 300 else 0.2}
        for line, (_, trials) in enumerate(shown):
            for state, style in STYLES.items():
                bars = [(place(trial.started), place(trial.finished)) for trial in trials if trial.state == state]
                widths = [(begin, max(finish - begin, 0.001 * end)) for begin, finish in bars]
                axes.broken_barh(widths, (line - 0.36, 0.72), **{**outline, **style})
        _label_bars(axes, shown, place, end, WIDTH - left)
        axes.set(xlim=(0, end or 1), ylim=(len(shown) - 0.5, -0.5), xlabel=f"Time since the first start, {name}")
        axes.set_yticks(range(len(names)), names)
        tidy_axes(axes, "x")
        states = {trial.state for trial in started}
        handles = [Patch(label=state, **STYLES[state]) for state in STYLES if state in states]
        axes.legend(
            handles=handles,
            loc="upper center",
            bbox_to_anchor=(0.5, -0.5 / height),
            ncols=4,
            frameon=False,
            fontsize=SMALL_SIZE,
            borderpad=0,
        )
    return figure


def _label_bars(axes: Axes, shown: list[tuple[str, list[Trial]]], place: Any, end: float, width: float) -> None:
    """Write a trial's number into its bar where all of them have room for it."""
    trials = [(line, trial) for line, (_, group) in enumerate(shown) for trial in group]
    inches = [(place(trial.finished) - place(trial.started)) / (end or 1) * width for _, trial in trials]
    if min(inches) < 0.32 or len(shown) > 8:
        return
    for line, trial in trials:
        middle = (place(trial.started) + place(trial.finished)) / 2
        colour = "white" if trial.state == "complete" else "black"
        axes.text(middle, line, str(trial.number), ha="center", va="center", size=9, color=colour)


def _unit(seconds: float) -> tuple[float, str]:
    """Return how many seconds a unit has that suits the duration, and its name."""
    return (1, "s") if seconds < 180 else (60, "min") if seconds < 3 * 3600 else (3600, "h")


def _duration(seconds: float) -> str:
    unit, name = _unit(seconds)
    return f"{seconds / unit:.0f} {name}" if name == "s" else f"{seconds / unit:.1f} {name}"
