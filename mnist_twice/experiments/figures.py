"""The figures of experiments: combinations and confirmation, and Optuna's own of a search."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from textwrap import shorten
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import optuna
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from optuna.importance import PedAnovaImportanceEvaluator
from optuna.trial import TrialState
from optuna.visualization import matplotlib as plots

from mnist_twice.experiments.confirm import BEST, START, Confirmation, confirmation_of
from mnist_twice.experiments.results import Experiment, ranked, spread_of, subject, summary
from mnist_twice.experiments.values import values_text
from mnist_twice.figures.style import BLUE, FRAMEWORK_COLOURS, GREY, INK, ORANGE, figure_style, plot_interval, tidy_axes

MOST_ROWS = 60
FEWEST, TOP = 10, 0.25
"""Trials below which the importance of options would be guesswork, and the fraction of them that count as good."""


def figures_of(experiment: Experiment) -> Iterator[tuple[str, Figure, str]]:
    """Yield the name, the figure and a sentence on how to read it of all that can be plotted of what there is."""
    found = confirmation_of(experiment)
    with figure_style():
        if experiment.definition.kind == "search":
            yield from _searched(experiment)
        elif found is not None:
            yield "confirmation", plot_confirmation(experiment, found), "Lines join the trainings of one seed."
        elif len(experiment.complete):
            yield "combinations", plot_combinations(experiment), "Large dots: means with t-intervals; small: seeds."


def plot_combinations(experiment: Experiment) -> Figure:
    """Return accuracy, loss and seconds of each combination of a grid, the most accurate one on top."""
    names, found = experiment.compared, summary(experiment)
    shown = found[found["n"] > 0].sort_values("accuracy_mean", ascending=False, kind="stable").head(MOST_ROWS)
    texts = [values_text({name: row[name] for name in names}) for row in shown.to_dict("records")]
    best = f"{100 * shown['accuracy_mean'].iloc[0]:.2f} %, n = {shown['n'].iloc[0]}"
    title = f"{texts[0]}: {best} (most accurate of {len(found)})"
    labels = ("Accuracy, %", "Cross-entropy loss", "Training time, s")
    figure, panels = _new_figure(experiment, title, labels, [5, 3, 2], 0.42 * len(shown))
    for row, (_, one) in enumerate(shown.iterrows()):
        colour = FRAMEWORK_COLOURS.get(str(one.get("framework")), BLUE)
        trials = experiment.complete.loc[(experiment.complete[names] == one[names]).all(axis=1)]
        _plot_spread(panels[0], row, 100 * trials["accuracy"], colour)
        _plot_spread(panels[1], row, trials["loss"], colour)
        panels[2].barh(row, one["training_seconds_median"], color=colour, height=0.6)
    for axes in panels:
        axes.set_ylim(len(shown) - 0.5, -0.5)
        axes.set_yticks(range(len(shown)), [shorten(text, 50) for text in texts] if axes is panels[0] else [])
    return figure


def plot_confirmation(experiment: Experiment, found: Confirmation) -> Figure:
    """Return the test accuracy of both recipes, seed by seed, and the differences with their mean."""
    pairs = 100 * found.pairs["accuracy"][[START, BEST]]
    start, best = pairs.mean()
    title = f"Test accuracy {best:.2f} % with the best recipe, {start:.2f} % with the one that it started from"
    labels = ("Test accuracy, %", "Best minus start, percentage points")
    figure, (left, right) = _new_figure(experiment, title, labels, [1, 1], 2.6)
    left.plot(pairs.to_numpy().T, [0, 1], color=GREY, linewidth=1.2, marker="o", markersize=4)
    left.plot(start, 0, "o", color=BLUE, markersize=10)
    left.plot(best, 1, "o", color=ORANGE, markersize=10)
    left.set_ylim(1.5, -0.5)
    left.set_yticks([0, 1], [START, BEST])
    right.axvline(0, color=GREY, linestyle="--", linewidth=1)
    _plot_spread(right, 0, 100 * found.differences("accuracy"), ORANGE)
    right.set_ylim(0.8, -0.6)
    right.set_yticks([0, 0.27], ["mean", "seeds"])
    return figure


def _plot_spread(axes: Axes, row: int, values: Any, colour: str) -> None:
    """Plot the mean of some numbers with its 95 % t-interval, and below it the numbers."""
    mean, _, low, high = spread_of(values).values()
    plot_interval(axes, ([low, high], [row, row]), (mean, row), colour)
    if len(values) > 1:
        axes.plot(values, [row + 0.27] * len(values), "o", color=INK, alpha=0.55, markersize=3)


def _new_figure(
    experiment: Experiment, title: str, labels: Sequence[str], widths: Sequence[float], height: float
) -> tuple[Figure, Sequence[Axes]]:
    """Return a figure with a title, and a panel of this relative width for each label."""
    figure = Figure(figsize=(11, height + 1.6), layout="constrained")
    figure.suptitle(f"{shorten(title, 110)}\n{subject(experiment)}", x=0.01, ha="left")
    panels: Sequence[Axes] = figure.subplots(1, len(widths), width_ratios=widths)
    for axes, label in zip(panels, labels, strict=True):
        axes.set_title(label)
        tidy_axes(axes, "x")
    return figure, panels


def _searched(experiment: Experiment) -> Iterator[tuple[str, Figure, str]]:
    """Yield Optuna's figures. In slices and importances pruned trials count, with the value that they reported last."""
    label, best = f"validation {experiment.definition.objective}", ranked(experiment)
    pruned = "Pruned trials count with the value that they reported last."
    if len(best):
        value, number = best.iloc[0][["objective", "number"]]
        read = f"Best {label}: {value:.4f}, in trial {number} of {len(experiment.trials)}. Line: the best so far."
        yield "history", _drawn(plots.plot_optimization_history, _study(experiment, False), label), read
    ended = _study(experiment, True)
    if ended.trials:
        yield "slices", _drawn(plots.plot_slice, ended, label), f"The {label} over each option. {pruned}"
    if len(ended.trials) >= FEWEST:
        read = f"PED-ANOVA: what distinguishes the best quarter of the trials from all of them. {pruned}"
        evaluator = PedAnovaImportanceEvaluator(target_quantile=TOP)
        yield "importance", _drawn(plots.plot_param_importances, ended, evaluator=evaluator), read


