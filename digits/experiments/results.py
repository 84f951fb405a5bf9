"""What an experiment has given so far: its trials as a table, their summary, and both as text and CSV."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from functools import cached_property
from pathlib import Path
from statistics import fmean, stdev
from typing import Any, NamedTuple

import optuna
import pandas as pd  # type: ignore[import-untyped]
from optuna.trial import FrozenTrial, TrialState
from scipy import stats  # type: ignore[import-untyped]

from digits.errors import UserError
from digits.experiments import storage as storages
from digits.experiments.definition import Definition, read_definition, start_of
from digits.experiments.parameters import values_of
from digits.experiments.study import (
    ASKED,
    COMMAND,
    DEFINITION,
    DIVERGED,
    ERROR,
    TRAININGS,
    WORKER,
    Wanted,
    storage_of,
    wanted_of,
)
from digits.experiments.values import option_text, value_text
from digits.names import percent, percent_range, spelled

SCORES = ("accuracy", "loss")
BEST = 10
"""Trials of a search that its table shows."""
STATES = {
    TrialState.COMPLETE: "complete",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
    TrialState.RUNNING: "running",
    TrialState.WAITING: "waiting",
}


@dataclass(frozen=True)
class Experiment:
    """A study as it stood when it was read."""

    name: str
    definition: Definition
    wanted: Wanted
    frozen: tuple[FrozenTrial, ...]  # the trials that count, by number
    command: str  # what repeats it

    @cached_property
    def trials(self) -> pd.DataFrame:
        """A row for each trial: state, values, objective, mean scores, epochs, seconds, runs, worker, times, error."""
        frame = pd.DataFrame([_row(self.definition, trial) for trial in self.frozen])
        return frame if len(frame) else pd.DataFrame(columns=["number", "state", *self.definition.differing])

    @property
    def compared(self) -> list[str]:
        """The names of what combinations differ in; of seeds alone, framework and model, to have a name."""
        names = [name for name in self.definition.differing if name != "seed"]
        return names or ["framework", self.definition.label]

    @property
    def is_complete(self) -> bool:
        """Whether every trial that was asked for is complete."""
        return bool((self.trials["state"] == "complete").sum() >= self.wanted.trials)


def read_experiment(name: str, output_dir: Path, storage: str = "") -> Experiment:
    """Return the experiment as it stands, without taking part in it.

    UserError where there is none of this name, which names those that there are.
    """
    with storages.answering(storage):
        known = experiments_in(output_dir, storage)
        if name not in known:
            where = "the storage" if storage else f"'{output_dir / 'experiments'}'"
            others = f"there are {', '.join(known[:20])}{' and more' * (len(known) > 20)}" if known else "there is none"
            hint = "" if storage else "; one of a database needs its --storage"
            raise UserError(f"there is no experiment '{name}' in {where}: {others}{hint}.")
        study = optuna.load_study(study_name=name, storage=storage_of(output_dir / "experiments" / name, storage))
        attributes, trials = study.user_attrs, study.get_trials(deepcopy=False)
    if DEFINITION not in attributes:
        raise UserError(f"the experiment '{name}' is just being made; try again in a moment.")
    definition = read_definition(attributes[DEFINITION])
    wanted = wanted_of(definition, attributes.get(ASKED, 0))
    counting = [trial for trial in wanted.counting(trials).values() if trial is not None]
    counting.sort(key=lambda trial: trial.number)
    return Experiment(name, definition, wanted, tuple(counting), attributes.get(COMMAND, ""))


def experiments_in(output_dir: Path, storage: str) -> list[str]:
    """Return the names of all experiments in the folder of outputs, or in the storage where one is given."""
    if storage:
        return sorted(optuna.get_all_study_names(storage_of(output_dir, storage)))
    return sorted(path.parent.name for path in (output_dir / "experiments").glob(f"*/{storages.JOURNAL}"))


class Spread(NamedTuple):
    """Some numbers in short; what one number does not give is None."""

    n: int
    mean: float
    deviation: float | None = None  # standard deviation of the sample (n - 1)
    low: float | None = None  # 95 % t-interval of the mean
    high: float | None = None


def spread_of(values: Sequence[float]) -> Spread:
    """Return the spread of one or more numbers, such as the accuracies of trainings that differ in their seed."""
    n, mean = len(values), fmean(values)
    if n < 2:
        return Spread(n, mean)
    deviation = stdev(values)
    reach = float(stats.t.ppf(0.975, n - 1)) * deviation / math.sqrt(n)
    return Spread(n, mean, deviation, mean - reach, mean + reach)


def ranked(experiment: Experiment) -> pd.DataFrame:
    """Return the complete trials, the best first; of equals, the earlier one first."""
    trials = experiment.trials
    if not (trials["state"] == "complete").any():
        return trials.iloc[:0]
    complete = trials[trials["state"] == "complete"]
    return complete.sort_values("objective", ascending=experiment.definition.objective == "loss", kind="stable")


def summary(experiment: Experiment) -> pd.DataFrame:
    """Return a row for each combination of everything but the seed: n, trials, spreads, median seconds."""
    rows = []
    for values, group in experiment.trials.groupby(experiment.compared, sort=False, dropna=False):
        complete = group[group["state"] == "complete"]
        row = {**dict(zip(experiment.compared, values, strict=True)), "n": len(complete), "trials": len(group)}
        for what in SCORES:
            spread = spread_of([*complete[what]]) if len(complete) else Spread(0, math.nan)
            row |= dict(zip((f"{what}_{part}" for part in ("mean", "sd", "low", "high")), spread[1:], strict=True))
        rows.append({**row, "training_seconds_median": complete["training_seconds"].median()})
    return pd.DataFrame(rows)


def pruning_text(experiment: Experiment) -> str:
    """Return what pruning saved, in a sentence; nothing where no trial was pruned."""
    trials, definition = experiment.trials, experiment.definition
    pruned = trials[trials["state"] == "pruned"]
    if pruned.empty:
        return ""
    (recipe,) = definition.recipes.values()
    asked = pruned["epochs"] if "epochs" in definition.space else recipe.epochs
    done = pruned["epochs_trained"]
    complete = trials.loc[trials["state"] == "complete", "epochs_trained"].sum()
    trained, without = int(complete + done.sum()), int(complete + done.clip(lower=len(definition.seeds) * asked).sum())
    return f"Pruning saved {percent(1 - trained / without, 0)} of the epochs: {trained:,} of {without:,} were trained."


def counts_text(experiment: Experiment) -> str:
    """Return how far the experiment is: '60 of 60 trials ended: 38 complete, 22 pruned'."""
    counts = Counter(experiment.trials["state"])
    order = ("complete", "pruned", "diverged", "failed", "running", "waiting")
    states = ", ".join(f"{counts[state]:,} {state}" for state in order if counts[state])
    ended = sum(counts[state] for state in order[:4])
    wanted = max(experiment.wanted.trials, len(experiment.trials))
    trials = "trial" if wanted == 1 else "trials"
    return f"{ended:,} of {wanted:,} {trials} ended" + (f": {states}" if states else "; none has started")


def subject(experiment: Experiment) -> str:
    """Return what was trained on what: 'MNIST · CNN, MLP · PyTorch, TensorFlow · 'fields''."""
    definition = experiment.definition
    models = dict.fromkeys(recipe.model for recipe in definition.recipes.values())
    parts = [", ".join(map(spelled, names)) for names in (models, definition.frameworks)]
    return " · ".join([spelled(definition.dataset), *parts, f"'{experiment.name}'"])


def table_of(experiment: Experiment) -> list[list[str]]:
    """Return the lines of the experiment's table, the header first.

    Of a search, its best trials, and last the one of the recipe that it started from; else every combination, with
    mean, standard deviation and 95 % interval over its seeds.
    """
    return _best_trials(experiment) if experiment.definition.kind == "search" else _combinations(experiment)


def as_text(lines: Sequence[Sequence[str]]) -> str:
    """Return the lines of a table for a terminal, in columns two spaces apart."""
    frame = pd.DataFrame(lines[1:], columns=pd.Index(lines[0]))
    return "\n".join(line.rstrip() for line in frame.to_string(index=False).split("\n")) + "\n"


def trials_as_csv(experiment: Experiment, trials: pd.DataFrame | None = None) -> str:
    """Return trials.csv: a row for every trial, whatever its state; scores by seed where a trial has several."""
    frame = experiment.trials if trials is None else trials
    definition = experiment.definition
    scores: dict[str, Any] = {}
    for seed in definition.seeds if definition.kind == "search" and len(definition.seeds) > 1 else ():
        for what in SCORES:
            scores[f"{what}_s{seed}"] = [
                next((result["score"][what] for result in results if result["seed"] == seed), None)
                for results in frame["trainings"]
            ]
    frame = frame.assign(**scores, error=[" / ".join(str(text).split("\n")) for text in frame["error"]])
    columns = ["number", "state", *definition.differing, "objective", "last_reported", *(scores or SCORES)]
    columns += ["epochs_trained", "training_seconds", "run", "worker", "started", "finished", "error"]
    found = frame[columns].assign(**{name: frame[name].map(_cell) for name in definition.differing})
    objective = f"objective_{definition.evaluate_on}_{definition.objective}"
    return str(found.rename(columns={"objective": objective}).to_csv(index=False))


def summary_as_csv(experiment: Experiment) -> str:
    """Return summary.csv: the table in full precision; of a search, all complete trials, the best first."""
    if experiment.definition.kind == "search":
        return trials_as_csv(experiment, ranked(experiment))
    found = summary(experiment)
    return str(found.assign(**{name: found[name].map(_cell) for name in experiment.compared}).to_csv(index=False))


def score_text(value: float, objective: str) -> str:
    """Return an accuracy as '98.81 %', a loss as '0.0412'."""
    return percent(value) if objective == "accuracy" else f"{value:.4g}" if value < 1e-4 else f"{value:.4f}"


def _row(definition: Definition, trial: FrozenTrial) -> dict[str, Any]:
    held, worker = trial.user_attrs, trial.user_attrs.get(WORKER, {})
    results = held.get(TRAININGS, [])
    reported = [value for _, value in sorted(trial.intermediate_values.items()) if math.isfinite(value)]
    means = {what: fmean(result["score"][what] for result in results) for what in SCORES if results}
    values = values_of(definition, trial.params)
    return {
        "number": trial.number,
        "state": "diverged" if DIVERGED in held else STATES[trial.state],
        **values,
        "objective": trial.value if trial.state == TrialState.COMPLETE else None,
        "last_reported": reported[-1] if reported else None,
        "accuracy": means.get("accuracy"),
        "loss": means.get("loss"),
        "epochs_trained": max(len(trial.intermediate_values), sum(result["epochs"] for result in results)),
        "training_seconds": sum(result["seconds"] for result in results) if results else None,
        "run": " ".join(f"runs/{result['run']}" for result in results),
        "worker": worker.get("name", ""),
        "started": _moment(trial.datetime_start, worker),
        "finished": _moment(trial.datetime_complete, worker),
        "error": held.get(ERROR, held.get(DIVERGED, "")),
        "trainings": results,
    }


def _moment(moment: datetime | None, worker: dict[str, str]) -> str:
    """Return a worker's local time with its offset from UTC, to the second."""
    if moment is None:
        return ""
    zone = worker.get("zone", "+0000")
    offset = timedelta(hours=int(zone[:3]), minutes=int(zone[0] + zone[3:5]))
    return moment.replace(tzinfo=timezone(offset)).isoformat(timespec="seconds")


