"""Take the lines of ruled and squared paper, and the edges of printed boxes, out of a mask of ink."""

from __future__ import annotations

from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from digits.photos.normalize import stroke_width
from digits.photos.segments import find_pieces, touches_edge

Mask = NDArray[Any]  # uint8, which OpenCV's own types do not say

SLOPES = np.linspace(-0.25, 0.25, 51)
"""Rise over run of the lines looked for: up to 14 degrees off the level."""
SPAN = 0.8
"""A ruling spans at least this fraction of the photo; shorter lines must be the sides of a box."""
BOX_SPAN = 0.3
"""A side of a box spans at least this fraction of the photo."""


class Line(NamedTuple):
    """A nearly level line y = offset + slope * x, from x = start to x = stop; it is `width` pixels wide."""

    slope: float
    offset: float
    start: int
    stop: int
    width: float


def without_rulings(mask: Mask) -> Mask:
    """Return the mask, uint8 (H, W) of 0 and 1, without rulings and box edges; strokes that cross them stay.

    Where hardly anything else would be left, the lines were the writing and the mask is returned unchanged.
    """
    level, upright = find_lines(mask), find_lines(mask.T)
    height, width = mask.shape
    rows = [line for line in level if line.stop - line.start >= SPAN * width]
    columns = [line for line in upright if line.stop - line.start >= SPAN * height]
    # A box has two sides of each kind; a 1, a 7 or a 4 has no such four.
    if len(level) >= 2 and len(upright) >= 2:
        rows, columns = level, upright
    if not rows and not columns:
        return mask
    cleaned = mask
    for line in rows:
        cleaned = _erase(cleaned, line)
    for line in columns:
        cleaned = np.ascontiguousarray(_erase(cleaned.T, line).T)
    cleaned = _without_remains(np.ascontiguousarray(cleaned), max(line.width for line in [*rows, *columns]))
    # What is left must be more than the crumbs of what was erased.
    _, _, stats, _ = cv2.connectedComponentsWithStats(cleaned, connectivity=8)
    return cleaned if stats[1:, cv2.CC_STAT_AREA].max(initial=0) >= 0.03 * mask.sum() else mask


def find_lines(mask: Mask) -> list[Line]:
    """Return the thin, straight, nearly level lines in the mask, the longest first, each once.

    A Hough transform: for each slope, count the ink on each line of that slope.
    """
    width = mask.shape[1]
    # What is thin from top to bottom: rulings and level strokes, but not what rises steeply.
    tallest = max(3, max(mask.shape) // 40)
    ys, xs = np.nonzero(mask & (1 - cv2.morphologyEx(mask, cv2.MORPH_OPEN, np.ones((tallest, 1), np.uint8))))
    lines: list[Line] = []
    while len(xs) >= BOX_SPAN * width and width >= 20 and len(lines) < 60:
        count, offset, slope = max(
            ((*_fullest(ys - slope * xs), slope) for slope in SLOPES), key=lambda found: found[0]
        )
        if count < 0.8 * BOX_SPAN * width:
            break
        away = np.abs(ys - slope * xs - offset)
        near = away <= 2
        start, stop = _longest_stretch(xs[near], gap=max(3, width // 25))
        chosen = near & (xs >= start) & (xs < stop)
        covered = len(np.unique(xs[chosen]))
        if stop - start >= BOX_SPAN * width and covered >= 0.6 * (stop - start):
            lines.append(Line(slope, offset, start, stop, chosen.sum() / max(covered, 1)))
        ys, xs = ys[away > 4], xs[away > 4]
    return lines


def _fullest(offsets: NDArray[Any]) -> tuple[int, float]:
    """Return the largest number of offsets that lie within a pixel of each other, and about where."""
    lowest = int(np.floor(offsets.min()))
    counts = np.bincount(np.rint(offsets).astype(np.int64) - lowest)
    return int(counts.max()), float(counts.argmax() + lowest)


def _longest_stretch(xs: NDArray[Any], gap: int) -> tuple[int, int]:
    """Return start and stop of the longest stretch of the columns without a hole wider than `gap`."""
    columns = np.unique(xs)
    breaks = np.flatnonzero(np.diff(columns) > gap)
    starts = columns[np.r_[0, breaks + 1]]
    stops = columns[np.r_[breaks, len(columns) - 1]] + 1
    longest = (stops - starts).argmax()
    return int(starts[longest]), int(stops[longest])


def _erase(mask: Mask, line: Line) -> Mask:
    """Return the mask without the line; where ink rises well above and below it, a stroke crosses and stays."""
    reach = int(np.ceil(line.width)) + 2
    xs = np.arange(line.start, line.stop)
    ys = np.rint(line.offset + line.slope * xs).astype(np.int64) + np.arange(-reach, reach + 1)[:, None]
    inside = (ys >= 0) & (ys < mask.shape[0])
    band = np.zeros_like(mask)
    band[np.where(inside, ys, 0), np.broadcast_to(xs, ys.shape)] = inside
    crossing = cv2.morphologyEx(np.ascontiguousarray(mask), cv2.MORPH_OPEN, np.ones((2 * reach, 1), np.uint8))
    return np.where((band > 0) & (crossing == 0), 0, mask).astype(np.uint8)


def _without_remains(mask: Mask, width: float) -> Mask:
    """Return the mask without what is as thin as the lines were, where the strokes are clearly thicker."""
    labels, pieces = find_pieces(mask)
    strokes = [piece for piece in pieces if not touches_edge(piece, mask.shape)]
    if not strokes:
        return mask
    left, top, right, bottom = strokes[0].box
    part = labels[top:bottom, left:right] == strokes[0].label
    size = round(width) + 1
    if size > 0.6 * stroke_width(part.astype(np.float32)):
        return mask
    return cv2.morphologyEx(mask, cv2.MORPH_OPEN, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size)))