def _study(experiment: Experiment, with_pruned: bool) -> optuna.Study:
    """Return the trials that count in a study of their own; with_pruned: pruned ones as if they were complete."""
    study = optuna.create_study(direction="minimize" if experiment.definition.objective == "loss" else "maximize")
    for trial, reported in zip(experiment.frozen, experiment.trials["last_reported"], strict=True):
        value = trial.value if trial.state == TrialState.COMPLETE else reported
        if trial.state == TrialState.COMPLETE or (with_pruned and trial.state.is_finished() and np.isfinite(reported)):
            study.add_trial(optuna.create_trial(value=value, params=trial.params, distributions=trial.distributions))
        elif not with_pruned:
            study.add_trial(optuna.create_trial(state=TrialState.FAIL))  # so that numbers stay
    return study


def _drawn(plot: Any, study: optuna.Study, label: str = "", **options: Any) -> Figure:
    """Return a figure of Optuna's; where label is that of a loss, its axis ends before the worst trials."""
    drawn = np.atleast_1d(plot(study, **options, **({"target_name": label} if label else {})))
    figure: Figure = drawn[0].figure
    plt.close(figure)
    figure.set_size_inches(max(8, 2.8 * len(drawn)), 4.8)
    if len(drawn) > 1:
        figure.subplots_adjust(bottom=0.25)  # for the names of values, which are turned
    values = sorted(trial.value for trial in study.get_trials(deepcopy=False) if trial.value is not None)
    low, end = values[0], values[0] + 3 * (values[(len(values) - 1) // 2] - values[0])
    for axes in drawn:
        if label.endswith("loss") and low < end < values[-1]:
            axes.set_ylim(low - 0.05 * (end - low), end)  # a few that went wrong would press all others into one line
        axes.tick_params("x", rotation=30 if len(drawn) > 1 else 0)
        if axes.get_xscale() == "log":
            axes.xaxis.set_major_formatter("{x:g}")  # our style plots no formulas
    return figure
