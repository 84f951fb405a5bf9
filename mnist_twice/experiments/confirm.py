"""What a search has found against what it started from: both trained with fresh seeds, and evaluated on test images."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd  # type: ignore[import-untyped]
from scipy import stats  # type: ignore[import-untyped]

from mnist_twice.data import load_dataset
from mnist_twice.errors import UserError
from mnist_twice.experiments.commands import Script, best_of, work_on
from mnist_twice.experiments.definition import Definition, command_of, recipe_of, versions_of
from mnist_twice.experiments.options import ConfirmOptions
from mnist_twice.experiments.parameters import values_of
from mnist_twice.experiments.results import SCORES, Experiment, experiments_in, read_experiment, spread_of, table_of
from mnist_twice.experiments.training import script_of
from mnist_twice.experiments.values import FIELDS, count, option_text, value_of, value_text
from mnist_twice.files import write_whole
from mnist_twice.names import percent
from mnist_twice.recipes import Recipe, name_problem, recipe_record

START, BEST = "start", "best"
"""The two recipes, among a trial's values as `recipe`."""
CONFIRM = "-confirm"
"""Ends the name of the experiment that confirms a search."""
RESULT, SECONDS = "confirm.json", "training_seconds"
FEWEST = 6
"""Seeds below which no difference, however large, has a p-value below 0.05."""
WATCHING = ("early_stopping", "reduce_on_plateau", "keep_best")
"""Fields of a recipe that need images to validate on."""


@dataclass(frozen=True)
class Confirmation:
    """Both recipes, trained with the same seeds and evaluated on the same test images."""

    pairs: pd.DataFrame  # a row for each seed: (accuracy, start), (accuracy, best), (loss, start), ..., seconds
    wanted: int  # pairs that there will be
    epochs: tuple[int, int]  # of start and best

    def differences(self, what: str) -> pd.Series:
        """Return by how much the best recipe has more accuracy, a fraction, or more loss, by seed."""
        return self.pairs[what, BEST] - self.pairs[what, START]

    @property
    def seconds_ratio(self) -> float:
        """The geometric mean of the ratios of training seconds, best to start: so a / b is 1 / (b / a)."""
        return float(stats.gmean(self.pairs[SECONDS, BEST] / self.pairs[SECONDS, START]))

    @cached_property
    def p_value(self) -> float | None:
        """Fisher's exact permutation test of the differences in accuracy; None of so few seeds that it says nothing."""
        n, sample = len(self.pairs), (self.differences("accuracy"),)
        if n < FEWEST:
            return None
        return float(stats.permutation_test(sample, np.mean, permutation_type="samples", n_resamples=2**n).pvalue)

    def sentence(self) -> str:
        """Return the result in words, and how far it can be relied on."""
        mean, _, low, high = (100 * value for value in spread_of(self.differences("accuracy")).values())
        n = len(self.pairs)
        seeds = f"n = {count(n, 'seed')}" if n >= self.wanted else f"n = {n} of {self.wanted} seeds so far"
        what = f"{abs(mean):.2f} percentage points {'more' if mean > 0 else 'less'} accurate"
        what = what if mean else "exactly as accurate as the start"
        interval = f"{seeds}, which gives no interval"
        remark = "Of one seed it is not known whether the difference is more than chance."
        if n > 1:
            ends = (low, high) if mean >= 0 else (-high, -low)
            interval = f"95 % interval {ends[0]:.2f} to {ends[1]:.2f}, {seeds}"
            excludes = "excludes 0" if low > 0 or high < 0 else "includes 0: these seeds do not tell them apart"
            test = "by the exact permutation test of the paired differences"
            p_value = "so few seeds give no p-value" if self.p_value is None else f"p = {self.p_value:.3f} {test}"
            remark = f"The interval {excludes}; {p_value}."
        if self.epochs[0] != self.epochs[1]:
            remark += f" The best recipe trains {count(self.epochs[1], 'epoch')}, the start {self.epochs[0]}."
        return (
            f"The best recipe is {what} ({interval}), at {self.seconds_ratio:.2f} times the training seconds. {remark}"
        )


def confirmation_of(experiment: Experiment) -> Confirmation | None:
    """Return the result of an experiment of the kind 'confirm', from the seeds with which both recipes are trained.

    None where there is no such seed yet, and for other kinds.
    """
    definition = experiment.definition
    if definition.kind != "confirm":
        return None
    pairs = experiment.complete.pivot(index="seed", columns="recipe", values=[*SCORES, SECONDS]).dropna()
    epochs = definition.recipes[START].epochs, definition.recipes[BEST].epochs
    found = {*pairs.columns.get_level_values("recipe")}
    return Confirmation(pairs, len(definition.seeds), epochs) if len(pairs) and len(found) == 2 else None


