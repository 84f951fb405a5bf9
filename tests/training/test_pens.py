"""Other hands and pens: digits as MNIST has its own, all different, and only as many as were asked for."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnist_twice.data.catalogue import stratified_sample
from mnist_twice.training.pens import imitate_pens, write_digit


@given(st.integers(0, 9), st.integers(0, 2**32 - 1))
def test_a_written_digit_has_the_form_of_mnist(digit: int, seed: int) -> None:
    """It fills 20 pixels of 28, its ink reaches full black, and its centre of mass is in the middle."""
    image = write_digit(digit, np.random.default_rng(seed))
    assert image.dtype == np.uint8
    assert image.shape == (28, 28)
    assert image.max() > 200
    rows, columns = np.flatnonzero(image.max(axis=1) > 60), np.flatnonzero(image.max(axis=0) > 60)
    assert 18 <= max(np.ptp(rows), np.ptp(columns)) + 1 <= 22
    middle = np.array([(image.sum(axis=1 - axis) * np.arange(28)).sum() / image.sum() for axis in (0, 1)])
    # Except where ink would leave the image.
    assert (np.abs(middle - 14) < 0.75).all() or min(rows[0], columns[0], 27 - rows[-1], 27 - columns[-1]) <= 1


@pytest.mark.parametrize("fraction", [0.0, 0.3])
def test_so_many_are_changed(fraction: float) -> None:
    images, labels = (array[:400] for array in stratified_sample()[2:])
    before = images.copy()
    changed = imitate_pens(images, labels, np.random.default_rng(0), fraction)
    share = (changed != images).any(axis=(1, 2)).mean()
    assert share == pytest.approx(fraction, abs=0.08)
    np.testing.assert_array_equal(images, before)
    np.testing.assert_array_equal(changed, imitate_pens(images, labels, np.random.default_rng(0), fraction))


@pytest.mark.slow
def test_a_changed_digit_is_still_the_digit() -> None:
    """A nearest mean of MNIST's own images tells most of them apart, though it knows none of these hands."""
    _, _, images, labels = stratified_sample()
    means = np.stack([images[labels == digit].mean(axis=0).ravel() for digit in range(10)])
    changed = imitate_pens(images, labels, np.random.default_rng(0), 1.0).reshape(len(images), -1).astype(float)
    likeness = np.corrcoef(changed, means)[: len(changed), len(changed) :]
    right = likeness.argmax(axis=1) == labels
    assert right.mean() > 0.6
    assert min(right[labels == digit].mean() for digit in range(10)) > 0.3
