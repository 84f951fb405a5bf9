"""Learning rates against PyTorch's own schedulers, and what the history decides."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mnist_twice.recipes.recipe import Recipe
from mnist_twice.training.schedule import is_best, is_over, learning_rates


def rows(losses: list[float], accuracies: list[float] | None = None) -> list[dict[str, float]]:
    accuracies = accuracies or [0.5] * len(losses)
    return [
        {"validation_loss": loss, "validation_accuracy": accuracy}
        for loss, accuracy in zip(losses, accuracies, strict=True)
    ]


def all_rates(recipe: Recipe, steps: int) -> list[float]:
    return [rate for epoch in range(recipe.epochs) for rate in learning_rates(recipe, steps, [{}] * epoch)]


@pytest.mark.pytorch
@pytest.mark.parametrize(
    ("name", "epochs", "steps"),
    [("one-cycle", 3, 40), ("one-cycle", 1, 235), ("cosine", 4, 25), ("cosine", 1, 1), ("one-cycle", 2, 5)],
)
def test_schedules_are_those_of_pytorch(name: str, epochs: int, steps: int) -> None:
    import torch
    from torch.optim.lr_scheduler import CosineAnnealingLR, OneCycleLR

    optimizer, total = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.01), epochs * steps
    scheduler = OneCycleLR(optimizer, 0.01, total) if name == "one-cycle" else CosineAnnealingLR(optimizer, total)
    rates = []
    for step in range(total):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if step < total - 1:
            scheduler.step()
    recipe = Recipe(epochs=epochs, schedule=name, learning_rate=0.01)
    np.testing.assert_allclose(all_rates(recipe, steps), rates, rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize(
    ("losses", "halvings"),
    [
        ([], 0),
        ([1.0, 0.9, 0.8], 0),
        ([1.0, 1.1, 1.2], 0),  # two epochs without a lower one
        ([1.0, 1.1, 1.2, 1.3], 1),
        ([1.0, 1.1, 1.2, 1.3, 1.4, 1.5], 1),  # it waits anew
        ([1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1.0], 2),  # equal is not lower
        ([1.0, 1.1, 1.2, 0.9, 1.1, 1.2, 1.3], 1),
    ],
)
def test_rate_is_halved_on_a_plateau(losses: list[float], halvings: int) -> None:
    recipe = Recipe(reduce_on_plateau=3, learning_rate=0.008)
    assert learning_rates(recipe, 2, rows(losses)).tolist() == [0.008 / 2**halvings] * 2
    assert learning_rates(replace(recipe, reduce_on_plateau=0), 2, rows(losses)).tolist() == [0.008] * 2


def test_training_ends_after_its_epochs_or_a_long_wait() -> None:
    patient = Recipe(epochs=10, early_stopping=2)
    assert not is_over(patient, [])
    assert not is_over(patient, rows([1.0, 1.1]))
    assert is_over(patient, rows([1.0, 1.1, 1.0]))  # equal is not lower
    assert not is_over(patient, rows([1.0, 1.1, 0.9, 1.0]))
    assert not is_over(replace(patient, early_stopping=0), rows([1.0, 2.0, 3.0, 4.0]))
    assert is_over(replace(patient, epochs=4), rows([1.0, 0.9, 0.8, 0.7]))
    assert is_over(Recipe(epochs=0), [])


def test_best_epoch_is_the_most_accurate_then_the_surest() -> None:
    assert is_best(rows([1.0], [0.1]))
    assert is_best(rows([1.0, 2.0], [0.1, 0.2]))
    assert not is_best(rows([1.0, 0.5], [0.2, 0.1]))
    assert is_best(rows([1.0, 0.5], [0.2, 0.2]))
    assert not is_best(rows([1.0, 1.0], [0.2, 0.2]))
