"""Choose, by the network's probabilities, how digits that touch are cut apart."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from digits.photos import Digit

CUT = 0.5
"""The probability that wide ink is cut at some place, before its parts are looked at: a guess, since how often digits
touch is up to the writer. One certain digit is not cut into two that are less so."""
Read = tuple[Digit, NDArray[Any]]  # a digit and its class probabilities, float32 (classes,)


def whole_and_cut(digit: Digit) -> list[list[Digit]]:
    """Return the groups to classify where one digit is expected: it as a whole, and, if it is wide, what it may be cut
    into. Of a messy digit the whole is read better; where several are chosen in the second group, it is in doubt."""
    return [[replace(digit, splits=())], *([[digit]] if digit.splits else [])]


def images_of(groups: Sequence[Sequence[Digit]]) -> list[NDArray[np.uint8]]:
    """Return the images to classify: of each digit in turn its own, or those of all that it may be cut into."""
    return [part.image for group in groups for digit in group for part in _alternatives(digit)]


def choose(groups: Sequence[Sequence[Digit]], probabilities: Iterator[NDArray[Any]]) -> list[list[Read]]:
    """Return the digits of each group with their probabilities, cut apart where that is more probable.

    probabilities: of images_of(groups), in order. Of all ways from the first cut to the last, the one is chosen whose
    digits are all right with the highest probability: the product of their best classes' probabilities.
    """
    return [[read for digit in group for read in _best_way(digit, probabilities)] for group in groups]


def _alternatives(digit: Digit) -> list[Digit]:
    return [part for _, _, part in digit.splits] or [digit]


def _best_way(digit: Digit, probabilities: Iterator[NDArray[Any]]) -> list[Read]:
    if not digit.splits:
        return [(digit, next(probabilities))]
    ways: dict[int, tuple[float, list[Read]]] = {0: (1.0, [])}
    # All parts that end at a cut come before those that begin there.
    rows = [(start, stop, part, next(probabilities)) for start, stop, part in digit.splits]
    for start, stop, part, row in sorted(rows, key=lambda found: found[:2]):
        if start in ways:
            product, before = ways[start]
            product *= float(row.max()) * (CUT if start else 1)
            if product > ways.get(stop, (0.0, []))[0]:
                ways[stop] = product, [*before, (part, row)]
    return ways[max(ways)][1]
