"""Confirm a search: its best recipe against the default one, with seeds that it has not used, on the test images."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from digits.data import load_dataset
from digits.errors import UserError
from digits.experiments.best import best_of
from digits.experiments.commands import USUAL, work_on
from digits.experiments.confirmation import BEST, CONFIRM, DEFAULT, confirmation_of, fresh_seeds, verdicts_of
from digits.experiments.define import versions_of
from digits.experiments.definition import Definition, recipe_of
from digits.experiments.job import script_of
from digits.experiments.liveness import Watch
from digits.experiments.options import ConfirmOptions
from digits.experiments.queue import VALUES, Queue
from digits.experiments.study import FOLDER, StoredStudy, experiments_in, open_study, read_study
from digits.experiments.tables import experiment_as_text
from digits.experiments.values import FIELDS, value_of
from digits.experiments.words import count, option_text, value_text
from digits.experiments.worker import Pace, claim_waiting
from digits.files import write_whole
from digits.names import percent
from digits.recipes import RECIPES, Recipe, name_problem, recipe_record, with_precision

RESULT = "confirm.json"
WATCHING = ("early_stopping", "reduce_on_plateau", "keep_best")
"""Fields of a recipe that need images to validate on."""


def run_confirm(options: ConfirmOptions, script: Callable[[str], Path] = script_of, pace: Pace = USUAL) -> int:
    """Train both recipes with every seed, as far as that is not done, and print the result; return the exit status.

    Once begun, the comparison stays as it is, whatever the search finds later: the test set is not evaluated again for
    another recipe or with other seeds. script: gives the training script of a framework.
    """
    name = f"{options.experiment}{CONFIRM}"
    if problem := name_problem(name):
        raise UserError(f"the comparison's name, '{name}', {problem}.")
    search = read_study(options.experiment, options.output_dir, options.storage)
    if search.definition.kind != "search":
        raise UserError(
            f"'{options.experiment}' is a {search.definition.kind}, and only a search has a best recipe to confirm; "
            "'python run_experiment.py show' shows it."
        )
    stored = None
    if name in experiments_in(options.output_dir, options.storage):
        stored = read_study(name, options.output_dir, options.storage)
        _check_seeds(stored, options.seeds)
    folder = options.output_dir / FOLDER / name
    if stored is None or not stored.is_complete:
        status = _train(options, search, stored, folder, script, pace)
        if status:
            return status
        stored = read_study(name, options.output_dir, options.storage)
    print(f"\nbest recipe: {recipe_text(stored.definition)}\n\n{experiment_as_text(stored.experiment)}")
    for sentence in verdicts_of(stored.experiment):
        print(sentence)
    print(f"\nresult: {write_confirmation(stored, folder)}")
    return 0


def recipe_text(definition: Definition) -> str:
    """Return in what the best recipe differs from the default one: 'learning rate 0.002618 (default 0.001), ...'."""
    best, default = definition.recipes[BEST], definition.recipes[DEFAULT]
    found = [(name, value_of(best, name), value_of(default, name)) for name in FIELDS]
    return ", ".join(
        f"{option_text(name)} {value_text(value)} (default {value_text(usual)})"
        for name, value, usual in found
        if value != usual
    )


def write_confirmation(stored: StoredStudy, folder: Path) -> Path | None:
    """Write confirm.json and return its path; None, and nothing is written, before both recipes have a seed."""
    found, definition = confirmation_of(stored.experiment), stored.definition
    if found is None:
        return None
    about = {
        "experiment": stored.experiment.name,
        "search": stored.experiment.name.removesuffix(CONFIRM),
        "dataset": definition.dataset,
        "dataset_fingerprint": definition.dataset_fingerprint,
        "framework": definition.frameworks[0],
        "evaluated_on": definition.evaluate_on,
    }
    recipes = {name: recipe_record(recipe) for name, recipe in definition.recipes.items()}
    record = {**about, **found.as_json(), "recipes": recipes, "versions": dict(definition.versions)}
    path = folder / RESULT
    write_whole(path, json.dumps(record, indent=2) + "\n")
    return path


def confirm_definition(search: StoredStudy, number: int) -> Definition:
    """Return the comparison of a search's best recipe with the default one, with so many fresh seeds.

    UserError where the search has no best recipe yet, or where that is the default one.
    """
    definition = search.definition
    trial = best_of(definition, search.trials)
    if trial is None:
        raise UserError(
            f"no trial of '{search.experiment.name}' is complete, so that there is no best recipe; continue it first."
        )
    best = recipe_of(definition, trial.user_attrs[VALUES])
    recipes = _on_all_images({DEFAULT: with_precision(RECIPES[best.model]), BEST: best})
    if recipes[DEFAULT] == recipes[BEST]:
        raise UserError(
            f"the best recipe of '{search.experiment.name}' is the default one: there is nothing to compare it with."
        )
    return replace(
        definition,
        kind="confirm",
        evaluate_on="test",
        objective="loss",
        recipes=recipes,
        seeds=fresh_seeds(definition.seeds, number),
        space={},
        pruner="none",
        versions=versions_of(definition.frameworks),
    )


def _train(
    options: ConfirmOptions,
    search: StoredStudy,
    stored: StoredStudy | None,
    folder: Path,
    script: Callable[[str], Path],
    pace: Pace,
) -> int:
    """Train what has not been trained; return the exit status."""
    if stored is None:
        definition = confirm_definition(search, options.seeds)
    else:
        definition = replace(stored.definition, versions=versions_of(stored.definition.frameworks))
    dataset = load_dataset(definition.dataset, options.data_dir)
    if dataset.fingerprint != definition.dataset_fingerprint:
        raise UserError(
            f"'{options.data_dir}' has another {definition.dataset} than the search was made on; give the --data-dir "
            "that it was made with."
        )
    seeds = " ".join(map(str, definition.seeds))
    held_out = definition.recipes[BEST].validation_fraction
    images = "all training images"
    if held_out:
        images = f"{percent(1 - held_out, 0)} of the training images (a recipe watches the others while it trains)"
    print(
        f"best recipe against the default one: {count(2 * len(definition.seeds), 'training')} with the seeds {seeds}, "
        f"on {images}; evaluated on the test images",
        flush=True,
    )
    opened = open_study(folder.name, folder, options.storage, definition)
    queue = Queue(opened.study, opened.wanted, Watch(pace.grace), opened.new)
    return work_on(opened, queue, claim_waiting(queue), options, dataset, script, pace)


def _on_all_images(recipes: dict[str, Recipe]) -> dict[str, Recipe]:
    """Return the recipes without images held out; with equally many, where one of them needs images to validate on."""
    watching = any(getattr(recipe, name) for recipe in recipes.values() for name in WATCHING)
    fraction = max(recipe.validation_fraction for recipe in recipes.values()) if watching else 0.0
    return {name: replace(recipe, validation_fraction=fraction, seed=0) for name, recipe in recipes.items()}


def _check_seeds(stored: StoredStudy, number: int) -> None:
    begun = len(stored.definition.seeds)
    if begun != number:
        raise UserError(
            f"'{stored.experiment.name}' was begun with {begun} seeds, and the test images are not evaluated again for "
            f"others; give --seeds {begun} to continue it, or to see its result."
        )
