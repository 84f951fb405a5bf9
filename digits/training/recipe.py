"""Recipes: every hyper-parameter of a training, written down once.

The options of both training scripts, the 'recipe' in each run.json and the README's table all come from these fields.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import tyro


@dataclass(frozen=True)
class Augmentation:
    """How much each image may be changed; every change is drawn anew for each image. All at 0 changes nothing.

    The elastic part is that of Simard, Steinkraus and Platt (2003), 'Best practices for convolutional neural networks
    applied to visual document analysis', ICDAR, with their alpha and sigma. Rotation and scale stay below the 15
    degrees and 15 % of Ciresan et al. (2010), 'Deep, big, simple neural nets for handwritten digit recognition', Neural
    Computation 22, since here a shift and a slant come on top; these two are our own choice.
    """

    rotation: float = 10.0
    """degrees, at most, to either side"""
    shift: float = 2.0
    """pixels, at most, in each direction"""
    scale: float = 0.1
    """0.1 makes an image up to 10 % larger, or smaller by the same factor"""
    shear: float = 0.1
    """pixels to the side per pixel of height, at most, to either side"""
    elastic: float = 34.0
    """alpha: what the smoothed random field is multiplied by; 34 moves the middle 1.4 pixels in x and in y (rms)"""
    smoothness: float = 4.0
    """sigma in pixels, above 0, of the Gaussian that smooths the elastic field"""
    flip: float = 0.0
    """share of the images that are mirrored, left for right: 0.5 for garments, 0 for digits"""


@dataclass(frozen=True)
class Recipe:
    """The defaults are those of the model `cnn`: R0, the network that this project is specified with."""

    model: Literal["cnn", "cnn-wide", "mlp", "lenet5", "fashion-cnn", "deep-cnn", "vgg", "resnet", "vit", "fast"] = (
        "cnn"
    )
    """the network to train; --list-models tells of each"""
    filters: tuple[int, ...] = (16, 32)
    """filters of the convolutions, stage by stage"""
    dense: tuple[int, ...] = (128,)
    """widths of the dense layers before the last"""
    dropout: float = 0.25
    """share of the units that dropout silences"""
    epochs: int = 3
    """passes over the training images; 0 only evaluates"""
    batch_size: int = 64
    """images in a step"""
    optimizer: Literal["adam", "sgd"] = "adam"
    """adam (AdamW where there is weight decay), or sgd with Nesterov's momentum"""
    learning_rate: float = 1e-3
    """step size, at its highest"""
    schedule: Literal["constant", "cosine", "one-cycle"] = "constant"
    """how the learning rate goes: cosine falls to 0, one-cycle rises for 30 % of the steps and then falls"""
    betas: tuple[float, float] = (0.9, 0.999)
    """Adam's decay rates of gradient and squared gradient; of sgd, the first is the momentum"""
    weight_decay: float = 0.0
    """share of each weight, times the learning rate, that every step takes away"""
    label_smoothing: float = 0.0
    """share of the target that goes to all classes alike"""
    ema: float = 0.0
    """decay of the exponential moving average of the weights, which is evaluated and kept; 0 keeps none"""
    validation_fraction: float = 0.1
    """share of the training images held out to watch the training by; 0 trains on all of them"""
    early_stopping: int = 0
    """epochs without a lower validation loss after which training ends; 0 never ends it"""
    reduce_on_plateau: int = 0
    """epochs without a lower validation loss after which the learning rate is halved; 0 never halves it"""
    keep_best: bool = False
    """keep the weights of the epoch with the best validation accuracy instead of the last epoch's"""
    augment: bool = False
    """train on images changed at random, anew in each epoch"""
    augmentation: Annotated[Augmentation, tyro.conf.arg(name="")] = field(default_factory=Augmentation)
    seed: int = 0
    """fixes the split, the order of the images, the initial weights, dropout and augmentation"""
    precision: Literal["auto", "float32", "bfloat16", "float64"] = "float32"
    """what the training computes in; auto is bfloat16 where the processor has it; evaluation is always float32"""
    parity: bool = False
    """make the frameworks train alike: equal initial weights and constants, no dropout, and each step's loss kept"""


RECIPES: dict[str, Recipe] = {
    recipe.model: recipe
    for recipe in (
        Recipe(),
        Recipe("cnn-wide", filters=(32, 64), epochs=12, batch_size=128, learning_rate=3e-3, schedule="one-cycle"),
        Recipe(
            "mlp",
            filters=(),
            dense=(64, 64),
            dropout=0.5,
            epochs=30,
            batch_size=128,
            learning_rate=3e-3,
            schedule="one-cycle",
        ),
        Recipe(
            "lenet5",
            filters=(6, 16),
            dense=(120, 84),
            dropout=0.0,
            epochs=20,
            batch_size=128,
            learning_rate=3e-3,
            schedule="one-cycle",
        ),
        Recipe(
            "fashion-cnn",
            filters=(32, 64),
            dropout=0.0,
            epochs=12,
            batch_size=128,
            learning_rate=2e-3,
            schedule="one-cycle",
        ),
        # R4's own settings, whichever data it is trained on.
        Recipe(
            "deep-cnn",
            filters=(32, 64, 128),
            dense=(256, 128),
            dropout=0.5,
            epochs=30,
            batch_size=128,
            early_stopping=5,
            reduce_on_plateau=3,
            keep_best=True,
        ),
        Recipe(
            "vgg",
            filters=(32, 64, 128),
            dense=(256,),
            dropout=0.5,
            epochs=12,
            batch_size=128,
            schedule="one-cycle",
        ),
        Recipe(
            "resnet",
            filters=(32, 64, 128),
            dense=(),
            dropout=0.0,
            epochs=15,
            batch_size=128,
            learning_rate=3e-3,
            schedule="one-cycle",
            weight_decay=0.05,
        ),
        Recipe(
            "vit",
            filters=(),
            dense=(64, 128),
            dropout=0.1,
            epochs=20,
            batch_size=128,
            learning_rate=3e-3,
            schedule="one-cycle",
            weight_decay=0.05,
        ),
        Recipe(
            "fast",
            filters=(24, 32),
            dense=(256,),
            dropout=0.0,
            epochs=1,
            batch_size=256,
            learning_rate=0.01,
            schedule="one-cycle",
            betas=(0.7, 0.9),
            validation_fraction=0.0,
            precision="auto",
        ),
    )
}
"""The default recipe of each model, by the model's name."""


HEADS = 4
"""Attention heads of `vit`, between which the width of a token is divided."""


def widths_problem(model: str, filters: Sequence[int], dense: Sequence[int]) -> str | None:
    """Return a sentence about widths that the model cannot have, or None."""
    usual = RECIPES[model]
    for option, asked, expected in (("--filters", filters, usual.filters), ("--dense", dense, usual.dense)):
        if len(asked) != len(expected):
            return f"{option} of {model} must be {len(expected)} numbers, not {len(asked)}."
        if any(number < 1 for number in asked):
            return f"{option} {' '.join(map(str, asked))} must be numbers of at least 1."
    if model == "vit" and dense[0] % HEADS:
        return f"--dense {dense[0]} of vit must be a multiple of {HEADS}, its attention heads."
    return None


def recipe_record(recipe: Recipe) -> dict[str, Any]:
    """Return the recipe as run.json holds it."""
    record: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(recipe)))
    return record
