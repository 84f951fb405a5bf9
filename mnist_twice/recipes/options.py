"""The command line of the training scripts: made from the Recipe, and made back into it."""

import argparse
import re
import sys
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from mnist_twice.command_line import flat_fields, option, options_dataclass, parse, refuse
from mnist_twice.data import DATA_DIR
from mnist_twice.errors import UserError
from mnist_twice.names import is_forbidden_on_windows
from mnist_twice.recipes.recipe import RECIPES, Augmentation, Recipe, find_problem, read_recipe

AMOUNTS = tuple(amount.name for amount in fields(Augmentation))
GROUPS = {
    "data": ("dataset", "data_dir", "validation_fraction", "split", "evaluate_on"),
    "network": ("model", "recipe_file", "filters", "dense", "dropout", "init_from", "new_head", "freeze_features"),
    "training": (
        *("epochs", "batch_size", "optimizer", "learning_rate", "schedule", "betas", "weight_decay", "label_smoothing"),
        *("ema", "early_stopping", "reduce_on_plateau", "keep_best", "parity"),
    ),
    "augmentation": ("augment", *AMOUNTS, "pens", "non_digits"),
    "run": ("seed", "precision", "device", "resume", "name", "output_dir", "log_dir"),
}
NEEDS = {"new_head": "init_from", "freeze_features": "init_from", **dict.fromkeys(AMOUNTS, "augment")}
"""Options that have no effect without another one."""


@options_dataclass
class Options:
    """What a training script is asked to do."""

    recipe: Recipe
    dataset: str = "mnist"
    """dataset to train on, from download_mnist.py"""
    evaluate_on: Literal["test", "validation"] = "test"
    """images to evaluate the trained network on; validation: the held-out ones, and the test images are not used"""
    recipe_file: Annotated[Path | None, Field(title="FILE")] = None
    """JSON file, such as a run.json, whose recipe replaces the model's default one"""
    init_from: Path | None = None
    """run of either framework; training starts from its weights"""
    new_head: bool = False
    """with --init-from: initialise the last layer anew, as always if the number of classes differs"""
    freeze_features: bool = False
    """with --init-from: train the last layer only"""
    list_models: bool = False
    """print the networks with their parameters, recipes and sources, and exit"""
    resume: bool = False
    """continue a killed training with the same options after its last finished epoch"""
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """where to compute; auto takes a CUDA GPU if there is one; mps is for Apple GPUs in PyTorch, and untested"""
    data_dir: Path = DATA_DIR
    """folder of datasets"""
    output_dir: Path = Path("outputs")
    """folder of runs"""
    log_dir: Annotated[Path | None, Field(title="DIR")] = None
    """folder for TensorBoard's event files, one folder in it for each run; needs the package tensorboard"""
    name: str | None = None
    """name of this run's folder; default: dataset, model, framework, seed, and the options that are not the default"""


def parse_options(description: str, arguments: Sequence[str] | None = None) -> Options:
    """Return the options of a training script from its command line (default: sys.argv).

    The defaults are those of the model that is asked for. `--help` prints and exits; a mistyped option or a value that
    makes no sense exits with status 2.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    options = parse(Options(_default_recipe(words)), description, words, groups=GROUPS, needs=NEEDS)
    recipe = options.recipe
    if problem := find_problem(recipe):
        refuse(problem)
    if options.device == "mps" and recipe.precision == "float64":
        refuse("--device mps does not compute in float64; choose another --precision or --device.")
    if options.evaluate_on == "validation" and not recipe.validation_fraction:
        refuse("--evaluate-on validation needs validation images: set --validation-fraction above 0.")
    if options.name is not None and (problem := name_problem(options.name)):
        refuse(f"--name {options.name} {problem}.")
    if not recipe.augment:  # the amounts in a file have no effect then
        recipe = replace(recipe, augmentation=Augmentation())
    return replace(options, recipe=recipe, recipe_file=None)


def _default_recipe(words: Sequence[str]) -> Recipe:
    """Return the recipe that gives the defaults: the file's of --recipe, else the model's."""
    early = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    for name in ("--recipe", "--model"):
        early.add_argument(name, nargs="?")
    given, _ = early.parse_known_args(words)
    if given.model is not None and given.model not in RECIPES:
        own = "one of your own needs a recipe in mnist_twice/recipes/default_recipes.py (docs/networks.md)"
        refuse(f"--model {given.model} must be one of {', '.join(RECIPES)}; {own}.")
    if not given.recipe:
        return RECIPES.get(given.model, RECIPES["cnn"])
    try:
        recipe = read_recipe(Path(given.recipe), given.model or "cnn")
    except UserError as error:
        refuse(str(error))
    if given.model not in (None, recipe.model):
        refuse(f"--model {given.model} is not the model of --recipe {given.recipe}, {recipe.model}; leave one out.")
    return recipe


def name_problem(name: str) -> str | None:
    """Return why this cannot be the name that a user chooses for a run's folder, as the end of a sentence, or None."""
    if not re.fullmatch(r"[^-./\\\0][^/\\\0]*", name):
        return "becomes a folder's name: use no slash, and no dot or dash in front"
    if is_forbidden_on_windows(name):
        return (
            'cannot be a folder on Windows: use none of < > : " | ? *, no dot or space at the end, and not con or nul'
        )
    if len(name.encode()) > 100:  # file systems take 255, what is put around it (a checkpoint, a figure) included
        return "becomes a folder's name: use at most 100 bytes"
    return None


def command_words(script: str, options: Options) -> list[str]:
    """Return the words of the command that repeats a training: the script with each option that is not the model's
    default."""
    words = ["python", script, "--dataset", options.dataset, "--model", options.recipe.model]
    default = Options(RECIPES[options.recipe.model], options.dataset)
    for (name, _, usual), (_, _, chosen) in zip(flat_fields(default), flat_fields(options), strict=True):
        if chosen == usual or name == "resume":  # a repeat begins at the beginning
            continue
        if isinstance(chosen, bool):
            words.append(option(name) if chosen else option(f"no_{name}"))
        elif isinstance(chosen, tuple):
            words += [option(name), *map(str, chosen)]
        elif str(chosen).startswith("-"):  # or it would be taken for an option
            words.append(f"{option(name)}={chosen}")
        else:
            words += [option(name), str(chosen)]
    return words
