"""The command line of the training scripts: made from the Recipe, and made back into it."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Literal

from digits.command_line import flat_fields, option, options_dataclass, parse, refuse, shown
from digits.data import DATA_DIR
from digits.machine import has_bfloat16
from digits.training.recipe import RECIPES, Augmentation, Recipe, widths_problem

AMOUNTS = tuple(amount.name for amount in fields(Augmentation))
GROUPS = {
    "data": ("dataset", "data_dir", "validation_fraction", "split"),
    "network": ("model", "filters", "dense", "dropout", "init_from", "new_head", "freeze_features"),
    "training": (
        *("epochs", "batch_size", "optimizer", "learning_rate", "schedule", "betas", "weight_decay", "label_smoothing"),
        *("ema", "early_stopping", "reduce_on_plateau", "keep_best", "parity"),
    ),
    "augmentation": ("augment", *AMOUNTS),
    "run": ("seed", "precision", "device", "resume", "output_dir"),
}
NEEDS = {"new_head": "init_from", "freeze_features": "init_from", **dict.fromkeys(AMOUNTS, "augment")}
"""Options that have no effect without another one."""


@options_dataclass
class Options:
    """What a training script is asked to do."""

    recipe: Recipe
    dataset: str = "mnist"
    """dataset that download_mnist.py has put into the data folder"""
    init_from: Path | None = None
    """run, of either framework, whose weights training starts from"""
    new_head: bool = False
    """with --init-from: start the last layer afresh, as is done anyway where the number of classes differs"""
    freeze_features: bool = False
    """with --init-from: train the last layer only"""
    list_models: bool = False
    """print the networks with their parameters, recipes and sources, and exit"""
    resume: bool = False
    """continue a killed training with the same options after its last finished epoch"""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """where to compute; auto takes a CUDA GPU if the framework finds one"""
    data_dir: Path = DATA_DIR
    """folder that download_mnist.py keeps the datasets in"""
    output_dir: Path = Path("outputs")
    """folder of runs; this one is named after dataset, model, framework and seed"""


def parse_options(description: str, arguments: Sequence[str] | None = None) -> Options:
    """Return the options of a training script from its command line (default: sys.argv).

    The defaults are those of the model that is asked for. `--help` and `--list-models` print and exit; a mistyped
    option or a value that makes no sense exits with status 2.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    options = parse(Options(RECIPES[_model_asked_for(words)]), description, words, groups=GROUPS, needs=NEEDS)
    if options.list_models:
        from digits.training.model_table import models_table  # not needed to train

        print(models_table())
        raise SystemExit(0)
    for name, _, value in flat_fields(options):
        if str(value).encode(errors="ignore").decode() != str(value):
            refuse(f"{option(name)} {value} has bytes that are not UTF-8 text; rename it.")
    if problem := find_problem(options.recipe):
        refuse(problem)
    if options.recipe.precision == "auto":
        recipe = replace(options.recipe, precision="bfloat16" if has_bfloat16() else "float32")
        return replace(options, recipe=recipe)
    return options


def find_problem(recipe: Recipe) -> str | None:
    """Return a sentence about fields that do not go together, or None. (Each field's own range is in the Recipe.)"""
    if problem := widths_problem(recipe.model, recipe.filters, recipe.dense):
        return problem
    watched = [name for name in ("early_stopping", "reduce_on_plateau", "keep_best") if getattr(recipe, name)]
    if watched and not recipe.validation_fraction:
        return f"{option(watched[0])} must have images to validate on: set --validation-fraction above 0."
    if recipe.weight_decay and recipe.optimizer != "adam":
        return f"--weight-decay must go with --optimizer adam, not {recipe.optimizer}; set it to 0."
    if recipe.reduce_on_plateau and recipe.schedule != "constant":
        return f"--reduce-on-plateau must go with --schedule constant, not {recipe.schedule}; set one of them to 0."
    return None


def command_line(script: str, options: Options) -> str:
    """Return the command that repeats a training: the script with each option that is not the model's default."""
    words = ["python", script, "--dataset", options.dataset, "--model", options.recipe.model]
    default = Options(RECIPES[options.recipe.model], options.dataset)
    for (name, _, usual), (_, _, chosen) in zip(flat_fields(default), flat_fields(options), strict=True):
        if chosen == usual or name == "resume":  # a repeat begins at the beginning
            continue
        if isinstance(chosen, bool):
            words.append(option(name) if chosen else option(f"no_{name}"))
        elif isinstance(chosen, Path) and str(chosen).startswith("-"):
            words += [option(name), f"./{chosen}"]  # or it would be taken for an option
        else:
            words += [option(name), *(shown(chosen).split() if isinstance(chosen, tuple) else [str(chosen)])]
    return shlex.join(words)


def _model_asked_for(words: Sequence[str]) -> str:
    """Return the model that the words name, so that its recipe gives the defaults; an unknown one is refused later."""
    names = [word.removeprefix("--model=") for word in words if word.startswith("--model=")]
    names += [words[i + 1] for i, word in enumerate(words[:-1]) if word == "--model"]
    return names[-1] if names and names[-1] in RECIPES else "cnn"
