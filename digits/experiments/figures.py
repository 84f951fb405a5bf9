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

from digits.experiments.confirm import Confirmation, confirmation_of
from digits.experiments.results import Experiment, ranked, score_text, spread_of, subject, summary
from digits.experiments.values import values_text
from digits.figures.style import BLUE, FRAMEWORK_COLOURS, GREY, INK, ORANGE, figure_style, plot_interval, tidy_axes
from digits.names import percent

MOST_ROWS = 60
FEWEST, TOP = 10, 0.25
"""Trials below which the importance of options would be guesswork, and the fraction of them that count as good."""


def figures_of(experiment: Experiment) -> Iterator[tuple[str, Figure, str]]:
    """Yield the name, the figure and a sentence on how to read it of all that can be plotted of what there is."""
    found = confirmation_of(experiment)
    with figure_style():
        if found is not None:
            yield "confirmation", plot_confirmation(experiment, found), "Lines join the trainings of one seed."
        elif experiment.definition.kind != "search" and (experiment.trials["state"] == "complete").any():
            yield (
                "combinations",
                plot_combinations(experiment),
                "Large dots: means with 95 % t-intervals; small: seeds.",
            )
    if experiment.definition.kind == "search":
        yield from _searched(experiment)


def plot_combinations(experiment: Experiment) -> Figure:
    """Return accuracy, loss and seconds of each combination of a grid, the most accurate one on top."""
    found = summary(experiment)
    shown = found[found["n"] > 0].sort_values("accuracy_mean", ascending=False, kind="stable").head(MOST_ROWS)
    names = [values_text({name: row[name] for name in experiment.compared}) for row in shown.to_dict("records")]
    best = shown.iloc[0]
    title = f"{names[0]}: {percent(best['accuracy_mean'])}, n = {best['n']} (most accurate of {len(found)})"
    figure, panels = _new_figure(experiment, title, [5, 3, 2], 0.42 * len(shown))
    complete = experiment.trials[experiment.trials["state"] == "complete"]
    for row, (_, one) in enumerate(shown.iterrows()):
        colour = FRAMEWORK_COLOURS.get(str(one.get("framework")), BLUE)
        same = (complete[experiment.compared] == one[experiment.compared]).all(axis=1)
        for axes, what, unit in ((panels[0], "accuracy", 100), (panels[1], "loss", 1)):
            values = unit * complete.loc[same, what]
            _, mean, _, low, high = spread_of([*values])
            ends = [mean if low is None else low, mean if high is None else high]
            plot_interval(axes, (ends, [row, row]), (mean, row), colour)
            if len(values) > 1:
                axes.plot(values, [row + 0.27] * len(values), "o", color=INK, alpha=0.55, markersize=3)
        seconds = one["training_seconds_median"]
        panels[2].barh(row, seconds, color=colour, height=0.6)
        panels[2].text(seconds, row, f" {seconds:,.1f}", va="center", size=9)
    for axes, label in zip(panels, ("Accuracy, %", "Cross-entropy loss", "Training time, s"), strict=True):
        axes.set_title(label)
        axes.set(ylim=(len(shown) - 0.5, -0.5))
        axes.set_yticks(range(len(shown)), [shorten(name, 50) for name in names] if axes is panels[0] else [])
    return figure


def plot_confirmation(experiment: Experiment, found: Confirmation) -> Figure:
    """Return the test accuracy of both recipes, seed by seed, and the differences with their mean."""
    pairs = [[100 * result["score"]["accuracy"] for result in results] for results in (found.start, found.best)]
    means = [spread_of(values).mean for values in pairs]
    title = f"Test accuracy {means[1]:.2f} % with the best recipe, {means[0]:.2f} % with the one it started from"
    figure, (left, right) = _new_figure(experiment, title, [1, 1], 2.6)
    for start, best in zip(*pairs, strict=True):
        left.plot([start, best], [0, 1], color=GREY, linewidth=1.2, marker="o", markersize=4)
    for row, (mean, colour) in enumerate(zip(means, (BLUE, ORANGE), strict=True)):
        left.plot(mean, row, "o", color=colour, markersize=10, markeredgecolor="white")
    left.set(ylim=(1.5, -0.5), title="Test accuracy, %")
    left.set_yticks([0, 1], ["start", "best"])
    _, mean, _, low, high = found.difference
    right.axvline(0, color=GREY, linestyle="--", linewidth=1)
    ends = [100 * (mean if end is None else end) for end in (low, high)]
    plot_interval(right, (ends, [0, 0]), (100 * mean, 0), ORANGE)
    differences = [100 * value for value in found.differences("accuracy")]
    right.plot(differences, [0.35] * len(differences), "o", color=INK, alpha=0.6, markersize=4.5)
    right.set(ylim=(0.8, -0.6), title="Best minus start, percentage points")
    right.set_yticks([0, 0.35], ["mean", "seeds"])
    return figure


