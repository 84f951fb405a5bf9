"""The figures of experiments: one of our own for grids and confirmations, and Optuna's of a search."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from textwrap import shorten
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import optuna
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter
from optuna.importance import PedAnovaImportanceEvaluator
from optuna.trial import FrozenTrial
from optuna.visualization import matplotlib as plots

from mnist_twice.experiments.results import Experiment, spread_of
from mnist_twice.experiments.values import values_text
from mnist_twice.figures.style import FRAMEWORK_COLOURS, GREY, INK, figure_style, plot_interval, tidy_axes

PANELS = {"accuracy": "Accuracy, %", "loss": "Cross-entropy loss", "training_seconds": "Training time, s"}
MOST_ROWS = 60
FEWEST, TOP = 10, 0.25
"""Trials below which the importance of options would be guesswork, and the fraction of them that count as good."""


def figures_of(experiment: Experiment) -> Iterator[tuple[str, Figure, str]]:
    """Yield the name, the figure and a sentence on how to read it of all that can be plotted of what there is."""
    with figure_style():
        if experiment.definition.kind == "search":
            yield from _searched(experiment)
        elif len(experiment.complete):
            yield plot_combinations(experiment)


def plot_combinations(experiment: Experiment) -> tuple[str, Figure, str]:
    """Return accuracy, loss and seconds of each combination of a grid, or of both recipes of a confirmation."""
    names = ["recipe"] if experiment.definition.kind == "confirm" else experiment.compared
    complete = experiment.complete.assign(accuracy=100 * experiment.complete["accuracy"])
    groups = [*complete.groupby(names, sort=False, dropna=False)]
    groups = sorted(groups, key=lambda group: -group[1]["accuracy"].mean())[:MOST_ROWS]
    texts = [values_text(dict(zip(names, key, strict=True))) for key, _ in groups]
    figure = Figure(figsize=(11, 0.45 * len(groups) + 1.8), layout="constrained")
    best = f"Most accurate: {texts[0]}, {groups[0][1]['accuracy'].mean():.2f} %"
    figure.suptitle(f"{shorten(best, 110)}\n{experiment.subject}", x=0.01, ha="left")
    for axes, (what, label) in zip(figure.subplots(1, 3, sharey=True), PANELS.items(), strict=True):
        axes.set_title(label)
        tidy_axes(axes, "x")
        axes.locator_params("x", nbins=5)
        for row, (_, trials) in enumerate(groups):
            mean, _, low, high = spread_of(trials[what]).values()
            colour = FRAMEWORK_COLOURS[trials["framework"].iloc[0]]
            plot_interval(axes, ([low, high], [row, row]), (mean, row), colour)
            axes.plot(trials[what], [row + 0.25] * len(trials), "o", color=INK, alpha=0.55, markersize=3)
        if names == ["recipe"]:
            pairs = complete.pivot(index="recipe", columns="seed", values=what).loc[[key for (key,), _ in groups]]
            axes.plot(pairs, np.arange(len(groups)) + 0.25, color=GREY, linewidth=1)
        low, high = complete[what].min(), complete[what].max()
        reach = (high - low) / 2 or 1
        axes.set_xlim(low - reach, high + reach)  # of two seeds, intervals are many times as wide as all else
        axes.set_yticks(range(len(groups)), [shorten(text, 60) for text in texts])
        axes.set_ylim(len(groups) - 0.5, -0.5)
    read = "Large dots: means with 95 % t-intervals, cut off where they are wide. Small dots: one training each"
    if names == ["recipe"]:
        return "confirmation", figure, f"{read}; lines join those of one seed."
    return "combinations", figure, f"{read}."


def _searched(experiment: Experiment) -> Iterator[tuple[str, Figure, str]]:
    """Yield Optuna's figures, with losses on a logarithmic axis, on which a bad trial does not hide the others."""
    objective = experiment.definition.objective
    pruned = "Pruned trials count with the value that they reported last."
    ended = [
        optuna.create_trial(value=trial.value, params=trial.params, distributions=trial.distributions)
        for trial in experiment.frozen
        if trial.value is not None
    ]
    importances = partial(plots.plot_param_importances, evaluator=PedAnovaImportanceEvaluator(target_quantile=TOP))
    best = f"PED-ANOVA: what distinguishes the best quarter of the trials from all of them. {pruned}"
    plans: dict[str, tuple[Any, Sequence[FrozenTrial], str]] = {
        "history": (plots.plot_optimization_history, experiment.frozen, "Line: the best so far."),
        "slices": (plots.plot_slice, ended, f"The {objective} over each option. {pruned}"),
        "importance": (importances, ended if len(ended) >= FEWEST else [], best),
    }
    for name, (plot, trials, read) in plans.items():
        if not ended or not trials:
            continue
        study = optuna.create_study(direction="minimize" if objective == "loss" else "maximize")
        study.add_trials(trials)
        drawn = np.atleast_1d(plot(study, target_name=f"validation {objective}"))
        figure: Figure = drawn[0].figure
        plt.close(figure)
        figure.set_layout_engine("constrained")
        figure.set_size_inches(max(8, 2.8 * len(drawn)), 4.8)
        for axes in drawn:
            axes.tick_params("x", rotation=30 if name == "slices" else 0)
            if objective == "loss" and name != "importance":
                axes.set_yscale("log")
            for axis in (axes.xaxis, axes.yaxis):
                if axis.get_scale() == "log":
                    axis.set_major_locator(LogLocator(subs=[1, 2, 5]))
                    axis.set_major_formatter("{x:g}")  # our style plots no formulas
                    axis.set_minor_formatter(NullFormatter())
        yield name, figure, read
