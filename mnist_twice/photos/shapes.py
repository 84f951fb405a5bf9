"""What a piece of ink may be besides a digit: a sign (+ - x =), or several digits that touch.

Which cuts between these are right is for the network to say: see mnist_twice/prediction.
"""

from itertools import combinations
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
WIDE = 0.85
"""Ink that is wider than so many times its height may be several digits: of MNIST's digits, one in 30 is."""
WIDEST = 1.2
"""No digit is wider than so many times its height."""
NARROWEST = 0.12
"""No digit, with its pen, is narrower than so many times its height."""
SLANTS = (0.0, 0.2, 0.4)
"""Slants of a cut, columns a row: handwriting leans to the right."""
CUTS = 4
"""Most cuts for a stretch as wide as the ink is high: about as many as the digits there have thin places."""


def is_sign(mask: NDArray[Any]) -> bool:
    """Return whether the ink, uint8 (H, W) of 0 and 1 without a margin, is one of + - x =.

    Each ninth of a plus's box but the corners has ink, of a cross's all but the middles of the sides. No digit leaves
    all four corners empty and its centre inked, none leaves its middle row empty from side to side.
    """
    height, width = mask.shape
    if width > 2.5 * height:
        return True
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


def parts_of(mask: NDArray[Any]) -> list[tuple[int, int, NDArray[Any]]]:
    """Return every digit that the ink, uint8 (H, W) of 0 and 1 without a margin, may hold; [] where it is but one.

    Each lies between two cuts: their numbers, 0 being the ink's left end, and the digit's pixels, uint8 (H, W).
    The whole, from the first cut to the last, is among them where it could be a digit. What lies between neighbouring
    cuts always is, however wide: there is a way from the first cut to the last.
    """
    height, width = mask.shape
    if width <= WIDE * height or height < 8:
        return []
    cuts = _cuts(mask)
    if not cuts:
        return []
    # Which stretch between neighbouring cuts each pixel lies in.
    x = np.arange(width)[None, :]
    rows = np.arange(height)[:, None] - height / 2
    stretch = sum((x >= at - slant * rows).astype(np.int64) for at, slant in cuts)
    ends = [0, *(at for at, _ in cuts), width]
    # Slanted cuts that cross may leave nothing between them.
    inked = np.unique(stretch[mask > 0]).tolist()
    found = []
    for start, stop in combinations(range(len(inked) + 1), 2):
        first, last = inked[start], inked[stop - 1]
        if stop == start + 1 or ends[last + 1] - ends[first] <= WIDEST * height:
            part = np.where((stretch >= first) & (stretch <= last), mask, 0).astype(np.uint8)
            found.append((start, stop, part))
    return found if len(inked) > 1 else []


def _cuts(mask: NDArray[Any]) -> list[tuple[float, float]]:
    """Return cuts, from left to right: where each crosses the middle row, and its slant.

    A cut goes where little ink lies on it: at most a quarter of the height, since it separates two strokes.
    """
    height, width = mask.shape
    margin = round(0.5 * height)
    ink = []
    for slant in SLANTS:
        # Row by row to the side, so that a slanted cut becomes a column.
        move = np.array([[1, slant, margin - slant * height / 2], [0, 1, 0]])
        upright = cv2.warpAffine(mask, move, (width + 2 * margin, height), flags=cv2.INTER_NEAREST)
        ink.append(upright.sum(axis=0)[margin : margin + width])
    least = np.min(ink, axis=0).astype(np.float64)
    slants = np.argmin(ink, axis=0)
    cuts: list[tuple[float, float]] = []
    at_least = NARROWEST * height
    order = np.argsort(cv2.blur(least[None], (max(1, height // 12), 1))[0], kind="stable")
    for x in order.tolist():
        if len(cuts) >= CUTS * width / height or least[x] > 0.25 * height:
            break
        if at_least <= x <= width - at_least and all(abs(x - other) >= at_least for other, _ in cuts):
            cuts.append((float(x), SLANTS[slants[x]]))
    return sorted(cuts)
