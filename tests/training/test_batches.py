"""The validation split and the order of the epochs, for any labels."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnist_twice.data import Dataset
from mnist_twice.data.split import split_indices
from mnist_twice.errors import UserError
from mnist_twice.recipes.recipe import Augmentation, Recipe
from mnist_twice.training.batches import epoch_length, epoch_order, evaluation_set, images_of_epochs

SEEDS = st.integers(0, 2**32 - 1)
FRACTIONS = st.floats(0, 1, exclude_max=True, allow_nan=False)
LABELS = st.lists(st.integers(0, 9), max_size=200).map(lambda labels: np.array(labels, np.uint8))


@given(LABELS, FRACTIONS, SEEDS)
def test_split_is_a_partition_with_each_class_by_its_share(labels: np.ndarray, fraction: float, seed: int) -> None:
    train, validation = split_indices(labels, fraction, seed)
    assert sorted([*train, *validation]) == list(range(len(labels)))
    for label in np.unique(labels):
        count, held_out = np.sum(labels == label), np.sum(labels[validation] == label)
        if count == 1 or fraction == 0:
            assert held_out == 0  # a class is trained on before it is validated on
        else:  # within one image of the quota, unless that would leave one side without the class
            assert abs(held_out - np.clip(fraction * count, 1, count - 1)) < 1


def test_frozen_numbers() -> None:
    """A change here changes every published accuracy: neither NumPy nor we may do so unnoticed."""
    assert epoch_order(np.arange(10), 0, 0, 4).tolist() == [9, 1, 3, 8, 7, 6, 0, 4, 2, 5]
    assert epoch_order(np.arange(10), 0, 1, 4).tolist() == [2, 7, 0, 4, 1, 6, 8, 9, 3, 5]
    labels = np.arange(40, dtype=np.uint8) % 4
    assert split_indices(labels, 0.2, 0)[1].tolist() == [9, 16, 18, 19, 22, 23, 24, 37]


@given(st.integers(0, 300), st.integers(1, 300))
def test_no_image_is_alone_in_the_last_batch(num_images: int, batch_size: int) -> None:
    length = epoch_length(num_images, batch_size)
    rows = np.arange(num_images) * 3
    order = epoch_order(rows, 0, 0, batch_size)
    assert len(order) == len({*order}) == length
    assert {*order} <= {*rows}
    if batch_size > 1 and num_images > 1:
        assert length % batch_size != 1
        assert num_images - 1 <= length <= num_images
    else:
        assert length == num_images


def dataset_of(images: np.ndarray, class_names: str = "0123456789") -> Dataset:
    labels = (np.arange(len(images)) % 10).astype(np.uint8)
    return Dataset("small", images, labels, images, labels, tuple(class_names), "")


@pytest.mark.parametrize("field", ["pens", "non_digits"])
def test_no_pen_writes_what_is_not_a_digit(field: str) -> None:
    dataset = dataset_of(np.zeros((3, 28, 28), np.uint8), "abcdefghij")
    with pytest.raises(UserError, match=f"--{field.replace('_', '-')} needs the digits 0 to 9, and 'small' has others"):
        next(images_of_epochs(dataset, Recipe(**{field: 0.5}), 0))


@pytest.mark.parametrize("recipe", [
    Recipe(epochs=4, augment=True, augmentation=Augmentation(rotation=20)),
    Recipe(epochs=4, pens=0.5),
    Recipe(epochs=4, pens=0.5, augment=True),
    Recipe(epochs=4, non_digits=0.5),
    Recipe(epochs=4, augment=True, augmentation=Augmentation(degrade=0.5)),
], ids=["augment", "pens", "both", "non-digits", "degrade"])  # fmt: skip
def test_changed_epochs_differ_and_do_not_depend_on_where_training_began(recipe: Recipe) -> None:
    images = np.random.default_rng(0).integers(0, 256, (20, 28, 28), np.uint8)
    before = images.copy()
    dataset = dataset_of(images)
    epochs = list(images_of_epochs(dataset, recipe, 0))
    assert len(epochs) == 4
    for (epoch, _), (other, _) in itertools.combinations(epochs, 2):
        assert not np.array_equal(epoch, other)
    for ours, resumed in zip(epochs[2:], images_of_epochs(dataset, recipe, 2), strict=True):
        for array, same in zip(ours, resumed, strict=True):
            np.testing.assert_array_equal(array, same)
    np.testing.assert_array_equal(images, before)
    assert list(images_of_epochs(dataset, recipe, 4)) == []
    other, _ = next(iter(images_of_epochs(dataset, replace(recipe, seed=1), 0)))
    assert not np.array_equal(other, epochs[0][0])
    assert (10 in epochs[0][1]) == bool(recipe.non_digits)


def test_a_split_that_holds_out_none_to_evaluate_on_is_refused() -> None:
    with pytest.raises(UserError, match="holds out none to evaluate on; raise it"):
        evaluation_set(dataset_of(np.zeros((4, 28, 28), np.uint8)), Recipe())
