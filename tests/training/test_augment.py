"""Augmentation: what it keeps, what it changes, and that a generator decides all of it."""

from __future__ import annotations

import dataclasses
import math
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from digits.data.sample import stratified_sample
from digits.training.augment import CHUNK, Augmentation, augment

NOTHING = Augmentation(rotation=0, shift=0, scale=0, shear=0, elastic=0)
amounts = st.builds(
    Augmentation,
    rotation=st.floats(0, 30),
    shift=st.floats(0, 4),
    scale=st.floats(0, 0.3),
    shear=st.floats(0, 0.3),
    elastic=st.floats(0, 40),
    smoothness=st.floats(1, 8),
    cutout=st.integers(0, 56),
)


@cache
def digits() -> np.ndarray:
    """Return 1,000 real digits, uint8 (1000, 28, 28)."""
    return stratified_sample()[2]


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@settings(deadline=None, max_examples=50)
@given(amounts, st.integers(0, 2**32), st.integers(0, 3))
def test_shape_dtype_and_determinism(amount: Augmentation, seed: int, n: int) -> None:
    images = digits()[:n]
    before = images.copy()
    changed = augment(images, generator(seed), amount)
    assert (changed.shape, changed.dtype) == ((n, 28, 28), np.uint8)
    assert np.array_equal(changed, augment(images, generator(seed), amount))
    assert np.array_equal(images, before)


@given(st.integers(0, 2**32))
def test_nothing_at_zero(seed: int) -> None:
    images = digits()[:20]
    changed = augment(images, generator(seed), NOTHING)
    assert np.array_equal(changed, images)
    assert not np.shares_memory(changed, images)