def _searched(experiment: Experiment) -> Iterator[tuple[str, Figure, str]]:
    """Yield Optuna's figures. In slices and importances pruned trials count, with the value that they reported last."""
    definition, best = experiment.definition, ranked(experiment)
    label = f"validation {definition.objective}"
    pruned = "pruned trials with the value that they reported last"
    if len(best):
        first = best.iloc[0]
        value = score_text(first["objective"], definition.objective)
        read = f"Best {label}: {value}, in trial {first['number']} of {len(experiment.trials)}. Line: the best so far."
        yield "history", _drawn(plots.plot_optimization_history, _study(experiment, False), target_name=label), read
    ended = _study(experiment, True)
    if len(ended.trials) and definition.space:
        read = f"The {label} over each option; {pruned}."
        yield "slices", _drawn(plots.plot_slice, ended, target_name=label), read
    if sum(trial.state == TrialState.COMPLETE for trial in ended.get_trials(deepcopy=False)) >= FEWEST:
        evaluator = PedAnovaImportanceEvaluator(target_quantile=TOP)
        read = f"PED-ANOVA: what distinguishes the best quarter of the trials from all of them; {pruned}."
        yield "importance", _drawn(plots.plot_param_importances, ended, evaluator=evaluator), read


def _study(experiment: Experiment, with_pruned: bool) -> optuna.Study:
    """Return the trials that count in a study of their own; with_pruned: pruned ones as if they were complete."""
    minimise = experiment.definition.objective == "loss"
    study = optuna.create_study(direction="minimize" if minimise else "maximize")
    for trial, reported in zip(experiment.frozen, experiment.trials.get("last_reported", []), strict=True):
        complete = trial.state == TrialState.COMPLETE
        if complete or (with_pruned and trial.state == TrialState.PRUNED and np.isfinite(reported)):
            value = trial.value if complete else reported
            study.add_trial(optuna.create_trial(value=value, params=trial.params, distributions=trial.distributions))
        elif not with_pruned:
            study.add_trial(optuna.create_trial(state=TrialState.FAIL))  # so that numbers stay
    return study


def _drawn(plot: Any, study: optuna.Study, **options: Any) -> Figure:
    """Return a figure of Optuna's, whose axis of values ends where the better half of the trials does not need it."""
    with figure_style():
        drawn = np.atleast_1d(plot(study, **options))
        figure: Figure = drawn[0].figure
        plt.close(figure)
        values = sorted(trial.value for trial in study.get_trials(deepcopy=False) if trial.value is not None)
        if "target_name" in options and study.direction == optuna.study.StudyDirection.MINIMIZE:
            # A few trainings that went wrong would press all others into one line.
            low, end = values[0], values[0] + 3 * (values[(len(values) - 1) // 2] - values[0])
            if low < end < values[-1]:
                for axes in drawn:
                    axes.set_ylim(low - 0.05 * (end - low), end)
        return figure


def _new_figure(
    experiment: Experiment, title: str, widths: Sequence[float], height: float
) -> tuple[Figure, Sequence[Axes]]:
    """Return a figure with a title and panels of these relative widths, in our style."""
    figure = Figure(figsize=(11, height + 1.6), layout="constrained")
    figure.suptitle(f"{shorten(title, 110)}\n{subject(experiment)}", x=0.01, ha="left")
    panels: Sequence[Axes] = figure.subplots(1, len(widths), width_ratios=widths)
    for axes in panels:
        tidy_axes(axes, "x")
    return figure, panels
