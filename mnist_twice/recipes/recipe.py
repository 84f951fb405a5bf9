"""Recipes: every hyper-parameter of a training, written down once.

The options of both training scripts and the 'recipe' in each run.json come from these fields: name, type, range,
default and, below it, the help text.
"""

from __future__ import annotations

import dataclasses
import json
import reprlib
from collections.abc import Mapping, Sequence
from dataclasses import field
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter, ValidationError
from pydantic_core import from_json

from mnist_twice.command_line import first_fault, option, options_dataclass
from mnist_twice.errors import UserError
from mnist_twice.files import read_bytes
from mnist_twice.machine import has_bfloat16
from mnist_twice.recipes.default_recipes import DEFAULTS

Model = Literal[*DEFAULTS]  # type: ignore[valid-type]
Count = Annotated[int, Field(ge=0, le=1_000_000)]
Fraction = Annotated[float, Field(ge=0, lt=1)]
MAX_WIDTH = 4096  # filters or units in one layer; a training at this width takes several GB
LARGEST_FILE = 1 << 20  # bytes of a file with a recipe, as of run.json


@options_dataclass
class Augmentation:
    """How much each image may be changed, at random and anew for each image. All at 0 changes nothing.

    The elastic part is that of Simard, Steinkraus and Platt (2003), 'Best practices for convolutional neural networks
    applied to visual document analysis', ICDAR, with their sigma; their alpha of 34 costs these networks accuracy on
    the digits of new writers, 10 does not. Rotation and scale stay below those of Ciresan et al. (2010), Neural
    Computation 22, since a shift and a shear are added. The erased square is that of DeVries and Taylor (2017),
    arXiv 1708.04552.
    """

    rotation: Annotated[float, Field(ge=0, le=180)] = 10.0
    """largest rotation to either side, degrees"""
    shift: Annotated[float, Field(ge=0, le=28)] = 2.0
    """largest shift in each direction, pixels"""
    scale: Annotated[float, Field(ge=0, le=1)] = 0.1
    """largest change of size: 0.1 is up to 10 % larger, or smaller by the same factor"""
    shear: Annotated[float, Field(ge=0, le=1)] = 0.1
    """largest shear to either side, pixels per pixel of height"""
    elastic: Annotated[float, Field(ge=0, le=1000)] = 10.0
    """elastic distortion: the factor alpha of the smoothed random field; 10 moves the middle by 0.4 pixels (rms)"""
    smoothness: Annotated[float, Field(ge=0.1, le=100)] = 4.0
    """standard deviation of the Gaussian that smooths the elastic field, pixels"""
    flip: Annotated[float, Field(ge=0, le=1)] = 0.0
    """fraction of images mirrored left to right: 0.5 for garments, 0 for digits"""
    cutout: Annotated[int, Field(ge=0, le=56)] = 0
    """side of a square erased at a random place in each image, pixels; 0 erases none"""
    degrade: Annotated[float, Field(ge=0, le=1)] = 0.0
    """fraction of images with other strokes, lines, inverted patches, blur, noise or background: for robustness"""


@options_dataclass
class Recipe:
    """The defaults are those of the model `cnn`: the project's specification."""

    model: Model = "cnn"
    """network to train; --list-models describes each"""
    filters: tuple[int, ...] = (16, 32)
    """filters of the convolutions, stage by stage"""
    dense: tuple[int, ...] = (128,)
    """units of the dense layers before the last; of vit, width of a token and of its hidden layer"""
    dropout: Fraction = 0.25
    """fraction of units dropped"""
    epochs: Count = 3
    """passes over the training images; 0 only evaluates"""
    batch_size: Annotated[int, Field(ge=1, le=1_000_000)] = 64
    """images per step"""
    optimizer: Literal["adam", "sgd"] = "adam"
    """adam (AdamW with weight decay), or sgd with Nesterov momentum"""
    learning_rate: Annotated[float, Field(gt=0, le=1e38)] = 1e-3  # float32 ends at 3e38
    """highest learning rate"""
    schedule: Literal["constant", "cosine", "one-cycle"] = "constant"
    """learning rate over time: cosine falls to 0, one-cycle rises for 30 % of the steps and then falls"""
    betas: tuple[Fraction, Fraction] = (0.9, 0.999)
    """Adam's decay rates for gradient and squared gradient; with sgd, the first is the momentum"""
    weight_decay: Annotated[float, Field(ge=0, le=100)] = 0.0
    """fraction of each weight, times the learning rate, subtracted in each step"""
    label_smoothing: Fraction = 0.0
    """fraction of the target spread evenly over all classes"""
    ema: Fraction = 0.0
    """decay of the exponential moving average of the weights, which is evaluated and saved; 0 keeps none. With batch
    normalisation its accuracy is poor in the first epochs, while the learning rate is high: set --early-stopping 0"""
    validation_fraction: Fraction = 0.1
    """fraction of the training images held out for validation, stratified; 0 trains on all of them"""
    split: Literal["random", "writers"] = "random"
    """what is held out: random images, or all images of random writers (MNIST only)"""
    early_stopping: Count = 0
    """epochs without a lower validation loss after which training ends; 0: never"""
    reduce_on_plateau: Count = 0
    """epochs without a lower validation loss after which the learning rate is halved; 0: never"""
    keep_best: bool = False
    """keep the weights of the epoch with the best validation accuracy, not those of the last"""
    augment: bool = False
    """train on randomly changed images, with new changes in each epoch"""
    augmentation: Augmentation = field(default_factory=Augmentation)
    pens: Annotated[float, Field(ge=0, le=1)] = 0.0
    """fraction of the digits replaced in each epoch by ones in other handwriting and pens: for photographs"""
    non_digits: Annotated[float, Field(ge=0, le=1)] = 0.0
    """fraction of the images replaced in each epoch by pieces of touching digits, and by signs; the network gets one
    more output, 'no digit', which is used for photographs only"""
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0  # what NumPy, PyTorch and TensorFlow all take
    """seed of the split, the order of the images, the initial weights, dropout and augmentation"""
    precision: Literal["auto", "float32", "bfloat16", "float64"] = "float32"
    """precision of training: auto is bfloat16 where the device multiplies it faster; evaluation is always float32"""
    parity: bool = False
    """make both frameworks compute the same: equal initial weights and constants, no dropout, each step's loss saved"""