def _cell(value: object) -> object:
    """Return a value for CSV: numbers in full, '16 32' for a tuple, 'on' and 'off' as on the command line."""
    return value if isinstance(value, int | float | str) and not isinstance(value, bool) else value_text(value)


def _best_trials(experiment: Experiment) -> list[list[str]]:
    definition, names = experiment.definition, experiment.definition.differing
    other = "accuracy" if definition.objective == "loss" else "loss"
    header = ["trial", f"validation {definition.objective}", *map(option_text, names), other, "training", "epochs", "n"]
    best, start = ranked(experiment), start_of(definition)
    is_start = [all(row[name] == start[name] for name in names) for _, row in best.iterrows()]
    lines = []
    for place, ((_, row), started) in enumerate(zip(best.iterrows(), is_start, strict=True)):
        if place < BEST or started:
            lines.append(
                [
                    f"{row['number']}{' (start)' if started else ''}",
                    score_text(row["objective"], definition.objective),
                    *(value_text(row[name]) for name in names),
                    score_text(row[other], other),
                    f"{row['training_seconds']:,.1f} s",
                    str(row["epochs_trained"]),
                    str(len(row["trainings"])),
                ]
            )
    if not any(is_start):
        lines.append(["start", "-", *(value_text(start[name]) for name in names), "-", "-", "-", "-"])
    return [header, *lines]


def _combinations(experiment: Experiment) -> list[list[str]]:
    numbers = ["accuracy", "sd", "95 % interval", "loss", "sd", "95 % interval", "training", "n"]
    lines = [[*map(option_text, experiment.compared), *numbers]]
    for row in summary(experiment).to_dict("records"):
        n, trials = row["n"], row["trials"]
        numbers = ["-"] * 7
        if n:
            numbers[0], numbers[3] = percent(row["accuracy_mean"]), f"{row['loss_mean']:.4f}"
            numbers[6] = f"{row['training_seconds_median']:,.1f} s"
        if n > 1:
            numbers[1], numbers[4] = f"{100 * row['accuracy_sd']:.2f}", f"{row['loss_sd']:.4f}"
            numbers[2] = percent_range((row["accuracy_low"], row["accuracy_high"]))
            numbers[5] = f"{row['loss_low']:.4f} to {row['loss_high']:.4f}"
        names = [value_text(row[name]) for name in experiment.compared]
        lines.append([*names, *numbers, str(n) if n == trials else f"{n} of {trials}"])
    return lines
