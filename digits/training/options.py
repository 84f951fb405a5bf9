"""The command line of the training scripts: made from the Recipe, and made back into it."""

from __future__ import annotations

import dataclasses
import math
import shlex
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from digits.data import DATA_DIR
from digits.machine import has_bfloat16
from digits.training.recipe import RECIPES, Augmentation, Recipe, widths_problem


@dataclass(frozen=True)
class Options:
    """What a training script is asked to do."""

    recipe: Annotated[Recipe, tyro.conf.arg(name="")]
    dataset: str = "mnist"
    """a dataset that download_mnist.py has put into the data folder"""
    init_from: Path | None = None
    """start from the weights of this run, of either framework"""
    new_head: bool = False
    """with --init-from: start the last layer afresh; where the number of classes differs it is so anyway"""
    freeze_features: bool = False
    """train the last layer only"""
    list_models: bool = False
    """print the networks with their parameters, recipes and sources, and end"""
    resume: bool = False
    """continue a training with the same options that was killed, after its last finished epoch"""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """where to compute; auto takes a CUDA GPU if the framework sees one"""
    data_dir: Path = DATA_DIR
    """where download_mnist.py keeps the datasets"""
    output_dir: Path = Path("outputs")
    """the run is written to a folder in here, named after dataset, model and framework"""


def parse_options(description: str, arguments: Sequence[str] | None = None) -> Options:
    """Return the options of a training script from its command line (default: sys.argv).

    The defaults are those of the model that is asked for. `--help` and `--list-models` print and exit; a mistyped
    option or a value that makes no sense exits with status 2.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    options = tyro.cli(
        Options,
        default=Options(RECIPES[_model_asked_for(words)]),
        args=words,
        description=description.split("\n\n")[0],
    )
    if options.list_models:
        from digits.training.model_table import models_table  # not needed to train

        print(models_table())
        raise SystemExit(0)
    problem = find_problem(options.recipe) or _problem_between(options)
    if problem:
        print(f"error: {problem}", file=sys.stderr)
        raise SystemExit(2)
    if options.recipe.precision == "auto":
        recipe = replace(options.recipe, precision="bfloat16" if has_bfloat16() else "float32")
        return replace(options, recipe=recipe)
    return options


def find_problem(recipe: Recipe) -> str | None:
    """Return a sentence about the first field whose value makes no sense, or None."""
    for name, least in (("epochs", 0), ("batch_size", 1), ("early_stopping", 0), ("reduce_on_plateau", 0)):
        value = getattr(recipe, name)
        if value < least:
            return f"{_option(name)} {value} must be at least {least}."
    if problem := widths_problem(recipe.model, recipe.filters, recipe.dense):
        return problem
    if not (math.isfinite(recipe.learning_rate) and recipe.learning_rate > 0):
        return f"--learning-rate {recipe.learning_rate} must be a number above 0, such as 0.001."
    shares = [(name, getattr(recipe, name)) for name in ("dropout", "label_smoothing", "ema", "validation_fraction")]
    for name, share in [*shares, *(("betas", beta) for beta in recipe.betas)]:
        if not 0 <= share < 1:
            return f"{_option(name)} {share} must be at least 0 and below 1, such as 0.1."
    for name in ("weight_decay", "rotation", "shift", "scale", "shear", "elastic"):
        value = getattr(recipe if name == "weight_decay" else recipe.augmentation, name)
        if not (math.isfinite(value) and value >= 0):
            return f"{_option(name)} {value} must be a number of at least 0."
    if not (math.isfinite(recipe.augmentation.smoothness) and recipe.augmentation.smoothness > 0):
        return f"--smoothness {recipe.augmentation.smoothness} must be a number above 0, such as 4."
    if not 0 <= recipe.augmentation.flip <= 1:
        return f"--flip {recipe.augmentation.flip} must be between 0 and 1, such as 0.5."
    if not 0 <= recipe.seed < 2**32:  # NumPy, PyTorch and TensorFlow all take these
        return f"--seed {recipe.seed} must be between 0 and {2**32 - 1}."
    return _problem_within(recipe)


def _problem_within(recipe: Recipe) -> str | None:
    """Return a sentence about fields that do not go together, or None."""
    watched = [name for name in ("early_stopping", "reduce_on_plateau", "keep_best") if getattr(recipe, name)]
    if watched and not recipe.validation_fraction:
        return f"{_option(watched[0])} must have images to judge by: set --validation-fraction above 0."
    if recipe.weight_decay and recipe.optimizer != "adam":
        return f"--weight-decay must go with --optimizer adam, not {recipe.optimizer}; set it to 0."
    if recipe.reduce_on_plateau and recipe.schedule != "constant":
        return f"--reduce-on-plateau must go with --schedule constant, not {recipe.schedule}; set one of them to 0."
    return None


def _problem_between(options: Options) -> str | None:
    for name, value in _flat(options):
        if str(value).encode(errors="ignore").decode() != str(value):
            return f"{_option(name)} {value} has bytes that are not UTF-8 text; rename it."
    if options.new_head and options.init_from is None:
        return "--new-head must go with --init-from, which names the run whose other layers to start from."
    if options.freeze_features and options.init_from is None:
        return "--freeze-features must go with --init-from: features that were never trained are noise."
    return None


def command_line(script: str, options: Options) -> str:
    """Return the command that repeats a training: the script with each option that is not the model's default."""
    words = ["python", script, "--dataset", options.dataset, "--model", options.recipe.model]
    default = Options(RECIPES[options.recipe.model], options.dataset)
    for (name, usual), (_, chosen) in zip(_flat(default), _flat(options), strict=True):
        if chosen == usual or name == "resume":  # a repeat begins at the beginning
            continue
        option = _option(name)
        if isinstance(chosen, bool):
            words.append(option if chosen else option.replace("--", "--no-", 1))
        elif isinstance(chosen, tuple):
            words += [option, *map(str, chosen)]
        else:
            # A word with a dash in front would be taken for the next option.
            words += [f"{option}={chosen}"] if str(chosen).startswith("-") else [option, str(chosen)]
    return shlex.join(words)


def _flat(options: Options | Recipe | Augmentation) -> Iterator[tuple[str, Any]]:
    """Yield every option's field name and value, those of the recipe and the augmentation included."""
    for field in dataclasses.fields(options):
        value = getattr(options, field.name)
        if dataclasses.is_dataclass(value):
            yield from _flat(value)  # type: ignore[arg-type]
        else:
            yield field.name, value


def _model_asked_for(words: Sequence[str]) -> str:
    """Return the model that the words name, so that its recipe gives the defaults; tyro refuses an unknown one."""
    names = [word.removeprefix("--model=") for word in words if word.startswith("--model=")]
    names += [words[i + 1] for i, word in enumerate(words[:-1]) if word == "--model"]
    return names[-1] if names and names[-1] in RECIPES else "cnn"


def _option(field_name: str) -> str:
    return "--" + field_name.replace("_", "-")
