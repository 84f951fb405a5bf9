"""Importance of the options that a search varied, by PED-ANOVA, with an interval."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution

from digits.experiments.records import Experiment, Trial
from digits.experiments.scales import OptionScale, option_scale
from digits.experiments.searches import last_value

FEWEST = 10
"""Trials below which no importance is computed."""
TOP = 0.25
"""The fraction of trials that count as good."""


@dataclass(frozen=True)
class Importance:
    """What share one option has; the shares of all add up to 1."""

    name: str
    share: float
    low: float  # 90 % interval over resamples of the trials
    high: float


def counted(experiment: Experiment) -> list[Trial]:
    """Return the trials from which importances are computed: the complete and the pruned ones.

    The pruned ones with their last value: they are most of those that did badly, and without them it would go unseen
    what they had in common.
    """
    return [
        trial for trial in experiment.trials if trial.state in ("complete", "pruned") and last_value(trial) is not None
    ]


def importances_of(experiment: Experiment) -> list[Importance]:
    """Return the importance of each varied option, the largest first; none of fewer than FEWEST trials.

    PED-ANOVA (Watanabe, Bansal and Hutter, 2023, arXiv 2304.10255) compares, option by option, how the values of the
    best quarter of the trials are distributed with how those of all trials are. The interval: the same for trials drawn
    with replacement, as often.
    """
    trials = counted(experiment)
    names = [name for name in experiment.varied if len({repr(trial.values.get(name)) for trial in trials}) > 1]
    if len(trials) < FEWEST or not names:
        return []
    scales = [option_scale(experiment, name) for name in names]
    frozen = [_frozen(trial, scales) for trial in trials]
    shares = _shares(experiment, frozen)
    rng = np.random.default_rng(0)
    samples = [
        _shares(experiment, [frozen[index] for index in rng.integers(len(frozen), size=len(frozen))])
        for _ in range(max(10, min(100, 30_000 // len(frozen))))  # resamples, in seconds
    ]
    found = []
    for name in names:
        low, high = np.quantile([sample[name] for sample in samples], [0.05, 0.95])
        found.append(Importance(name, shares[name], float(low), float(high)))
    return sorted(found, key=lambda one: -one.share)


def _shares(experiment: Experiment, trials: list[optuna.trial.FrozenTrial]) -> dict[str, float]:
    """Return each option's share among these trials, from a study in memory that holds only them."""
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)  # or it announces the study
    try:
        study = optuna.create_study(direction="minimize" if experiment.objective == "loss" else "maximize")
    finally:
        optuna.logging.set_verbosity(verbosity)
    study.add_trials(trials)
    evaluator = optuna.importance.PedAnovaImportanceEvaluator(target_quantile=TOP)
    return optuna.importance.get_param_importances(study, evaluator=evaluator)


def _frozen(trial: Trial, scales: list[OptionScale]) -> optuna.trial.FrozenTrial:
    """Return the trial as one of Optuna's, on scales that hold no more than what was tried."""
    distributions: dict[str, BaseDistribution] = {}
    params: dict[str, float] = {}
    for scale in scales:
        value = trial.values.get(scale.name, 0.0)
        if scale.levels:
            params[scale.name] = scale.levels.index(value)
            distributions[scale.name] = CategoricalDistribution(range(len(scale.levels)))
        else:
            params[scale.name] = float(value)
            distributions[scale.name] = FloatDistribution(scale.low, scale.high, log=scale.logarithmic)
    return optuna.trial.create_trial(params=params, distributions=distributions, value=last_value(trial))
