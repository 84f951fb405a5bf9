"""What training does from epoch to epoch: the learning rate of each step, which epoch was best, and when to end.

All follows from the recipe and the history so far, so that both frameworks decide alike, and a resumed training as an
uninterrupted one.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from mnist_twice.recipes.recipe import Recipe

History = Sequence[Mapping[str, float]]  # rows of history.csv, one for each finished epoch

WARM_UP, START, END = 0.3, 1 / 25, 1e-4 / 25
"""One-cycle: fraction of rising steps, first and last learning rate as fractions of the peak; as in OneCycleLR."""


def learning_rates(recipe: Recipe, steps: int, history: History) -> NDArray[np.float64]:
    """Return the learning rate of each step, float64 (steps,), in the epoch that follows the history.

    One-cycle is that of Smith and Topin (2018), 'Super-convergence', arXiv 1708.07120, with cosines for ramps; cosine
    that of Loshchilov and Hutter (2017), 'SGDR', arXiv 1608.03983, without restarts.
    """
    total = recipe.epochs * steps
    step = np.arange(len(history) * steps, (len(history) + 1) * steps, dtype=np.float64)
    if recipe.schedule == "cosine":
        return recipe.learning_rate * _fall(step / total)
    if recipe.schedule == "one-cycle":
        peak, last = WARM_UP * total - 1, total - 1  # the steps at which the peak and the end are reached
        rising = 1 - (1 - START) * _fall(step / max(peak, 1))
        falling = END + (1 - END) * _fall((step - peak) / max(last - peak, 1))
        return recipe.learning_rate * np.where(step < peak, rising, falling)
    return np.full(steps, recipe.learning_rate * 0.5 ** _plateaus(recipe.reduce_on_plateau, history))


def is_best(history: History) -> bool:
    """Return whether the last epoch is the best so far."""
    return best_epoch(history) == len(history)


def best_epoch(history: History) -> int:
    """Return the number of the epoch with the best validation accuracy; of equal ones, with the lower loss, then the
    first. Epochs count from 1."""
    scores = [(row["validation_accuracy"], -row["validation_loss"]) for row in history]
    return 1 + scores.index(max(scores))


def is_over(recipe: Recipe, history: History) -> bool:
    """Return whether training ends here: all epochs are done, or the validation loss has long stopped falling."""
    if len(history) >= recipe.epochs:
        return True
    losses = [row["validation_loss"] for row in history] if recipe.early_stopping else []
    return bool(losses) and len(losses) - 1 - losses.index(min(losses)) >= recipe.early_stopping


def _fall(progress: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return half a cosine wave, from 1 at progress 0 to 0 at progress 1."""
    return np.asarray((1 + np.cos(np.pi * progress)) / 2, np.float64)


def _plateaus(patience: int, history: History) -> int:
    """Return how many times the validation loss has not fallen for `patience` epochs in a row."""
    lowest, waited, plateaus = math.inf, 0, 0
    for row in history if patience else []:
        waited = 0 if row["validation_loss"] < lowest else waited + 1
        lowest = min(lowest, row["validation_loss"])
        if waited == patience:
            waited, plateaus = 0, plateaus + 1
    return plateaus
