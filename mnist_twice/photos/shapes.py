"""What a piece of ink may be besides a digit: a sign (+ - x =)."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

INKED = 0.1
"""A ninth of the box with a stroke in it has at least this fraction of ink."""
EMPTY, FAINT = 0.1, 0.4
"""A slanted stroke that passes leaves less than this fraction of another ninth's ink."""
NARROW = 0.6
"""Ink that is no wider than so many times its height is no sign: a narrow 4 in one stroke is a plus but for that."""


def is_sign(mask: NDArray[Any]) -> bool:
    """Return whether the ink, uint8 (H, W) of 0 and 1 without a margin, is one of + - x =.

    Each ninth of a plus's box but the corners has ink, of a cross's all but the middles of the sides. No digit leaves
    all four corners empty and its centre inked, none leaves its middle row empty from side to side.
    """
    height, width = mask.shape
    if width > 2.5 * height:  # a dash, unless a row of it crosses the strokes of several digits
        return bool((np.diff(mask, axis=1, prepend=0) == 1).sum(axis=1).max() < 3)
    if min(height, width) < 6 or width <= NARROW * height:
        return False
    ninths = cv2.resize(mask.astype(np.float32), (3, 3), interpolation=cv2.INTER_AREA)
    corners, sides, centre = ninths[::2, ::2], ninths.ravel()[1::2], ninths[1, 1]
    plus = corners.max() < EMPTY * sides.min() and min(sides.min(), centre) > INKED
    times = sides.max() < FAINT * corners.min() and min(corners.min(), centre) > INKED
    equals = ninths[1].max() < FAINT * ninths[::2].min() and ninths[::2].min() > INKED
    if not (plus or times or equals):
        return False
    # The strokes of a 4 in the form of a plus with a diagonal enclose paper.
    paper = np.pad(1 - mask, 1, constant_values=1)
    return cv2.connectedComponents(paper, connectivity=4)[0] <= 2