RECIPES: dict[str, Recipe] = {name: Recipe(name, **fields) for name, fields in DEFAULTS.items()}
"""The default recipe of each model, by the model's name."""


HEADS = 4  # attention heads of `vit`, between which the width of a token is divided


def find_problem(recipe: Recipe) -> str | None:
    """Return a sentence about fields that do not go together, or None. (Each field's own range is in the Recipe.)"""
    if problem := widths_problem(recipe.model, recipe.filters, recipe.dense):
        return problem
    watched = [name for name in ("early_stopping", "reduce_on_plateau", "keep_best") if getattr(recipe, name)]
    if watched and not recipe.validation_fraction:
        return f"{option(watched[0])} needs validation images: set --validation-fraction above 0."
    if recipe.weight_decay and recipe.optimizer != "adam":
        return f"--weight-decay needs --optimizer adam, not {recipe.optimizer}; set it to 0."
    if recipe.reduce_on_plateau and recipe.schedule != "constant":
        return f"--reduce-on-plateau needs --schedule constant, not {recipe.schedule}; set it to 0."
    return None


def widths_problem(model: str, filters: Sequence[int], dense: Sequence[int]) -> str | None:
    """Return a sentence about widths that the model cannot have, or None."""
    usual = RECIPES[model]
    for name, asked, expected in (("--filters", filters, usual.filters), ("--dense", dense, usual.dense)):
        if len(asked) != len(expected):
            return f"{name} of {model} must be {len(expected)} numbers, not {len(asked)}."
        if not all(1 <= number <= MAX_WIDTH for number in asked):
            return f"{name} {' '.join(map(str, asked))} must be numbers from 1 to {MAX_WIDTH}."
    if model == "vit" and dense[0] % HEADS:
        return f"--dense {dense[0]} of vit must be a multiple of {HEADS}, its attention heads."
    return None


_bfloat16: bool | None = None  # whether 'auto' is bfloat16 in this process; None: no device is chosen yet


def settle_precision(recipe: Recipe, bfloat16: bool) -> Recipe:
    """Return the recipe with the precision that 'auto' is, from now on, on the device that trains: bfloat16 if it is
    fast at that, else float32."""
    global _bfloat16
    _bfloat16 = bfloat16
    return with_precision(recipe)


def with_precision(recipe: Recipe) -> Recipe:
    """Return the recipe with the precision that 'auto' is: on the device that trains, else on this processor."""
    if recipe.precision != "auto":
        return recipe
    bfloat16 = has_bfloat16() if _bfloat16 is None else _bfloat16
    return dataclasses.replace(recipe, precision="bfloat16" if bfloat16 else "float32")


def recipe_record(recipe: Recipe) -> dict[str, Any]:
    """Return the recipe as run.json holds it."""
    record: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(recipe)))
    return record


def complete_record(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return a recipe of run.json with the fields that its version did not have yet, at their defaults.

    Fields are added such that their default is what all trainings did before. Amounts of augmentation have no effect
    without it, and are then the usual ones: another version's usual ones are no other recipe.
    """
    usual = recipe_record(Recipe())
    amounts = record.get("augmentation", {}) if record.get("augment") else {}
    return {**usual, **record, "augmentation": {**usual["augmentation"], **amounts}}


def read_recipe(file: Path, model: str = "cnn") -> Recipe:
    """Return the recipe in a JSON file: an object with its fields, or one that has such an object under 'recipe'.

    Fields that are missing are those of the model's default recipe; the model is `model` where the file names none.
    UserError names the file, and the field that is unknown or out of its range.
    """
    try:
        content = from_json(read_bytes(file, LARGEST_FILE), allow_inf_nan=False)
    except (OSError, ValueError) as error:
        raise UserError(f"'{file}' is not JSON that can be read ({error}).") from None
    given = content.get("recipe", content) if isinstance(content, dict) else None
    if not isinstance(given, dict):
        raise UserError(f"'{file}' has no recipe: a JSON object of a recipe's fields, or one with 'recipe'.")
    named, amounts = str(given.get("model", model)), given.get("augmentation")
    default = recipe_record(RECIPES.get(named, RECIPES["cnn"]))
    if unknown := [name for name in given if name not in default]:
        raise UserError(f"'{file}' has {reprlib.repr(unknown[0])}, which is no field of a recipe.")
    fields = {**default, "model": named, **given}
    if isinstance(amounts, dict):
        fields["augmentation"] = {**default["augmentation"], **amounts}
    try:
        recipe: Recipe = TypeAdapter(Recipe).validate_json(json.dumps(fields), strict=True, extra="forbid")
    except ValidationError as error:
        where, value, rule = first_fault(error)
        raise UserError(f"'{file}' has {reprlib.repr(value)} as {'.'.join(where)}, which {rule}.") from None
    if problem := find_problem(recipe):
        raise UserError(f"'{file}' has a recipe that is not possible: {problem}")
    return recipe
