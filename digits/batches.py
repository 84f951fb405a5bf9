"""Which images a step sees: the validation split and the order of each epoch.

Both come from NumPy generators keyed by the seed, so that both frameworks see the same images in the same order, and
so that epoch 7 is shuffled the same whether or not epochs 1 to 6 were run by this process.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# Second part of a generator's key: each use has a stream of its own, so that one never shifts another.
_SPLIT, _ORDER = 0, 1


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


def epoch_order(rows: NDArray[np.int64], seed: int, epoch: int) -> NDArray[np.int64]:
    """Return the rows in the order of this epoch (counted from 0)."""
    return np.random.default_rng([seed, _ORDER, epoch]).permutation(rows)
