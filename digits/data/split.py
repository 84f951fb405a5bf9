"""Hold out part of a labelled set, each class in the same proportion.

The split comes from a NumPy generator keyed by the seed, so that both frameworks hold out the same images.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_SPLIT = 0
"""Second part of the generator's key: the order of the images and augmentation have 1 and 2."""


def split_indices(
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
