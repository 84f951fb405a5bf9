"""The corruptions do what the paper says of them, by as much as their amounts say, and the seed decides the rest."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from mnist_twice.data.catalogue import stratified_sample
from mnist_twice.evaluation.corruptions import CORRUPTIONS, STRENGTHS, corrupt

NAMES = [pytest.param(name, marks=pytest.mark.slow) if name == "fog" else name for name in sorted(CORRUPTIONS)]


@cache
def digits() -> np.ndarray:
    """Return 25 real digits, uint8 (25, 28, 28)."""
    return stratified_sample()[2][::40]


def grey(value: int, n: int = 200) -> np.ndarray:
    return np.full((n, 28, 28), value, np.uint8)


def spot(row: int, column: int, n: int = 200) -> np.ndarray:
    """Return images of one white square of 3x3 pixels about a pixel."""
    image = np.zeros((n, 28, 28), np.uint8)
    image[:, row - 1 : row + 2, column - 1 : column + 2] = 255
    return image


def centres(images: np.ndarray) -> np.ndarray:
    """Return each image's centre of mass from the middle of the image, (N, 2): down and right."""
    weights = images / images.sum(axis=(1, 2), keepdims=True)
    return np.einsum("nij,kij->nk", weights, np.indices((28, 28))) - 13.5


@pytest.mark.parametrize("name", NAMES)
def test_seed_and_strength_decide_and_more_changes_more(name: str) -> None:
    images = digits()
    before = images.copy()
    distances = []
    for strength in STRENGTHS:
        changed = corrupt(images, name, strength)
        assert (changed.shape, changed.dtype) == (images.shape, np.uint8)
        assert np.array_equal(changed, corrupt(images, name, strength))
        distances.append(np.abs(changed.astype(float) - images).mean())
    assert np.array_equal(images, before)
    assert distances[0] > 0
    # Not in every step of the published amounts: smaller drops, rougher fog, digits that leave the image.
    assert distances == sorted(distances) or (name in ("spatter", "fog", "shear") and distances[0] < distances[-1])
    fixed = {"scale", "brightness", "stripe", "canny_edges"}  # nothing in them is random
    assert np.array_equal(corrupt(images, name, 3), corrupt(images, name, 3, seed=1)) == (name in fixed)


def test_shot_noise_has_the_mean_and_the_variance_of_counted_photons() -> None:
    counts = corrupt(grey(51), "shot_noise", 1) / 255
    assert counts.mean() == pytest.approx(0.2, rel=0.01)
    assert counts.var() == pytest.approx(0.2 / 60, rel=0.03)
    assert not corrupt(grey(0), "shot_noise", 5).any()


def test_shear_leans_columns_by_its_angle() -> None:
    found = centres(corrupt(spot(19, 14), "shear", 2))
    angle = CORRUPTIONS["shear"].amounts[1]
    assert found[:, 0] == pytest.approx(5.5 / np.cos(angle), abs=0.05)
    assert np.abs(found[:, 1] - 0.5) == pytest.approx(5.5 * np.tan(angle), abs=0.05)
    assert 0.4 < np.mean(found[:, 1] > 0.5) < 0.6


def test_rotation_is_by_its_angle_to_either_side() -> None:
    found = centres(corrupt(spot(14, 22), "rotate", 5))
    angles = np.arctan2(found[:, 0], found[:, 1]) - np.arctan2(0.5, 8.5)
    assert np.hypot(*found.T) == pytest.approx(np.hypot(0.5, 8.5), abs=0.05)
    assert np.abs(angles) == pytest.approx(CORRUPTIONS["rotate"].amounts[4], abs=0.02)
    assert 0.4 < np.mean(angles > 0) < 0.6


def test_translation_moves_by_whole_pixels_along_both_axes() -> None:
    image = np.arange(784, dtype=np.int64).reshape(1, 28, 28) % 251
    changed = corrupt(np.repeat(image, 200, axis=0).astype(np.uint8), "translate", 5)
    padded = np.pad(image[0], 5).astype(np.uint8)
    ends = (0, 10)
    expected = {padded[top : top + 28, left : left + 28].tobytes() for top in ends for left in ends}
    assert {one.tobytes() for one in changed} == expected


def test_motion_blur_is_twice_as_long_as_its_radius_and_keeps_the_ink() -> None:
    radius, sigma = CORRUPTIONS["motion_blur"].amounts[1]
    light = 2.0 * corrupt(spot(14, 25), "motion_blur", 2)
    assert light[:, :, 25 - radius :].sum(axis=(1, 2)).mean() < light.sum(axis=(1, 2)).mean()  # it goes further
    assert centres(light)[:, 1].min() == pytest.approx(11.5 - sigma * np.sqrt(2 / np.pi), abs=0.8)
    assert light.sum(axis=(1, 2)) == pytest.approx(2 * 9 * 255, rel=0.1)


def test_zigzag_goes_up_and_down_by_two_pixels() -> None:
    """MNIST-C's own, where it does not slope, is white at 0, 2, -2, 2, -2, 2, -2 rows, every four columns."""
    changed = corrupt(grey(0, 500), "zigzag", 1)
    levels = {tuple((image[:, [2, 4, 8, 12, 16, 20, 24]] > 250).argmax(axis=0)) for image in changed}
    assert len({(level, *[level + 2, level - 2] * 3) for level in range(4, 24)} & levels) > 10
    assert not changed[:, :, :2].any()
    assert not changed[:, :, 26:].any()


def test_fog_takes_contrast_and_is_smooth() -> None:
    density, _ = CORRUPTIONS["fog"].amounts[4]
    images = np.zeros((400, 28, 28), np.uint8)
    images[:, :14] = 255
    changed = corrupt(images, "fog", 5) / 255
    # Beside each other across the border, fog differs little, and the digit by what is left of its contrast.
    assert (changed[:, 13] - changed[:, 14]).mean() == pytest.approx(1 / (1 + density), abs=0.03)
    fog = (changed[:, 14:] * (1 + density)) / density
    assert 0 <= fog.min() < fog.max() <= 1.01
    assert len({image.tobytes() for image in changed}) == len(changed)


def test_canny_edges_are_the_outline_alone() -> None:
    image = np.zeros((1, 28, 28), np.uint8)
    image[:, 8:20, 8:20] = 255
    edges = corrupt(image, "canny_edges", 5)[0]
    assert sorted({*edges.ravel().tolist()}) == [0, 255]
    assert not edges[10:18, 10:18].any()
    assert not edges[:6].any()
    assert all(edges[row, 7:9].any() and edges[row, 19:21].any() for row in range(10, 18))
    mixed = corrupt(image, "canny_edges", 1)[0]
    assert mixed[12, 12] == round(0.4 * 255)
