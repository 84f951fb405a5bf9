"""All recipes that a training script takes, for property tests."""

from __future__ import annotations

import dataclasses

from hypothesis import strategies as st

from mnist_twice.recipes import RECIPES, Augmentation, Recipe

FRACTIONS = st.floats(0, 1, exclude_max=True)
WIDTHS = st.integers(1, 1024)
AMOUNTS = st.builds(
    Augmentation,
    rotation=st.floats(0, 180),
    elastic=st.floats(0, 1000),
    smoothness=st.floats(0.1, 100),
    cutout=st.integers(0, 56),
    degrade=st.floats(0, 1),
)


def recipes_of(default: Recipe) -> st.SearchStrategy[Recipe]:
    """Every recipe of a model, with the fields that have to go together left as they are."""
    plain = st.builds(
        Recipe,
        model=st.just(default.model),
        filters=st.tuples(*[WIDTHS] * len(default.filters)),
        dense=st.tuples(*[WIDTHS.map(lambda width: 4 * width)] * len(default.dense)),
        epochs=st.integers(0, 10**6),
        learning_rate=st.floats(0, 100, exclude_min=True),
        schedule=st.sampled_from(["constant", "cosine", "one-cycle"]),
        betas=st.tuples(FRACTIONS, FRACTIONS),
        validation_fraction=FRACTIONS.filter(bool),
        keep_best=st.booleans(),
        seed=st.integers(0, 2**32 - 1),
        precision=st.sampled_from(["float32", "bfloat16", "float64"]),
        parity=st.booleans(),
    )
    return plain | st.builds(dataclasses.replace, plain, augment=st.just(True), augmentation=AMOUNTS)


RECIPES_OF_ANY_KIND = st.sampled_from(list(RECIPES.values())).flatmap(recipes_of)
