"""What a search has found: its trials from the best on, and how much work pruning has saved."""

from __future__ import annotations

import math
from dataclasses import dataclass

from digits.experiments.records import Experiment, Trial


@dataclass(frozen=True)
class Pruning:
    """Epochs of the trials that have ended, failed ones excepted."""

    trained: int
    without: int  # what these trials would have taken had none been pruned

    @property
    def saved(self) -> float:
        """The fraction of epochs that pruning saved."""
        return 1 - self.trained / self.without


def ranked(experiment: Experiment) -> list[Trial]:
    """Return the complete trials, the best first; of equals, the earlier one first."""
    sign = 1 if experiment.objective == "loss" else -1
    values = {trial.number: last_value(trial) for trial in experiment.trials if trial.state == "complete"}
    order = sorted((sign * value, number) for number, value in values.items() if value is not None)
    by_number = {trial.number: trial for trial in experiment.trials}
    return [by_number[number] for _, number in order]


def last_value(trial: Trial) -> float | None:
    """Return the objective of a complete trial; of another one, the last that it reported, after an epoch or a seed.

    None too for one that is not finite: it cannot be shown.
    """
    value = trial.objective if trial.state == "complete" else trial.epochs[-1] if trial.epochs else None
    return value if value is not None and math.isfinite(value) else None


def epochs_trained(trial: Trial) -> int:
    return max(len(trial.epochs), sum(training.epochs for training in trial.trainings))


def full_epochs(experiment: Experiment, trial: Trial) -> int:
    """Return the epochs that the trial takes if it is not pruned, those for all its seeds; 0 where that is unknown."""
    seeds = max((len(one.trainings) for one in experiment.trials), default=1) or 1
    return experiment.epochs or seeds * int(trial.values.get("epochs") or 0)


def pruning_of(experiment: Experiment) -> Pruning | None:
    """Return what pruning saved; None where nothing was pruned, or the epochs of a whole trial are not known."""
    pruned = [trial for trial in experiment.trials if trial.state == "pruned"]
    complete = [trial for trial in experiment.trials if trial.state == "complete"]
    whole = [max(full_epochs(experiment, trial), epochs_trained(trial)) for trial in pruned]
    if not pruned or not all(full_epochs(experiment, trial) for trial in pruned):
        return None
    done = sum(map(epochs_trained, complete))
    return Pruning(done + sum(map(epochs_trained, pruned)), done + sum(whole))
