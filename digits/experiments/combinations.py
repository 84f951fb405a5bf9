"""What a grid compares: its trials by everything that was varied but the seed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from statistics import median
from typing import Any

from digits.experiments.records import Experiment, Training, Trial
from digits.experiments.statistics import Spread, spread_of


@dataclass(frozen=True)
class Combination:
    """The trials of one combination of values, which differ in their seed alone."""

    values: Mapping[str, Any]  # what the combinations differ in, by name
    trials: tuple[Trial, ...]

    @cached_property
    def trainings(self) -> list[Training]:
        """Those that are finished, by seed."""
        found = [training for trial in self.trials if trial.state == "complete" for training in trial.trainings]
        return sorted(found, key=lambda training: training.seed)

    @property
    def accuracy(self) -> Spread | None:
        """None where no training is finished, as with `loss` and `seconds`."""
        return spread_of([training.score["accuracy"] for training in self.trainings]) if self.trainings else None

    @property
    def loss(self) -> Spread | None:
        return spread_of([training.score["loss"] for training in self.trainings]) if self.trainings else None

    @property
    def seconds(self) -> float | None:
        """The median of the seconds of training."""
        return median(training.seconds for training in self.trainings) if self.trainings else None


def combinations_of(experiment: Experiment) -> list[Combination]:
    """Return every combination of an experiment, in the order in which its first trials were made."""
    names = compared(experiment)
    groups: dict[str, list[Trial]] = {}
    for trial in experiment.trials:
        groups.setdefault(repr([trial.values.get(name) for name in names]), []).append(trial)
    return [
        Combination({name: trials[0].values.get(name) for name in names}, tuple(trials)) for trials in groups.values()
    ]


def compared(experiment: Experiment) -> tuple[str, ...]:
    """Return the names of what the combinations differ in; of seeds alone, framework and model, to have a name."""
    return tuple(name for name in experiment.varied if name != "seed") or ("framework", "model")
