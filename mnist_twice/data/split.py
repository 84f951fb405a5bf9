"""Hold out part of a labelled set: of each class, or whole writers of each series, in the same proportion.

The split comes from a NumPy generator keyed by the seed, so that both frameworks hold out the same images.
"""

import numpy as np
from numpy.typing import NDArray

_SPLIT = 0  # second part of the generator's key: the order of the images and augmentation have 1 and 2


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


def split_writers(
    writers: NDArray[np.int32], validation_fraction: float, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return what split_indices does, but no writer is on both sides; writers: (N, 2), each image's writer and series.

    Each series gives its share of the fraction of all images, as near as whole writers allow: writers in random order
    as long as they fit, and then the one that comes nearest.
    """
    held_out = np.zeros(len(writers), dtype=bool)
    generator = np.random.default_rng([seed, _SPLIT])
    for series in np.unique(writers[:, 1]):
        inside = writers[:, 1] == series
        numbers, counts = np.unique(writers[inside, 0], return_counts=True)
        order = generator.permutation(len(numbers))
        sums = np.cumsum(counts[order])
        quota = validation_fraction * sums[-1]
        fitting = int(np.searchsorted(sums, quota, side="right"))
        missing = quota - (sums[fitting - 1] if fitting else 0)
        others = order[fitting:]
        last = others[np.argsort(abs(counts[others] - missing), kind="stable")[:1]]
        chosen = np.append(order[:fitting], last[abs(counts[last] - missing) < missing])
        held_out |= inside & np.isin(writers[:, 0], numbers[chosen])
    return np.flatnonzero(~held_out), np.flatnonzero(held_out)