def run_confirm(options: ConfirmOptions, script: Script = script_of) -> int:
    """Train both recipes with every seed, as far as that is not done, and print the result; return the exit status.

    Once begun, the comparison stays as it is, whatever the search finds later: the test set is not evaluated again for
    another recipe or with other seeds. script: gives the training script of a framework.
    """
    name = f"{options.experiment}{CONFIRM}"
    if problem := name_problem(name):
        raise UserError(f"the comparison's name, '{name}', {problem}.")
    place = options.output_dir, options.storage
    search = read_experiment(options.experiment, *place)
    if search.definition.kind != "search":
        raise UserError(
            f"'{options.experiment}' is a {search.definition.kind}, and only a search has a best recipe to confirm; "
            "'python run_experiment.py show' shows it."
        )
    stored = read_experiment(name, *place) if name in experiments_in(*place) else None
    if stored and (begun := len(stored.definition.seeds)) != options.seeds:
        raise UserError(
            f"'{name}' was begun with {begun} seeds, and the test images are not evaluated again for others; give "
            f"--seeds {begun} to continue it, or to see its result."
        )
    if stored is None or len(stored.complete) < stored.wanted.trials:
        definition = _confirm_definition(search, options.seeds) if stored is None else stored.definition
        if status := _train(replace(options, experiment=name), definition, command_of("confirm", options), script):
            return status
        stored = read_experiment(name, *place)
    print(f"\nbest recipe: {recipe_text(stored.definition)}\n\n{table_of(stored).to_string(index=False)}\n")
    if (found := confirmation_of(stored)) is None:
        raise UserError(f"there is no seed with which both recipes could be trained; the trials of '{name}' say why.")
    path = write_confirmation(stored, found, options.folder.with_name(name))
    print(f"{found.sentence()}\n\nresult: {path}")
    return 0


def recipe_text(definition: Definition) -> str:
    """Return in what the best recipe differs from the start: 'learning rate 0.002618 (start 0.001), ...'."""
    best, start = definition.recipes[BEST], definition.recipes[START]
    found = [(name, value_of(best, name), value_of(start, name)) for name in FIELDS]
    return ", ".join(
        f"{option_text(name)} {value_text(value)} (start {value_text(usual)})"
        for name, value, usual in found
        if value != usual
    )


def write_confirmation(experiment: Experiment, found: Confirmation, folder: Path) -> Path:
    """Write confirm.json, accuracies and differences as fractions, and return its path."""
    definition, path = experiment.definition, folder / RESULT
    by_seed = {recipe: found.pairs.xs(recipe, axis=1, level="recipe") for recipe in (START, BEST)}
    record = {
        "experiment": experiment.name,
        "search": experiment.name.removesuffix(CONFIRM),
        "dataset": definition.dataset,
        "dataset_fingerprint": definition.dataset_fingerprint,
        "framework": definition.frameworks[0],
        "evaluated_on": definition.evaluate_on,
        "sentence": found.sentence(),
        "seeds": [*map(int, found.pairs.index)],
        **{recipe: frame.reset_index().to_dict("records") for recipe, frame in by_seed.items()},
        "accuracy_difference": spread_of(found.differences("accuracy")),
        "loss_difference": spread_of(found.differences("loss")),
        "p_value": found.p_value,
        "seconds_ratio": found.seconds_ratio,
        "recipes": {name: recipe_record(recipe) for name, recipe in definition.recipes.items()},
        "versions": dict(definition.versions),
    }
    write_whole(path, json.dumps(record, indent=2) + "\n")
    return path


def _confirm_definition(search: Experiment, number: int) -> Definition:
    """Return the comparison of a search's best recipe with the one that it started from, with so many fresh seeds.

    UserError where the search has no best recipe yet, or where that is the one it started from.
    """
    definition = search.definition
    trial = best_of(definition, search.frozen)
    if trial is None:
        raise UserError(f"no trial of '{search.name}' is complete, so that there is no best recipe; continue it first.")
    best = recipe_of(definition, values_of(definition, trial.params))
    recipes = _on_all_images({START: definition.recipes[best.model], BEST: best})
    if recipes[START] == recipes[BEST]:
        raise UserError(
            f"the best recipe of '{search.name}' is the one that it started from: there is nothing to compare it with."
        )
    seeds = [seed for seed in range(number + len(definition.seeds)) if seed not in definition.seeds]
    return replace(
        definition,
        kind="confirm",
        evaluate_on="test",
        objective="loss",
        recipes=recipes,
        seeds=tuple(seeds[:number]),
        space={},
        pruner="none",
        sampler_seed=0,
    )


def _train(options: ConfirmOptions, definition: Definition, command: str, script: Script) -> int:
    """Train what has not been trained; return the exit status."""
    definition = replace(definition, versions=versions_of(definition.frameworks))
    if load_dataset(definition.dataset, options.data_dir).fingerprint != definition.dataset_fingerprint:
        raise UserError(
            f"'{options.data_dir}' has another {definition.dataset} than the search was made on; give the --data-dir "
            "that it was made with."
        )
    images, held_out = "all training images", definition.recipes[BEST].validation_fraction
    if held_out:
        images = f"{percent(1 - held_out, 0)} of the training images (a recipe watches the others while it trains)"
    print(
        f"best recipe against the one it started from: {count(2 * len(definition.seeds), 'training')} with the seeds "
        f"{' '.join(map(str, definition.seeds))}, on {images}; evaluated on the test images",
        flush=True,
    )
    return work_on(definition, options, command, script)


def _on_all_images(recipes: dict[str, Recipe]) -> dict[str, Recipe]:
    """Return the recipes without images held out; with equally many, where one of them needs images to validate on."""
    watching = any(getattr(recipe, name) for recipe in recipes.values() for name in WATCHING)
    fraction = max(recipe.validation_fraction for recipe in recipes.values()) if watching else 0.0
    return {name: replace(recipe, validation_fraction=fraction, seed=0) for name, recipe in recipes.items()}
