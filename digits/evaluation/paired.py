"""Is one of two runs better? Tested on what both were tested on, image by image or writer by writer."""

import numpy as np
from numpy.typing import NDArray

SIGNIFICANT = 0.05
"""Below this p-value a difference is called significant: a 95 % test, as the intervals are 95 % intervals."""


def paired_test(differences: NDArray[np.integer]) -> tuple[float, int | None]:
    """Return the two-sided p-value of the exact permutation test, and the least sum that would be significant.

    differences: (units,), by how many images the first run is better on each unit, which is an image or a writer. Were
    the two equally good, each unit's difference would have either sign by the toss of a coin (Fisher 1935, 'The design
    of experiments', section 21); the p-value is the probability of a sum at least as far from 0. With images as units
    it is McNemar's test (1947, Psychometrika 12, 153-157) in its exact form. None where no sum would be significant.
    """
    sizes = abs(differences[differences != 0])
    total = int(sizes.sum())
    probabilities = np.ones(1)  # of the sums -total, ..., total, in steps of 1
    for size in sizes.tolist():
        half, pad = probabilities / 2, np.zeros(2 * size)
        probabilities = np.append(half, pad) + np.append(pad, half)
    # Of the sums 0, ..., total: the probability of one at least as far from 0.
    tails = np.minimum(2 * np.cumsum(probabilities[total:][::-1])[::-1], 1)
    reachable = range(2 - total % 2, total + 1, 2)
    needed = next((distance for distance in reachable if tails[distance] < SIGNIFICANT), None)
    observed = abs(int(differences.sum()))
    return (float(tails[observed]) if observed else 1.0), needed
