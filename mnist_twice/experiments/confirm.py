"""What a search has found against what it started from: both trained with fresh seeds, and evaluated on test images."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd  # type: ignore[import-untyped]
from scipy import stats  # type: ignore[import-untyped]

from mnist_twice.data import load_dataset
from mnist_twice.errors import UserError
from mnist_twice.experiments.definition import Definition, command_of, recipe_of, values_of, versions_of
from mnist_twice.experiments.options import ConfirmOptions, ShowOptions
from mnist_twice.experiments.results import SCORES, Experiment, experiments_in, read_experiment, spread_of
from mnist_twice.experiments.run import best_of, work_on
from mnist_twice.recipes import find_problem

START, BEST = "start", "best"
"""The two recipes, among a trial's values as `recipe`."""
CONFIRM = "-confirm"
"""Ends the name of the experiment that confirms a search."""
FEWEST = 6
"""Seeds below which no difference, however large, has a p-value below 0.05."""


def run_confirm(options: ConfirmOptions) -> int:
    """Train both recipes with every seed, as far as that is not done, and show the result; return the exit status.

    Once begun, the comparison stays as it is, whatever the search finds later: the test set is not evaluated again for
    another recipe or with other seeds.
    """
    from mnist_twice.experiments.report import run_show  # which shows what is confirmed here

    name, place = f"{options.experiment}{CONFIRM}", (options.output_dir, options.storage)
    search = read_experiment(options.experiment, *place)
    if search.definition.kind != "search":
        raise UserError(f"'{search.name}' is a {search.definition.kind}; only a search has a best recipe to confirm.")
    stored = read_experiment(name, *place) if name in experiments_in(*place) else None
    definition = stored.definition if stored else _definition_of(search, options.seeds)
    if (begun := len(definition.seeds)) != options.seeds:
        raise UserError(
            f"'{name}' was begun with {begun} seeds, and the test images are not evaluated again with others; give "
            f"--seeds {begun} to continue it, or to see its result."
        )
    if stored is None or len(stored.complete) < stored.wanted:
        if load_dataset(definition.dataset, options.data_dir).fingerprint != definition.dataset_fingerprint:
            raise UserError(
                f"'{options.data_dir}' has another {definition.dataset} than the search used; give --data-dir."
            )
        definition = replace(definition, versions=versions_of(definition.frameworks))
        seeds = " ".join(map(str, definition.seeds))
        print(f"Best recipe against start, with the seeds {seeds}, evaluated on the test images.", flush=True)
        if status := work_on(definition, replace(options, experiment=name), command_of("confirm", options)):
            return status
    return run_show(ShowOptions(name, options.storage, options.output_dir))


def confirmation_of(definition: Definition, complete: pd.DataFrame) -> dict[str, Any] | None:
    """Return what confirm.json has, accuracies and differences (best minus start, by seed) as fractions.

    None before two seeds have trained both recipes, and of another kind of experiment. complete: its complete trials.
    The p-value is that of Fisher's exact permutation test of the accuracies; None of so few seeds that it says nothing.
    """
    if definition.kind != "confirm":
        return None
    trials = complete.set_index("seed")[["recipe", *SCORES, "training_seconds"]]
    start, best = (trials[trials["recipe"] == name].drop(columns="recipe") for name in (START, BEST))
    differences, p_value = (best - start).dropna(), None
    if (n := len(differences)) < 2:
        return None
    if n >= FEWEST:
        sample, all_signs = (differences["accuracy"],), 2**n
        test = stats.permutation_test(sample, np.mean, permutation_type="samples", n_resamples=all_signs)
        p_value = float(test.pvalue)
    ratios = (best["training_seconds"] / start["training_seconds"]).dropna()
    found = {
        "seeds": differences.index.tolist(),
        **{f"{what}_difference": spread_of(differences[what]) for what in SCORES},
        "p_value": p_value,
        "seconds_ratio": float(stats.gmean(ratios)),  # geometric: so that a / b is 1 / (b / a)
        **{name: frame.reset_index().to_dict("records") for name, frame in ((START, start), (BEST, best))},
        "definition": definition.record(),
    }
    return {"sentence": _sentence(definition, found), **found}


def _definition_of(search: Experiment, number: int) -> Definition:
    """Return the comparison of a search's best recipe with the one that it started from, with so many new seeds.

    Both train on all training images; if one of them needs validation images, both hold out the same number.
    Raises UserError if the search has no best recipe yet, or if that is the one it started from.
    """
    definition = search.definition
    trial = best_of(definition, search.frozen)
    if trial is None:
        raise UserError(f"no trial of '{search.name}' is complete, so there is no best recipe; continue the search.")
    best = recipe_of(definition, values_of(definition, trial.params))
    start = definition.recipes[best.model]
    recipes = [replace(recipe, validation_fraction=0.0, seed=0) for recipe in (start, best)]
    if any(map(find_problem, recipes)):
        fraction = max(start.validation_fraction, best.validation_fraction)
        recipes = [replace(recipe, validation_fraction=fraction) for recipe in recipes]
    if recipes[0] == recipes[1]:
        raise UserError(f"the best recipe of '{search.name}' is its start: there is nothing to compare it with.")
    seeds = [seed for seed in range(number + len(definition.seeds)) if seed not in definition.seeds]
    return replace(
        definition,
        kind="confirm",
        evaluate_on="test",
        objective="loss",
        recipes=dict(zip((START, BEST), recipes, strict=True)),
        seeds=tuple(seeds[:number]),
        space={},
        pruner="none",
    )


def _sentence(definition: Definition, found: dict[str, Any]) -> str:
    """Return what was found in words, and how far it can be relied on."""
    mean, _, low, high = (100 * value for value in found["accuracy_difference"].values())
    verdict = "includes 0: these seeds show no difference"
    if not low <= 0 <= high:
        verdict = f"excludes 0: the {'best recipe' if low > 0 else 'start'} is more accurate"
    test = f"a p-value needs {FEWEST} seeds"
    if found["p_value"] is not None:
        test = f"p = {found['p_value']:.3f} by the exact permutation test of the paired differences"
    sentence = (
        f"Best recipe against start: {mean:+.2f} percentage points of test accuracy (95 % interval {low:+.2f} to "
        f"{high:+.2f}, n = {len(found['seeds'])} of {len(definition.seeds)} seeds) and {found['seconds_ratio']:.2f} "
        f"times the training seconds. The interval {verdict}; {test}."
    )
    start, best = (definition.recipes[name].epochs for name in (START, BEST))
    return sentence if start == best else f"{sentence} Epochs: {best} with the best recipe, {start} with the start."
