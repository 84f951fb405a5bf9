"""Which figures an experiment has, and what it lacks for the others."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from pathlib import Path

from matplotlib.figure import Figure

from digits.experiments.combinations import combinations_of
from digits.experiments.confirmation import confirmation_of
from digits.experiments.figures.combinations import plot_combinations
from digits.experiments.figures.confirmation import plot_confirmation
from digits.experiments.figures.history import plot_history
from digits.experiments.figures.importance import plot_importance
from digits.experiments.figures.parallel import plot_parallel
from digits.experiments.figures.slices import plot_slices
from digits.experiments.figures.timeline import plot_timeline
from digits.experiments.importance import FEWEST, counted, importances_of
from digits.experiments.records import Experiment
from digits.experiments.searches import last_value, ranked
from digits.experiments.words import count
from digits.figures import FigureSpec


def figures_of(experiment: Experiment, folder: Path) -> tuple[list[FigureSpec], list[str]]:
    """Return the figures that can be plotted of what there is, whose files go into `folder`, and a sentence on others.

    Every one of them is correct at any time, also while trials are running.
    """
    plots: dict[str, Callable[[], Figure]] = {}
    notes = []
    if experiment.kind == "search":
        if any(last_value(trial) is not None for trial in experiment.trials):
            plots["history"] = partial(plot_history, experiment)
        if counted(experiment) and experiment.varied:
            plots["slices"] = partial(plot_slices, experiment)
        if ranked(experiment) and experiment.varied:
            plots["parallel_coordinates"] = partial(plot_parallel, experiment)
        ended = len(counted(experiment))
        if ended >= FEWEST and experiment.varied:
            plots["importance"] = lambda: plot_importance(experiment, importances_of(experiment))
        else:
            notes.append(
                f"the figure of importance is left out: of {count(ended, 'trial')} it would be guesswork; "
                f"{FEWEST} complete or pruned trials are needed."
            )
    elif any(one.trainings for one in combinations_of(experiment)):
        plots["combinations"] = partial(plot_combinations, experiment)
    if (confirmation := confirmation_of(experiment)) is not None:
        plots = {"confirmation": partial(plot_confirmation, experiment, confirmation)}
    if any(trial.started and trial.worker for trial in experiment.trials):
        plots["timeline"] = partial(plot_timeline, experiment)
    inputs = (_hash(experiment), version("optuna"), version("scipy"))
    return [FigureSpec(name, folder / name, inputs, plot) for name, plot in plots.items()], notes


def _hash(experiment: Experiment) -> str:
    """Return a hash of all that the figures show."""
    record = dataclasses.asdict(experiment) | {"logarithmic": sorted(experiment.logarithmic)}
    return hashlib.sha256(json.dumps(record, sort_keys=True, default=str).encode()).hexdigest()
