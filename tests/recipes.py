"""All recipes that a training script takes, for property tests."""

from __future__ import annotations

import dataclasses

from hypothesis import strategies as st

from digits.recipes.recipe import MAX_WIDTH, RECIPES, Augmentation, Recipe

FRACTIONS = st.floats(0, 1, exclude_max=True)
WIDTHS = st.integers(1, MAX_WIDTH // 4)
AMOUNTS = st.builds(
    Augmentation,
    rotation=st.floats(0, 180),
    shift=st.floats(0, 28),
    scale=st.floats(0, 1),
    shear=st.floats(0, 1),
    elastic=st.floats(0, 1000),
    smoothness=st.floats(0.1, 100),
    flip=st.floats(0, 1),
    cutout=st.integers(0, 56),
)


def recipes_of(default: Recipe) -> st.SearchStrategy[Recipe]:
    """Every recipe of a model, with the fields that have to go together left as they are."""
    return st.builds(
        Recipe,
        model=st.just(default.model),
        filters=st.tuples(*[WIDTHS] * len(default.filters)),
        dense=st.tuples(*[WIDTHS.map(lambda width: 4 * width)] * len(default.dense)),
        dropout=FRACTIONS,
        epochs=st.integers(0, 10**6),
        batch_size=st.integers(1, 10**6),
        learning_rate=st.floats(0, 100, exclude_min=True),
        schedule=st.sampled_from(["constant", "cosine", "one-cycle"]),
        betas=st.tuples(FRACTIONS, FRACTIONS),
        weight_decay=st.floats(0, 100),
        label_smoothing=FRACTIONS,
        ema=FRACTIONS,
        validation_fraction=FRACTIONS.filter(bool),
        early_stopping=st.integers(0, 100),
        keep_best=st.booleans(),
        seed=st.integers(0, 2**32 - 1),
        precision=st.sampled_from(["float32", "bfloat16", "float64"]),
        parity=st.booleans(),
    ).flatmap(with_augmentation)


def with_augmentation(recipe: Recipe) -> st.SearchStrategy[Recipe]:
    """The recipe, and the recipe with images changed by any amounts."""
    changed = AMOUNTS.map(lambda amounts: dataclasses.replace(recipe, augment=True, augmentation=amounts))
    return st.just(recipe) | changed


RECIPES_OF_ANY_KIND = st.sampled_from(list(RECIPES.values())).flatmap(recipes_of)
