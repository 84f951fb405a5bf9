"""The ways to cut ink that may be several digits into pieces, each of which may be one.

Which of these ways is right is for the network to say: see mnist_twice/prediction.
"""

from itertools import combinations
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

WIDEST = 1.2  # no digit is wider than so many times its height
NEAREST = 0.1  # cuts are at least so many times the height apart where they cross the middle row
MOST_INK = 0.45
"""No cut runs through ink for more than so many times the height: it separates two strokes, or follows one."""
CUTS = 5  # most cuts for a stretch as wide as the ink is high: about as many as the digits there have thin places
STRAY = 0.85  # of a connected piece of ink, this fraction between two cuts is as much as all of it
FINE = 48  # rows that cuts are looked for in
SLANTS = (-0.2, 0.0, 0.2, 0.4, 0.6)
SHORTEST = 0.4  # on each side of a cut there is ink over so many times the height: a digit, and not the end of a stroke
SIDEWAYS = 0.3
"""What a step to the side costs a cut, where a pixel of ink costs 1: a cut is upright where nothing is in its way."""


def parts_of(mask: NDArray[Any], widest: float) -> list[tuple[int, int, NDArray[Any]]]:
    """Return every digit that the ink, uint8 (H, W) of 0 and 1 without a margin, may hold; [] where it is but one.

    widest: how many times its height the ink of one digit is wide. Each digit lies between two cuts: their numbers, 0
    being the ink's left end, and the digit's pixels, uint8 (H, W). The whole, from the first cut to the last, is among
    them where it could be a digit. What lies between neighbouring cuts always is, however wide: there is a way from the
    first cut to the last.
    """
    height, width = mask.shape
    if height < 8 or width <= widest * height:
        return []
    paths = _cuts(mask)
    # Which stretch between neighbouring cuts each pixel lies in.
    x = np.arange(width)
    stretch = np.zeros((height, width), np.int64)
    for path in paths:
        stretch += x >= path[:, None]
    # A connected piece that a cut hardly touches stays whole.
    count, labels = cv2.connectedComponents(mask, connectivity=8)
    shares = np.zeros((count, len(paths) + 1))
    np.add.at(shares, (np.asarray(labels, np.int64), stretch), 1)
    main = shares.argmax(axis=1)
    whole = shares.max(axis=1) > STRAY * shares.sum(axis=1)
    stretch = np.where(whole[labels], main[labels], stretch)
    # Cuts that run together leave nothing between them.
    inked = np.unique(stretch[mask > 0]).tolist()
    found = []
    for start, stop in combinations(range(len(inked) + 1), 2):
        part = np.where((stretch >= inked[start]) & (stretch <= inked[stop - 1]), mask, 0).astype(np.uint8)
        if stop == start + 1 or cv2.boundingRect(part)[2] <= WIDEST * height:
            found.append((start, stop, part))
    return found if len(inked) > 1 else []


def _cuts(mask: NDArray[Any]) -> list[NDArray[Any]]:
    """Return cuts, from left to right, as the column where each begins in each row, float64 (H,).

    A cut runs from the top to the bottom, upright as the writing is, and moves at most a pixel to the side in each row.
    Through each place of the middle row runs a best one, through the least ink. The best of all are taken.
    """
    height, width = mask.shape
    scale = min(1.0, FINE / height)
    size = max(2, round(width * scale)), max(8, round(height * scale))
    small = cv2.resize(mask.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    slant = max(SLANTS, key=lambda slant: float((_upright(small, slant).sum(axis=0) ** 2).sum()))  # in few columns
    ink = _upright(small, slant)
    rows, columns = ink.shape
    middle, places = rows // 2, np.arange(columns)
    down, above = _cheapest(ink[: middle + 1])
    up, below = _cheapest(ink[: middle - 1 : -1])
    cost, paths = down + up - ink[middle], np.vstack([above, below[-2::-1]])
    # On each side there is more than the end of a stroke.
    first = np.where(ink > 0.5, places, columns).min(axis=1)[:, None]
    last = np.where(ink > 0.5, places, -1).max(axis=1)[:, None]
    cost[(_heights(first < paths) < SHORTEST * rows) | (_heights(last >= paths) < SHORTEST * rows)] = rows
    taken: list[int] = []
    for x in np.argsort(cv2.blur(cost[None], (3, 1))[0], kind="stable").tolist():
        if len(taken) >= CUTS * width / height or cost[x] > MOST_INK * rows:
            break
        if all(abs(x - other) >= NEAREST * rows for other in taken):
            taken.append(x)
    leaning = paths[:, sorted(taken)].T - (columns - small.shape[1]) // 2 + slant * (middle - np.arange(rows))
    at = (np.arange(height) + 0.5) * rows / height - 0.5
    cuts = [np.interp(at, np.arange(rows), path) * height / rows for path in leaning]
    return list(np.maximum.accumulate(cuts, axis=0)) if cuts else []


def _upright(ink: NDArray[Any], slant: float) -> NDArray[Any]:
    """Return the ink, float32 (H, W), moved row by row so that what leans to the right by so many columns a row is
    upright, with margins that hold it all."""
    height, width = ink.shape
    margin = round(0.5 * height)
    move = np.array([[1, slant, margin - slant * (height // 2)], [0, 1, 0]])
    return np.asarray(cv2.warpAffine(ink, move, (width + 2 * margin, height)))


def _heights(inked: NDArray[Any]) -> NDArray[Any]:
    """Return how many rows each column of an array, bool (H, W), reaches over, first to last that is set."""
    return np.where(inked.any(axis=0), len(inked) - inked[::-1].argmax(axis=0) - inked.argmax(axis=0), 0)


def _cheapest(cost: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return what the cheapest way from the first row to each pixel of the last costs, (W,), and where it passes each
    row, int (H, W)."""
    total, places = cost[0], np.arange(cost.shape[1])
    ways = places[None]
    for own in cost[1:]:
        left, right = np.append(np.inf, total[:-1]) + SIDEWAYS, np.append(total[1:], np.inf) + SIDEWAYS
        aside = np.minimum(left, right)
        step = np.where(aside < total, np.where(left < right, -1, 1), 0)
        ways = np.vstack([ways[:, places + step], places])
        total = own + np.minimum(aside, total)
    return total, ways
