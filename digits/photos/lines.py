"""Find the thin, straight, nearly level lines in a mask of ink: of ruled paper, tables and boxes."""

from __future__ import annotations

from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

Mask = NDArray[Any]  # uint8, which OpenCV's own types do not say

STEEPEST = 0.3
"""Rise over run of the steepest line looked for: 17 degrees off the level."""
SPAN = 0.2
"""A line, or a piece of one on bent paper, spans at least this fraction of the photo. So do strokes: see _is_ruling."""
COVERED, HIDDEN = 0.6, 0.4
"""So much of a line is seen between the strokes that touch it; the second, where digits stand on it."""
THICKEST = 12
"""A line is at most one such part of the photo's longest side thick."""
USUAL = 3.0  # pixels that a line is thick until it is measured
MOST_LINES = 80  # of each direction; a sheet of squared paper has fewer


class Line(NamedTuple):
    """A nearly level line y = a + b x + c x**2 from x = start to x = stop, `width` pixels wide: paper bends."""

    curve: tuple[float, float, float]
    start: int
    stop: int
    width: float

    def at(self, x: Any) -> Any:
        """Return the height of the line's middle at x."""
        a, b, c = self.curve
        return a + b * x + c * x * x


def find_lines(mask: Mask, covered: float = COVERED, gaps: int = 1) -> list[Line]:
    """Return the thin, straight, nearly level lines in the mask, the longest first, each once.

    covered: the fraction of a line that no stroke hides. gaps: how many times longer than usual it may be hidden.
    """
    width = mask.shape[1]
    if width < 20:
        return []
    xs, ys, lengths = _runs(mask)
    thin = lengths <= max(3, max(mask.shape) // THICKEST)
    xs, ys, lengths = xs[thin], ys[thin], lengths[thin]
    middles = np.zeros_like(mask)
    middles[ys.astype(np.int64), xs] = 1
    # A middle may jump by a pixel from one column to the next.
    middles = cv2.dilate(middles, np.ones((3, 1), np.uint8))
    shortest, gap = int(SPAN * width), max(3, width // 25)
    angle = max(np.pi / 360, 2 / width)  # a step of it moves a line's ends by a pixel, or less in a large photo
    found = cv2.HoughLinesP(middles, 1, angle, max(8, shortest // 2), None, shortest, gaps * gap)
    if found is None:
        return []
    segments = np.asarray(found, np.float64).reshape(-1, 4)
    lines: list[Line] = []
    free = np.ones(len(xs), bool)
    for left, y, right, to_y in sorted(segments.tolist(), key=lambda segment: segment[0] - segment[2]):
        if abs(to_y - y) > STEEPEST * (right - left) or len(lines) == MOST_LINES:
            continue
        slope = (to_y - y) / (right - left)
        curve = (y - slope * left, slope, 0.0)
        near = free & (np.abs(ys - (curve[0] + slope * xs)) <= _away(USUAL))
        if np.count_nonzero(near) < covered * shortest:  # most often what is left beside a line that was found
            continue
        line = _follow(mask, curve, (left, right), xs[free], ys[free], lengths[free], gap, covered)
        if line is not None and line.stop - line.start >= shortest:
            lines.append(line)
            free &= np.abs(ys - line.at(xs)) > line.width / 2 + 2
    return lines


def _runs(mask: Mask) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Return the runs of ink in the mask's columns: their column, middle and length."""
    tall = mask.shape[0] + 2
    columns = cv2.copyMakeBorder(cv2.transpose(mask), 0, 0, 1, 1, cv2.BORDER_CONSTANT).ravel()
    changes = np.flatnonzero(columns[1:] != columns[:-1])  # in turn where a run starts and stops
    xs, starts = np.divmod(changes[::2], tall)
    stops = changes[1::2] % tall
    return xs, (starts + stops - 1) / 2, stops - starts


def _follow(
    mask: Mask,
    curve: tuple[float, float, float],
    stretch: tuple[float, float],
    xs: NDArray[Any],
    ys: NDArray[Any],
    lengths: NDArray[Any],
    gap: int,
    covered: float,
) -> Line | None:
    """Return the line through the runs near the curve, as far as it goes on beyond the stretch; None for too few runs.

    It ends where there is no ink for more columns than `gap`; where a stroke crosses, there is ink but no thin run.
    """
    everywhere = np.arange(mask.shape[1])
    start, stop = (int(end) for end in stretch)
    width = USUAL
    for _ in range(3):
        line = Line(curve, start, stop, width)
        near = np.abs(ys - line.at(xs)) <= _away(width)
        heights = np.clip(np.rint(line.at(everywhere)), 0, mask.shape[0] - 1).astype(np.int64)
        inked = mask[heights, everywhere] > 0
        inked[xs[near]] = True
        columns = np.flatnonzero(inked)
        if len(columns) < 8:
            return None
        breaks = np.flatnonzero(columns[1:] - columns[:-1] > gap)
        starts, stops = columns[[0, *breaks + 1]], columns[[*breaks, -1]]
        # The stretch that has most of the last one in it.
        best = int(np.argmax(np.minimum(stops, stop) - np.maximum(starts, start)))
        start, stop = int(starts[best]), int(stops[best])
        chosen = np.flatnonzero(near & (xs >= start) & (xs <= stop))
        if len(chosen) < max(8, covered * (stop - start)):
            return None
        width = float(np.median(lengths[chosen]))
        c, b, a = np.polyfit(xs[chosen], ys[chosen], 2)
        curve = (float(a), float(b), float(c))
    return Line(curve, start, stop + 1, width)


def _away(width: float) -> float:
    """Return how far, in pixels, the middle of a run of a line so wide may lie from the line's own."""
    return 1.5 + width / 4
