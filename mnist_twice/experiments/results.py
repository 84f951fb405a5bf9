"""What an experiment has given so far: one table of its trials, and what is selected from it, as texts and as CSV."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from statistics import fmean
from typing import Any

import optuna
import pandas as pd  # type: ignore[import-untyped]
from optuna.trial import FrozenTrial, TrialState
from scipy import stats  # type: ignore[import-untyped]

from mnist_twice.errors import UserError
from mnist_twice.experiments.definition import Definition, read_definition, start_of, values_of
from mnist_twice.experiments.study import (
    COMMAND,
    DEFINITION,
    DIVERGED,
    ERROR,
    JOURNAL,
    TRAININGS,
    WANTED,
    WORKER,
    answering,
    counting,
    open_storage,
    params_of,
)
from mnist_twice.experiments.values import FIELDS, option_text, text_of, value_of, value_text
from mnist_twice.names import percent, spelled

BEST = 10
"""Trials of a search that its table shows."""
SCORES = ("accuracy", "loss")
HEADINGS = {f"{what}_{part}": part for what in SCORES for part in ("sd", "low", "high")}
HEADINGS |= {"number": "trial", "accuracy": "accuracy, %", "accuracy_mean": "accuracy, %", "loss_mean": "loss"}
HEADINGS |= {"training_seconds": "seconds", "epochs_trained": "epochs"}
"""What columns are called in the table; low and high are the ends of the 95 % t-interval of the mean."""


@dataclass(frozen=True)
class Experiment:
    """A study as it stood when it was read."""

    name: str
    definition: Definition
    wanted: int  # trials that there will be
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
        return [*names, *_changed(self.definition)] or ["framework", self.definition.label]

    @property
    def subject(self) -> str:
        """What was trained on what: 'MNIST · CNN, MLP · PyTorch, TensorFlow · 'fields''."""
        models = dict.fromkeys(recipe.model for recipe in self.definition.recipes.values())
        parts = [", ".join(map(spelled, names)) for names in (models, self.definition.frameworks)]
        return " · ".join([spelled(self.definition.dataset), *parts, f"'{self.name}'"])


def read_experiment(name: str, output_dir: Path, storage: str = "") -> Experiment:
    """Return the experiment as it stands, without taking part in it.

    Raises UserError if there is none of this name, which names those that there are.
    """
    with answering(storage):
        known = experiments_in(output_dir, storage)
        if name not in known:
            where = "the storage" if storage else f"'{output_dir / 'experiments'}'"
            others = f"there are {', '.join(known)}." if known else "no experiments yet."
            hint = "" if storage else " If it is in a database, add --storage."
            raise UserError(f"there is no experiment '{name}' in {where}: {others}{hint}")
        study = optuna.load_study(study_name=name, storage=open_storage(output_dir / "experiments" / name, storage))
        attributes, trials = study.user_attrs, study.get_trials(deepcopy=False)
    if DEFINITION not in attributes or not trials:
        raise UserError(f"the experiment '{name}' is just being created; try again in a moment.")
    definition = read_definition(attributes[DEFINITION])
    frozen = sorted(counting(trials).values(), key=lambda trial: trial.number)
    return Experiment(name, definition, attributes.get(WANTED, 0), tuple(frozen), attributes.get(COMMAND, ""))


def experiments_in(output_dir: Path, storage: str) -> list[str]:
    """Return the names of all experiments in the folder of outputs, or in the storage where one is given."""
    if storage:
        return sorted(optuna.get_all_study_names(open_storage(output_dir, storage)))
    return sorted(path.parent.name for path in (output_dir / "experiments").glob(f"*/{JOURNAL}"))


def summary(experiment: Experiment) -> pd.DataFrame:
    """Return a row for each combination of everything but the seed: n trainings, spreads, and the median seconds.

    Of a search, the complete trials, the best first; of equals, the earlier one first.
    """
    if experiment.definition.kind == "search":
        lowest_first = experiment.definition.objective == "loss"
        return experiment.complete.sort_values("objective", ascending=lowest_first, kind="stable")
    groups = experiment.trials.groupby(experiment.compared, sort=False, dropna=False)
    found = groups.agg(n=("loss", "count"))
    for what in SCORES:
        found = found.assign(**{f"{what}_{part}": values for part, values in spread_of(groups[what]).items()})
    return found.assign(training_seconds=groups["training_seconds"].median()).reset_index()


def spread_of(values: Any) -> dict[str, Any]:
    """Return mean, standard deviation and 95 % t-interval of a series, or of each group of one; NaN where n is 1."""
    mean, reach = values.mean(), stats.t.ppf(0.975, values.count() - 1) * values.sem()
    return {"mean": mean, "sd": values.std(), "low": mean - reach, "high": mean + reach}


def table_of(experiment: Experiment) -> pd.DataFrame:
    """Return the summary as texts; of a search, its best trials and the one that it started from."""
    found, names = summary(experiment), [*experiment.definition.differing]
    if experiment.definition.kind == "search":
        is_start = (found[names] == pd.Series(start_of(experiment.definition))).all(axis=1)
        found["number"] = found["number"].map(str) + is_start.map({True: " (start)", False: ""})
        columns = ["number", *names, *SCORES, "training_seconds", "epochs_trained"]
        found = found.loc[is_start | found.index.isin(found.index[:BEST]), columns]
    texts = pd.DataFrame({name: [_text(name, value) for value in found[name]] for name in found})
    return texts.set_axis([HEADINGS.get(name, option_text(name)) for name in found], axis=1)


def as_csv(found: pd.DataFrame) -> str:
    """Return a table as CSV: numbers in full, and other values as --set takes them."""
    return str(found.drop(columns="trainings", errors="ignore").map(text_of, na_action="ignore").to_csv(index=False))


def progress_text(experiment: Experiment) -> str:
    """Return how far it is, and what pruning saved: '60 of 60 trials ended: 38 complete, 22 pruned. Pruning ...'"""
    trials, definition = experiment.trials, experiment.definition
    counts, pruned = trials["state"].value_counts(), trials[trials["state"] == "pruned"]
    ended = counts.drop(["running", "waiting"], errors="ignore").sum()
    states = ", ".join(f"{number:,} {state}" for state, number in counts.items())
    text = f"{ended:,} of {experiment.wanted:,} trials ended: {states}."
    if len(pruned):
        (recipe,) = definition.recipes.values()
        asked = len(definition.seeds) * pruned.get("epochs", recipe.epochs)
        trained, saved = trials["epochs_trained"].sum(), (asked - pruned["epochs_trained"]).clip(lower=0).sum()
        share = percent(saved / (trained + saved), 0)
        text += f" Pruning saved {share} of the epochs: {trained:,} of {trained + saved:,} were trained."
    return text


def _row(definition: Definition, trial: FrozenTrial) -> dict[str, Any]:
    held, worker = trial.user_attrs, trial.user_attrs.get(WORKER) or {}
    results, values = held.get(TRAININGS, []), values_of(definition, params_of(trial))
    recipe, zone = definition.recipes[values[definition.label]], worker.get("zone", "")
    times = {"started": trial.datetime_start, "finished": trial.datetime_complete}
    return {
        "number": trial.number,
        "state": "diverged" if DIVERGED in held else trial.state.name.lower().replace("fail", "failed"),
        **values,
        **{name: value_of(recipe, name) for name in _changed(definition)},
        "objective": trial.value if trial.state == TrialState.COMPLETE else math.nan,
        "last_reported": trial.intermediate_values.get(trial.last_step or 0, math.nan),
        **{what: fmean([result["score"][what] for result in results] or [math.nan]) for what in SCORES},
        "epochs_trained": max(len(trial.intermediate_values), sum(result["epochs"] for result in results)),
        "training_seconds": sum(result["seconds"] for result in results) or math.nan,
        "run": " ".join(f"runs/{result['run']}" for result in results),
        "worker": worker.get("name", ""),
        **{name: f"{moment:%Y-%m-%dT%H:%M:%S}{zone}" if moment else "" for name, moment in times.items()},
        "error": held.get(ERROR, held.get(DIVERGED, "")),
        "trainings": results,
    }


def _changed(definition: Definition) -> list[str]:
    """Return the fields in which both recipes of a confirmation differ."""
    if definition.kind != "confirm":
        return []
    one, other = definition.recipes.values()
    return [name for name in FIELDS if value_of(one, name) != value_of(other, name)]


def _text(name: str, value: Any) -> str:
    if isinstance(value, float) and math.isnan(value):
        return "-"
    if name.startswith("accuracy"):
        return f"{100 * value:.2f}"
    return f"{value:.4f}" if name.startswith("loss") else f"{value:,.1f}" if "seconds" in name else value_text(value)
