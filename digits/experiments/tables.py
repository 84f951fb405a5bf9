"""The numbers of an experiment as tables, for the terminal and its report, and for spreadsheets (CSV)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import fmean

from digits.evaluation.tables import as_csv, as_text
from digits.experiments.combinations import combinations_of, compared
from digits.experiments.records import Experiment, Trial
from digits.experiments.searches import epochs_trained, ranked
from digits.experiments.statistics import Spread
from digits.experiments.words import deviation_text, interval_text, objective_text, option_text, value_text
from digits.names import percent, plain

BEST = 10
"""Trials of a search that its table shows."""


def table_of(experiment: Experiment) -> list[list[str]]:
    """Return the lines of the experiment's table, the header first.

    Of a search, its best trials, and last what the default recipe has for the options that were searched; else every
    combination, with mean, standard deviation and 95 % interval over its seeds.
    """
    return _best_trials(experiment) if experiment.kind == "search" else _combinations(experiment)


def experiment_as_text(experiment: Experiment) -> str:
    """Return the table for a terminal."""
    return as_text([[plain(cell) for cell in line] for line in table_of(experiment)], left_columns(experiment))


def left_columns(experiment: Experiment) -> int:
    """Return how many columns of the table say which line it is, and stand to the left."""
    return 1 if experiment.kind == "search" else len(compared(experiment))


def summary_as_csv(experiment: Experiment) -> str:
    """Return summary.csv: the table in full precision; of a search, all complete trials, the best first."""
    if experiment.kind == "search":
        return _trials_as_csv(experiment, ranked(experiment))
    header = [*compared(experiment), "n", "trials"]
    header += [f"{what}_{part}" for what in ("accuracy", "loss") for part in ("mean", "sd", "low", "high")]
    rows = (
        [
            *map(_cell, one.values.values()),
            len(one.trainings),
            len(one.trials),
            *_numbers(one.accuracy),
            *_numbers(one.loss),
            one.seconds,
        ]
        for one in combinations_of(experiment)
    )
    return as_csv([*header, "training_seconds_median"], rows)


def trials_as_csv(experiment: Experiment) -> str:
    """Return trials.csv: a row for every trial, whatever its state."""
    return _trials_as_csv(experiment, experiment.trials)


def _best_trials(experiment: Experiment) -> list[list[str]]:
    names = experiment.varied
    objective = f"{experiment.evaluate_on} {experiment.objective}"
    other = "accuracy" if experiment.objective == "loss" else "loss"
    lines = [["trial", objective, *map(option_text, names), other, "training", "epochs", "n"]]
    complete = ranked(experiment)
    shown = complete[:BEST] + [trial for trial in complete[BEST:] if is_default(experiment, trial)][:1]
    for trial in shown:
        values = [value_text(trial.values.get(name)) for name in names]
        n = len(trial.trainings)
        score = _other_score(experiment, trial)
        seconds = f"{sum(training.seconds for training in trial.trainings):,.1f} s" if n else "-"
        name = f"{trial.number} (default)" if is_default(experiment, trial) else str(trial.number)
        best = objective_text(experiment, trial.objective or 0.0)
        lines.append([name, best, *values, score, seconds, str(epochs_trained(trial)), str(n)])
    if experiment.defaults and not any(is_default(experiment, trial) for trial in shown):
        values = [value_text(experiment.defaults.get(name)) for name in names]
        lines.append(["default recipe", "-", *values, "-", "-", "-", "-"])
    return lines


def _other_score(experiment: Experiment, trial: Trial) -> str:
    """Return the trial's mean accuracy where the loss is optimised, and its mean loss where the accuracy is."""
    if not trial.trainings:
        return "-"
    if experiment.objective == "loss":
        return percent(fmean(training.score["accuracy"] for training in trial.trainings))
    return f"{fmean(training.score['loss'] for training in trial.trainings):.4f}"


def is_default(experiment: Experiment, trial: Trial) -> bool:
    """Return whether the trial has the default recipe's value of everything that was varied but the seed."""
    names = [name for name in experiment.varied if name in experiment.defaults and name != "seed"]
    return bool(names) and all(trial.values.get(name) == experiment.defaults[name] for name in names)


def _combinations(experiment: Experiment) -> list[list[str]]:
    interval = "95 % interval"
    numbers = ["accuracy", "sd", interval, "loss", "sd", interval, "training", "n"]
    lines = [[*map(option_text, compared(experiment)), *numbers]]
    for one in combinations_of(experiment):
        accuracy, loss, n, trials = one.accuracy, one.loss, len(one.trainings), len(one.trials)
        lines.append(
            [
                *map(value_text, one.values.values()),
                "-" if accuracy is None else percent(accuracy.mean),
                deviation_text(accuracy, 100),
                interval_text(accuracy, is_percent=True),
                "-" if loss is None else f"{loss.mean:.4f}",
                deviation_text(loss, 1, 4),
                interval_text(loss, is_percent=False),
                "-" if one.seconds is None else f"{one.seconds:,.1f} s",
                str(n) if n == trials else f"{n} of {trials}",
            ]
        )
    return lines


def _trials_as_csv(experiment: Experiment, trials: Sequence[Trial]) -> str:
    """Return the trials; scores by seed where a trial has several, in columns of their own."""
    single = all(len(trial.trainings) <= 1 for trial in experiment.trials)
    seeds = {} if single else {training.seed: None for trial in experiment.trials for training in trial.trainings}
    scores = ["accuracy", "loss"] if single else [f"{what}_s{seed}" for seed in seeds for what in ("accuracy", "loss")]
    header = ["number", "state", *experiment.varied, f"objective_{experiment.evaluate_on}_{experiment.objective}"]
    header += [*scores, "epochs", "training_seconds", "worker", "started", "finished", "error"]
    return as_csv(header, ([*_trial_cells(experiment, trial, [*seeds])] for trial in trials))


def _trial_cells(experiment: Experiment, trial: Trial, seeds: Sequence[int]) -> Iterator[object]:
    """Yield the trial's cells; seeds: one for each pair of columns, none where there is one pair for all."""
    yield from (trial.number, trial.state)
    yield from (_cell(trial.values.get(name)) for name in experiment.varied)
    yield trial.objective
    scores = {training.seed: training.score for training in trial.trainings}
    for score in [scores.get(seed) for seed in seeds or [*scores][:1]] or [None]:
        yield from (score["accuracy"], score["loss"]) if score else (None, None)
    yield epochs_trained(trial)
    yield sum(training.seconds for training in trial.trainings) if trial.trainings else None
    yield trial.worker
    yield from (moment.isoformat(timespec="seconds") if moment else None for moment in (trial.started, trial.finished))
    yield " / ".join(trial.error.split("\n"))


def _cell(value: object) -> object:
    """Return a value for CSV: numbers in full, '16 32' for a tuple, 'on' and 'off' as on the command line."""
    return value if isinstance(value, int | float | str) and not isinstance(value, bool) else value_text(value)


def _numbers(spread: Spread | None) -> tuple[float | None, ...]:
    if spread is None:
        return (None,) * 4
    return (spread.mean, spread.deviation, *(spread.interval or (None, None)))
