"""Pieces of touching digits: what is no digit has a label of its own, what still is one keeps its own."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mnist_twice.data.catalogue import stratified_sample
from mnist_twice.training.pieces import NO_DIGIT, replace_with_pieces

IMAGES, LABELS = (array[:600] for array in stratified_sample()[2:])
EVERY = np.arange(len(IMAGES))


def test_so_many_are_replaced_and_those_that_keep_their_label_look_alike() -> None:
    images, labels = replace_with_pieces(IMAGES, LABELS, EVERY, np.random.default_rng(0), 0.5)
    replaced = (images != IMAGES).any(axis=(1, 2))
    assert 0.4 < replaced.mean() < 0.6
    none = labels == NO_DIGIT
    assert (labels[~none] == LABELS[~none]).all()
    assert not (none & ~replaced).any()
    assert 0.5 < none.sum() / replaced.sum() < 0.9
    flat, before = (array.reshape(len(array), -1).astype(float) for array in (images, IMAGES))
    alike = np.array([np.corrcoef(*pair)[0, 1] for pair in zip(flat, before, strict=True)])
    assert np.median(alike[replaced & ~none]) > 0.8
    assert np.median(alike[none]) < 0.5
    again = replace_with_pieces(IMAGES, LABELS, EVERY, np.random.default_rng(0), 0.5)
    for found, expected in zip(again, (images, labels), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_neighbours_are_training_images() -> None:
    """Of the images that are held out for validation, none gets into another image."""
    marked = IMAGES.copy()
    marked[300:] = 255
    images, _ = replace_with_pieces(marked, LABELS, EVERY[:300], np.random.default_rng(0), 1.0)
    assert images[:300].mean() < 80


@given(st.integers(0, 2**32 - 1))
def test_any_images_give_images(seed: int) -> None:
    """Empty ones, squares and lines as well, which a small dataset of one's own may hold."""
    generator = np.random.default_rng(seed)
    images = np.zeros((4, 28, 28), np.uint8)
    for image in images[1:]:
        top, left = generator.integers(0, 28, 2)
        image[top : top + generator.integers(1, 29), left : left + generator.integers(1, 29)] = 255
    found, labels = replace_with_pieces(images, np.arange(4, dtype=np.uint8), np.arange(4), generator, 1.0)
    assert found.shape == images.shape
    assert found.dtype == np.uint8
    assert set(labels) <= {0, 1, 2, 3, NO_DIGIT}
