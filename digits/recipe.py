"""Recipes: every hyper-parameter of a training, and the command line made from them.

A Recipe is written down once, here: the options of both training scripts, the 'recipe' in each run.json and the
README's table all come from its fields.
"""

from __future__ import annotations

import dataclasses
import math
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from digits.datasets import DATA_DIR


@dataclass(frozen=True)
class Recipe:
    """The defaults are those of the model `cnn`: R0, the network that this project is specified with."""

    model: Literal["cnn"] = "cnn"
    """the network to train"""
    epochs: int = 3
    """passes over the training images"""
    batch_size: int = 64
    """images in a step"""
    learning_rate: float = 1e-3
    """Adam's step size"""
    validation_fraction: float = 0.1
    """share of the training images held out to watch the training by; 0 trains on all of them"""
    seed: int = 0
    """fixes the split, the order of the images, the initial weights and dropout"""
    precision: Literal["float32", "bfloat16"] = "float32"
    """what the training's convolutions and products are computed in; evaluation is always float32"""


RECIPES: dict[str, Recipe] = {"cnn": Recipe()}
"""The default recipe of each model, by the model's name."""


@dataclass(frozen=True)
class Options:
    """What a training script is asked to do."""

    recipe: Annotated[Recipe, tyro.conf.arg(name="")]
    dataset: str = "mnist"
    """a dataset that download_mnist.py has put into the data folder"""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """where to compute; auto takes a CUDA GPU if the framework sees one"""
    data_dir: Path = DATA_DIR
    """where download_mnist.py keeps the datasets"""
    output_dir: Path = Path("outputs")
    """the run is written to a folder in here, named after dataset, model and framework"""


def parse_options(description: str, arguments: Sequence[str] | None = None) -> Options:
    """Return the options of a training script from its command line (default: sys.argv).

    `--help` prints and exits; a mistyped option or a value that makes no sense exits with status 2.
    """
    options = tyro.cli(
        Options, default=Options(RECIPES["cnn"]), args=arguments, description=description.split("\n\n")[0]
    )
    problem = find_problem(options.recipe)
    if problem:
        print(f"error: {problem}", file=sys.stderr)
        raise SystemExit(2)
    return options


def find_problem(recipe: Recipe) -> str | None:
    """Return a sentence about the first field whose value makes no sense, or None."""
    for name in ("epochs", "batch_size"):
        value = getattr(recipe, name)
        if value < 1:
            return f"{_option(name)} {value} must be at least 1."
    if not (math.isfinite(recipe.learning_rate) and recipe.learning_rate > 0):
        return f"--learning-rate {recipe.learning_rate} must be a number above 0, such as 0.001."
    if not 0 <= recipe.validation_fraction < 1:
        return f"--validation-fraction {recipe.validation_fraction} must be at least 0 and below 1, such as 0.1."
    if not 0 <= recipe.seed < 2**32:  # NumPy, PyTorch and TensorFlow all take these
        return f"--seed {recipe.seed} must be between 0 and {2**32 - 1}."
    return None


def command_line(script: str, options: Options) -> str:
    """Return the command that repeats a training: the script with each option that is not the model's default."""
    words = ["python", script, "--dataset", options.dataset, "--model", options.recipe.model]
    pairs: list[tuple[Recipe, Recipe] | tuple[Options, Options]] = [
        (RECIPES[options.recipe.model], options.recipe),
        (Options(options.recipe), options),
    ]
    for default, chosen in pairs:
        for field in dataclasses.fields(chosen):
            value = getattr(chosen, field.name)
            if value != getattr(default, field.name) and field.name not in ("recipe", "dataset"):
                option, word = _option(field.name), str(value)
                # A word with a dash in front would be taken for the next option.
                words += [f"{option}={word}"] if word.startswith("-") else [option, word]
    return shlex.join(words)


def _option(field_name: str) -> str:
    return "--" + field_name.replace("_", "-")
