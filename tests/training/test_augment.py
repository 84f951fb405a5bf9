"""Augmentation: what it keeps and what it changes."""

from __future__ import annotations

import dataclasses
import math
from functools import cache

import numpy as np
import pytest

from mnist_twice.data.catalogue import stratified_sample
from mnist_twice.recipes import Augmentation
from mnist_twice.training.augment import augment

NOTHING = Augmentation(rotation=0, shift=0, scale=0, shear=0, elastic=0)


@cache
def digits() -> np.ndarray:
    """Return 1,000 real digits, uint8 (1000, 28, 28)."""
    return stratified_sample()[2]


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_ink_is_roughly_kept() -> None:
    images = digits()
    assert np.array_equal(augment(images, generator(), NOTHING), images)
    before = images.sum(axis=(1, 2), dtype=np.float64)
    changed = augment(images, generator(), Augmentation())
    assert not np.array_equal(changed, augment(images, generator(1), Augmentation()))
    after = changed.sum(axis=(1, 2), dtype=np.float64)
    assert 0.97 < after.sum() / before.sum() < 1.05
    assert np.quantile(after / before, 0.01) > 0.6
    assert np.quantile(after / before, 0.99) < 1.6


def moved(row: int, column: int, **amount: float) -> np.ndarray:
    """Return where the centre of a bright square lies after each of 2,000 changes, (2000, 2), from the image's."""
    image = np.zeros((28, 28), dtype=np.uint8)
    image[row - 1 : row + 2, column - 1 : column + 2] = 255
    changed = augment(np.repeat(image[None], 2000, axis=0), generator(), dataclasses.replace(NOTHING, **amount))
    weights = changed / changed.sum(axis=(1, 2), keepdims=True)
    return np.einsum("nij,kij->nk", weights, np.indices((28, 28))) - 13.5


def limits(values: np.ndarray) -> tuple[float, float]:
    return float(values.min()), float(values.max())


def test_amounts_are_reached_in_both_directions_and_not_exceeded() -> None:
    shifted = moved(14, 14, shift=2.0) - 0.5
    assert limits(shifted) == pytest.approx((-2, 2), abs=0.05)
    assert np.abs(np.corrcoef(shifted.T)[0, 1]) < 0.1

    turned = moved(14, 23, rotation=10.0)
    assert np.hypot(*turned.T) == pytest.approx(np.hypot(0.5, 9.5), abs=0.15)
    angles = np.degrees(np.arctan2(turned[:, 0], turned[:, 1])) - math.degrees(math.atan2(0.5, 9.5))
    assert limits(angles) == pytest.approx((-10, 10), abs=0.5)

    distances = np.hypot(*moved(14, 22, scale=0.2).T) / np.hypot(0.5, 8.5)
    assert limits(distances) == pytest.approx((1 / 1.2, 1.2), abs=0.02)

    sheared = moved(23, 14, shear=0.2)  # sideways, by the height alone
    assert sheared[:, 0] == pytest.approx(9.5, abs=0.1)
    assert limits(sheared[:, 1]) == pytest.approx((0.5 - 1.9, 0.5 + 1.9), abs=0.1)


@pytest.mark.parametrize("side", [1, 10, 56])
def test_cutout_erases_a_square_of_its_side_about_any_pixel(side: int) -> None:
    white = np.full((4000, 28, 28), 255, np.uint8)
    erased = augment(white, generator(), dataclasses.replace(NOTHING, cutout=side)) == 0
    rows, columns = erased.any(axis=2), erased.any(axis=1)
    assert np.array_equal(erased, rows[:, :, None] & columns[:, None, :])  # a rectangle
    for lines in (rows, columns):
        # The share of squares that cover each line of pixels, where those about each pixel are equally frequent.
        expected = [np.mean([0 <= line - c + side // 2 < side for c in range(28)]) for line in range(28)]
        assert lines.mean(axis=0) == pytest.approx(expected, abs=0.04)


def test_elastic_displacement_has_the_size_that_theory_gives() -> None:
    # Uniform noise in [-1, 1] has the variance 1/3; a Gaussian of sigma divides it by 4 pi sigma^2.
    expected = 34 * math.sqrt(1 / 3 / (4 * math.pi * 4**2))
    found = moved(14, 14, elastic=34.0) - 0.5
    assert expected == pytest.approx(1.38, abs=0.01)
    assert found.std(axis=0) == pytest.approx([expected, expected], rel=0.1)
    assert found.mean(axis=0) == pytest.approx([0, 0], abs=0.15)