def test_another_seed_gives_other_images_and_so_does_the_next_call() -> None:
    images, one = digits()[:20], generator(0)
    first, second = augment(images, one), augment(images, one)
    assert not any(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
    assert not np.array_equal(first, augment(images, generator(1)))


def test_equal_images_are_changed_each_in_its_own_way() -> None:
    changed = augment(np.repeat(digits()[:1], 50, axis=0), generator())
    assert len({image.tobytes() for image in changed}) == 50


@settings(deadline=None, max_examples=20)
@given(st.lists(st.integers(0, 2 * CHUNK), max_size=4), st.booleans())
def test_parts_are_changed_as_the_whole_is(cuts: list[int], elastic: bool) -> None:
    images = digits()[: 2 * CHUNK + 3]
    amount = Augmentation(cutout=6) if elastic else Augmentation(elastic=0)
    one = generator(5)
    parts = [augment(part, one, amount) for part in np.split(images, sorted(cuts))]
    assert np.array_equal(np.concatenate(parts), augment(images, generator(5), amount))


@pytest.mark.parametrize("amount", [Augmentation(), Augmentation(elastic=0)])
def test_ink_is_roughly_kept(amount: Augmentation) -> None:
    images = digits()
    before = images.sum(axis=(1, 2), dtype=np.float64)
    after = augment(images, generator(), amount).sum(axis=(1, 2), dtype=np.float64)
    assert 0.97 < after.sum() / before.sum() < 1.05
    assert np.quantile(after / before, 0.01) > 0.6
    assert np.quantile(after / before, 0.99) < 1.6


@pytest.mark.parametrize("field", ["rotation", "shift", "scale", "shear", "elastic"])
def test_each_amount_alone_changes_images_and_more_changes_more(field: str) -> None:
    images = digits()[:200]
    default = getattr(Augmentation(), field)
    distances = []
    for factor in (0.25, 1.0):
        changed = augment(images, generator(), dataclasses.replace(NOTHING, **{field: factor * default}))
        distances.append(np.abs(changed.astype(float) - images).mean())
    assert 0 < distances[0] < distances[1]


def spot(row: int, column: int) -> np.ndarray:
    """Return an image of one bright square of 3x3 pixels about a pixel."""
    image = np.zeros((28, 28), dtype=np.uint8)
    image[row - 1 : row + 2, column - 1 : column + 2] = 255
    return image


def centres(images: np.ndarray) -> np.ndarray:
    """Return each image's centre of mass, (N, 2): row and column."""
    weights = images / images.sum(axis=(1, 2), keepdims=True)
    return np.einsum("nij,kij->nk", weights, np.indices((28, 28)))


def moved(amount: Augmentation, row: int, column: int) -> np.ndarray:
    """Return where a spot lies after each of 2,000 changes, (2000, 2), from the centre of the image."""
    return centres(augment(np.repeat(spot(row, column)[None], 2000, axis=0), generator(), amount)) - 13.5


def test_shift_reaches_its_limits_in_both_directions_and_no_further() -> None:
    found = moved(dataclasses.replace(NOTHING, shift=2.0), 14, 14) - 0.5
    assert found.min() == pytest.approx(-2, abs=0.05)
    assert found.max() == pytest.approx(2, abs=0.05)
    assert np.abs(np.corrcoef(found.T)[0, 1]) < 0.1


def test_rotation_keeps_the_distance_from_the_centre_and_reaches_its_angle() -> None:
    found = moved(dataclasses.replace(NOTHING, rotation=10.0), 14, 23)
    assert np.hypot(*found.T) == pytest.approx(np.hypot(0.5, 9.5), abs=0.15)
    angles = np.degrees(np.arctan2(found[:, 0], found[:, 1])) - math.degrees(math.atan2(0.5, 9.5))
    assert (angles.min(), angles.max()) == (pytest.approx(-10, abs=0.5), pytest.approx(10, abs=0.5))


def test_scale_goes_by_a_factor_either_way() -> None:
    distances = np.hypot(*moved(dataclasses.replace(NOTHING, scale=0.2), 14, 22).T) / np.hypot(0.5, 8.5)
    assert (distances.min(), distances.max()) == (pytest.approx(1 / 1.2, abs=0.02), pytest.approx(1.2, abs=0.02))


def test_shear_moves_sideways_by_the_height_alone() -> None:
    found = moved(dataclasses.replace(NOTHING, shear=0.2), 23, 14)
    assert found[:, 0] == pytest.approx(9.5, abs=0.1)
    assert (found[:, 1].min(), found[:, 1].max()) == (
        pytest.approx(0.5 - 1.9, abs=0.1),
        pytest.approx(0.5 + 1.9, abs=0.1),
    )


@pytest.mark.parametrize("side", [1, 7, 10, 28, 56])
def test_cutout_erases_a_square_of_its_side_about_any_pixel(side: int) -> None:
    white = np.full((4000, 28, 28), 255, np.uint8)
    erased = augment(white, generator(), dataclasses.replace(NOTHING, cutout=side)) == 0
    # What is left of a square about each pixel, as row and column of its first pixel, height and width.
    lengths = [sorted({min(c - side // 2 + side, 28) - max(c - side // 2, 0) for c in range(28)})] * 2
    rows, columns = erased.any(axis=2), erased.any(axis=1)
    assert np.array_equal(erased, rows[:, :, None] & columns[:, None, :])  # a rectangle
    for lines, allowed in zip((rows, columns), lengths, strict=True):
        assert (np.diff(lines.astype(int), axis=1) == 1).sum(axis=1).max() <= 1  # without a gap
        assert sorted({*lines.sum(axis=1).tolist()}) == allowed
        # The share of squares that cover each line of pixels: of those about each pixel, equally frequent.
        expected = [np.mean([0 <= line - c + side // 2 < side for c in range(28)]) for line in range(28)]
        assert lines.mean(axis=0) == pytest.approx(expected, abs=0.04)
    if len(lengths[0]) > 1:
        assert np.abs(np.corrcoef(rows.sum(axis=1), columns.sum(axis=1))[0, 1]) < 0.1


def test_cutout_leaves_the_rest_of_an_image_as_it_would_be() -> None:
    for elastic in (0, 34):
        amount = Augmentation(elastic=elastic)
        for image in digits()[:50]:
            plain, erased = (
                augment(image[None], generator(3), dataclasses.replace(amount, cutout=side)) for side in (0, 9)
            )
            differing = np.argwhere(plain != erased)[:, 1:]
            assert (erased[0][tuple(differing.T)] == 0).all()
            assert not len(differing) or np.ptp(differing, axis=0).max() < 9


@pytest.mark.parametrize(("right", "down"), [(0, 0), (2, -2), (-1, 2), (4, 4)])
def test_a_shift_by_whole_pixels_is_a_crop_of_the_padded_image(right: int, down: int) -> None:
    class Fixed(np.random.Generator):
        """Gives what shifts by these numbers of pixels, where the largest shift is 4."""

        def random(self, size: tuple[int, int], dtype: type) -> np.ndarray:  # type: ignore[override]
            return np.tile(np.array([0.5, 0.5, 0.5, (right / 4 + 1) / 2, (down / 4 + 1) / 2, 0.5], dtype), (size[0], 1))

    images = digits()[:30]
    changed = augment(images, Fixed(np.random.PCG64()), dataclasses.replace(NOTHING, shift=4.0))
    padded = np.pad(images, ((0, 0), (4, 4), (4, 4)))
    assert np.array_equal(changed, padded[:, 4 + down :, 4 + right :][:, :28, :28])


def test_elastic_displacement_has_the_size_that_theory_gives() -> None:
    # Uniform noise in [-1, 1] has the variance 1/3; a Gaussian of sigma divides it by 4 pi sigma^2.
    expected = 34 * math.sqrt(1 / 3 / (4 * math.pi * 4**2))
    found = moved(dataclasses.replace(NOTHING, elastic=34.0), 14, 14) - 0.5
    assert expected == pytest.approx(1.38, abs=0.01)
    assert found.std(axis=0) == pytest.approx([expected, expected], rel=0.1)
    assert found.mean(axis=0) == pytest.approx([0, 0], abs=0.15)
