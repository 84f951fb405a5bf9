"""Which images a step sees: the validation split, the order of each epoch, and augmentation.

All come from NumPy generators keyed by the seed, so that both frameworks see the same images in the same order, and
so that epoch 7 is shuffled the same whether or not epochs 1 to 6 were run by this process.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from digits.recipe import Recipe

# Second part of a generator's key: each use has a stream of its own, so that one never shifts another.
_SPLIT, _ORDER, _AUGMENT = 0, 1, 2


def split_rows(
    labels: NDArray[np.uint8], validation_fraction: float, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the row numbers to train on and those to validate on, int64, each ascending.

    Stratified: each class gives its share of the fraction of all images, rounded by largest remainder; a class of at
    least two images is on both sides. A fraction of 0 holds out none.
    """
    held_out = np.zeros(len(labels), dtype=bool)
    if validation_fraction > 0:
        counts = np.bincount(labels)
        quotas = validation_fraction * counts
        sizes = np.floor(quotas).astype(np.int64)
        missing = round(validation_fraction * len(labels)) - sizes.sum()
        sizes[np.argsort(sizes - quotas, kind="stable")[:missing]] += 1
        sizes = np.clip(sizes, np.minimum(counts // 2, 1), np.maximum(counts - 1, 0))
        generator = np.random.default_rng([seed, _SPLIT])
        for label, size in enumerate(sizes):
            held_out[generator.permutation(np.flatnonzero(labels == label))[:size]] = True
    return np.flatnonzero(~held_out), np.flatnonzero(held_out)


def epoch_order(rows: NDArray[np.int64], seed: int, epoch: int, batch_size: int) -> NDArray[np.int64]:
    """Return the rows in the order of this epoch (counted from 0), to be cut into batches."""
    return np.random.default_rng([seed, _ORDER, epoch]).permutation(rows)[: epoch_length(len(rows), batch_size)]


def epoch_length(num_rows: int, batch_size: int) -> int:
    """Return how many of the rows an epoch takes: all, but for one that would be left alone in the last batch.

    Batch normalisation has nothing to normalise one image by. It is another one in each epoch.
    """
    alone = num_rows % batch_size == 1 and num_rows > 1 and batch_size > 1
    return num_rows - alone


def images_of_epochs(images: NDArray[np.uint8], recipe: Recipe, first: int) -> Iterator[NDArray[np.uint8]]:
    """Yield the training images of each epoch from the epoch `first` on, uint8 (N, 28, 28).

    With augmentation they are changed anew for each epoch, in a thread, while the epoch before is trained.
    """
    if not recipe.augment or first >= recipe.epochs:
        yield from itertools.repeat(images, max(recipe.epochs - first, 0))
        return
    from digits.augment import augment  # OpenCV takes a tenth of a second to import

    def changed(epoch: int) -> NDArray[np.uint8]:
        return augment(images, np.random.default_rng([recipe.seed, _AUGMENT, epoch]), recipe.augmentation)

    with ThreadPoolExecutor(1) as thread:
        coming = thread.submit(changed, first)
        for epoch in range(first, recipe.epochs):
            current = coming.result()
            if epoch + 1 < recipe.epochs:
                coming = thread.submit(changed, epoch + 1)
            yield current
