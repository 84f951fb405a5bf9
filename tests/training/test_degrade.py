"""Degraded images: as many as asked for, each in a way of its own, and most still the digit."""

from __future__ import annotations

import numpy as np
import pytest

from mnist_twice.data.catalogue import stratified_sample
from mnist_twice.training.degrade import degrade


@pytest.mark.parametrize("fraction", [0.0, 0.3, 1.0])
def test_about_so_many_are_degraded(fraction: float) -> None:
    images = stratified_sample()[2]
    before = images.copy()
    changed = degrade(images, np.random.default_rng(0), fraction)
    assert (changed.shape, changed.dtype) == (images.shape, np.uint8)
    share = (changed != images).any(axis=(1, 2)).mean()
    assert share == pytest.approx(0.86 * fraction, abs=0.04)  # nothing falls to every seventh: 0.8 0.7 0.75 0.85 ...
    np.testing.assert_array_equal(images, before)
    np.testing.assert_array_equal(changed, degrade(images, np.random.default_rng(0), fraction))


def test_one_image_becomes_many() -> None:
    """Dark and bright ground, weak and strong contrast, noise, and never a grey image alone."""
    image = stratified_sample()[2][7]
    changed = degrade(np.repeat(image[None], 1000, axis=0), np.random.default_rng(0), 1.0)
    assert len({one.tobytes() for one in changed}) > 850
    ground, spread = np.median(changed, axis=(1, 2)), changed.std(axis=(1, 2))
    assert 0.1 < np.mean(ground > 64) < 0.6
    assert 0.05 < np.mean(spread < 0.5 * image.std()) < 0.5
    assert np.mean(spread < 0.1 * image.std()) < 0.02
