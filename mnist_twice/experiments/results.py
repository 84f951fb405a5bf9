"""What an experiment has given so far: its trials as a table, their summary, and both as text and CSV."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import optuna
import pandas as pd  # type: ignore[import-untyped]
from optuna.trial import FrozenTrial, TrialState
from scipy import stats  # type: ignore[import-untyped]

from mnist_twice.errors import UserError
from mnist_twice.experiments.definition import Definition, read_definition, start_of
from mnist_twice.experiments.parameters import values_of
from mnist_twice.experiments.storage import JOURNAL, answering
from mnist_twice.experiments.study import (
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
from mnist_twice.experiments.values import option_text, value_text
from mnist_twice.names import percent, spelled

BEST = 10
"""Trials of a search that its table shows."""
SCORES = ("accuracy", "loss")
STATES = {
    TrialState.COMPLETE: "complete",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
    TrialState.RUNNING: "running",
    TrialState.WAITING: "waiting",
}
HEADINGS = {f"{what}_{part}": part for what in SCORES for part in ("sd", "low", "high")} | {
    "number": "trial",
    "accuracy": "accuracy, %",
    "accuracy_mean": "accuracy, %",
    "loss_mean": "loss",
    "training_seconds": "seconds",
    "training_seconds_median": "seconds",
    "epochs_trained": "epochs",
}
"""What columns are called where people read them; low and high are the ends of the 95 % t-interval of the mean."""


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
        return pd.DataFrame([_row(self.definition, trial) for trial in self.frozen])

    @property
    def complete(self) -> pd.DataFrame:
        """Of these, the complete trials."""
        return self.trials[self.trials["state"] == "complete"]

    @property
    def compared(self) -> list[str]:
        """The names of what combinations differ in; of seeds alone, framework and model, to have a name."""
        names = [name for name in self.definition.differing if name != "seed"]
        return names or ["framework", self.definition.label]


def read_experiment(name: str, output_dir: Path, storage: str = "") -> Experiment:
    """Return the experiment as it stands, without taking part in it.

    UserError where there is none of this name, which names those that there are.
    """
    with answering(storage):
        known = experiments_in(output_dir, storage)
        if name not in known:
            where = "the storage" if storage else f"'{output_dir / 'experiments'}'"
            others = f"there are {', '.join(known)}" if known else "there is none"
            hint = "" if storage else "; one of a database needs its --storage"
            raise UserError(f"there is no experiment '{name}' in {where}: {others}{hint}.")
        study = optuna.load_study(study_name=name, storage=storage_of(output_dir / "experiments" / name, storage))
        attributes, trials = study.user_attrs, study.get_trials(deepcopy=False)
    if DEFINITION not in attributes or not trials:
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
    return sorted(path.parent.name for path in (output_dir / "experiments").glob(f"*/{JOURNAL}"))


def ranked(experiment: Experiment) -> pd.DataFrame:
    """Return the complete trials, the best first; of equals, the earlier one first."""
    lowest_first = experiment.definition.objective == "loss"
    return experiment.complete.sort_values("objective", ascending=lowest_first, kind="stable")


def summary(experiment: Experiment) -> pd.DataFrame:
    """Return a row for each combination of everything but the seed: trainings (n), trials, spreads, median seconds."""
    groups = experiment.trials.groupby(experiment.compared, sort=False, dropna=False)
    found = groups.agg(n=("loss", "count"), trials=("number", "size"))
    for what in SCORES:
        for part, values in spread_of(groups[what]).items():
            found[f"{what}_{part}"] = values
    found["training_seconds_median"] = groups["training_seconds"].median()
    return found.reset_index()


def spread_of(values: Any) -> dict[str, Any]:
    """Return mean, standard deviation and 95 % t-interval of a series, or of each group of one; NaN where n is 1."""
    n, mean, sd = values.count(), values.mean(), values.std()
    reach = stats.t.ppf(0.975, np.maximum(n - 1, 1)) * sd / n**0.5
    return {"mean": mean, "sd": sd, "low": mean - reach, "high": mean + reach}


def table_of(experiment: Experiment) -> pd.DataFrame:
    """Return the table for people, of texts.

    Of a search, its best trials, and the one of the recipe that it started from; else the summary.
    """
    definition, names = experiment.definition, [*experiment.definition.differing]
    headings = HEADINGS
    if definition.kind == "search":
        start, other = pd.Series(start_of(definition)), "accuracy" if definition.objective == "loss" else "loss"
        best = ranked(experiment)
        is_start = (best[names] == start).all(axis=1)
        best["number"] = best["number"].map(str) + is_start.map({True: " (start)", False: ""})
        columns = ["number", definition.objective, *names, other, "training_seconds", "epochs_trained"]
        found = best.loc[is_start | (np.arange(len(best)) < BEST), columns]
        headings = HEADINGS | {definition.objective: f"validation {HEADINGS.get(definition.objective, 'loss')}"}
    else:
        found = summary(experiment)
    texts = pd.DataFrame({name: [_text(name, value) for value in found[name]] for name in found})
    return texts.set_axis([headings.get(name, option_text(name)) for name in found], axis=1)


def trials_as_csv(experiment: Experiment, trials: pd.DataFrame | None = None) -> str:
    """Return trials.csv: a row for every trial, whatever its state; scores by seed where a trial has several."""
    found, definition = (experiment.trials if trials is None else trials).copy(), experiment.definition
    results = found.pop("trainings")
    if definition.kind == "search" and len(definition.seeds) > 1:
        for place, seed in enumerate(definition.seeds):
            for what in SCORES:
                found[f"{what}_s{seed}"] = [
                    each[place]["score"][what] if place < len(each) else None for each in results
                ]
    found["error"] = found["error"].str.replace("\n", " / ")
    objective = f"objective_{definition.evaluate_on}_{definition.objective}"
    return _as_csv(definition, found.rename(columns={"objective": objective}))


def summary_as_csv(experiment: Experiment) -> str:
    """Return summary.csv: the summary in full precision; of a search, all complete trials, the best first."""
    if experiment.definition.kind == "search":
        return trials_as_csv(experiment, ranked(experiment))
    return _as_csv(experiment.definition, summary(experiment))


def pruning_text(experiment: Experiment) -> str:
    """Return what pruning saved, in a sentence; nothing where no trial was pruned."""
    trials, definition = experiment.trials, experiment.definition
    pruned = trials[trials["state"] == "pruned"]
    if pruned.empty:
        return ""
    (recipe,) = definition.recipes.values()
    asked = pruned["epochs"] if "epochs" in definition.space else recipe.epochs
    done, complete = pruned["epochs_trained"], experiment.complete["epochs_trained"].sum()
    trained, without = complete + done.sum(), complete + done.clip(lower=len(definition.seeds) * asked).sum()
    return f"Pruning saved {percent(1 - trained / without, 0)} of the epochs: {trained:,} of {without:,} were trained."


def counts_text(experiment: Experiment) -> str:
    """Return how far the experiment is: '60 of 60 trials ended: 38 complete, 22 pruned'."""
    counts = Counter(experiment.trials["state"])
    order = ("complete", "pruned", "diverged", "failed", "running", "waiting")
    states = ", ".join(f"{counts[state]:,} {state}" for state in order if counts[state])
    ended = sum(counts[state] for state in order[:4])
    return f"{ended:,} of {experiment.wanted.trials:,} trials ended" + (
        f": {states}" if states else "; none has started"
    )


def subject(experiment: Experiment) -> str:
    """Return what was trained on what: 'MNIST · CNN, MLP · PyTorch, TensorFlow · 'fields''."""
    definition = experiment.definition
    models = dict.fromkeys(recipe.model for recipe in definition.recipes.values())
    parts = [", ".join(map(spelled, names)) for names in (models, definition.frameworks)]
    return " · ".join([spelled(definition.dataset), *parts, f"'{experiment.name}'"])


def _row(definition: Definition, trial: FrozenTrial) -> dict[str, Any]:
    held, worker = trial.user_attrs, trial.user_attrs.get(WORKER, {})
    results = held.get(TRAININGS, [])
    reported = [value for _, value in sorted(trial.intermediate_values.items()) if math.isfinite(value)]
    return {
        "number": trial.number,
        "state": "diverged" if DIVERGED in held else STATES[trial.state],
        **values_of(definition, trial.params),
        "objective": trial.value if trial.state == TrialState.COMPLETE else math.nan,
        "last_reported": reported[-1] if reported else math.nan,
        **{what: fmean(result["score"][what] for result in results) if results else math.nan for what in SCORES},
        "epochs_trained": max(len(trial.intermediate_values), sum(result["epochs"] for result in results)),
        "training_seconds": sum(result["seconds"] for result in results) if results else math.nan,
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
    zone = datetime.strptime(worker.get("zone", "+0000"), "%z").tzinfo
    return moment.replace(tzinfo=zone).isoformat(timespec="seconds")


def _as_csv(definition: Definition, found: pd.DataFrame) -> str:
    """Return a table as CSV: numbers in full, '16 32' for a tuple, 'on' and 'off' as on the command line."""
    for name in {*definition.differing} & {*found}:
        found[name] = [value_text(value) if isinstance(value, bool | tuple) else value for value in found[name]]
    return str(found.to_csv(index=False))


def _text(name: str, value: Any) -> str:
    if isinstance(value, float) and math.isnan(value):
        return "-"
    if name.startswith(("accuracy", "loss", "training_seconds")):
        return f"{100 * value:.2f}" if name[0] == "a" else f"{value:.4f}" if name[0] == "l" else f"{value:,.1f}"
    return value_text(value)
