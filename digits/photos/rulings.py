"""Take the lines of ruled paper, tables and boxes out of a mask of ink, and leave the strokes that touch them whole."""

from __future__ import annotations

from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from digits.photos.lines import HIDDEN, Line, find_lines
from digits.photos.segments import find_pieces

Mask = NDArray[Any]  # uint8, which OpenCV's own types do not say

OUTER = 6  # such a part of the photo at each side is where a margin line stands
NEARLY_ALL = 0.8
"""A line that spans this fraction of the photo may have one end in the open, where it is faint or bent."""


class Rulings(NamedTuple):
    """The lines found, upright ones with x and y exchanged, and the pixels that they cover, uint8 (H, W)."""

    level: list[Line]
    upright: list[Line]
    level_band: Mask
    upright_band: Mask

    @property
    def both(self) -> Mask:
        return self.level_band | self.upright_band


def find_rulings(mask: Mask, several: bool = False) -> Rulings | None:
    """Return where the lines of a ruling, a table or a box are in the mask, uint8 (H, W) of 0 and 1; None without any.

    A digit has long and straight strokes too, but they end in the open. A printed line goes on to the photo's edge or
    to another line that does. Where several digits are looked for, a line below some of them is taken out as well.
    """
    level = find_lines(mask)
    upright = find_lines(np.ascontiguousarray(mask.T)) if level or _has_ink_beside(mask) else []
    # Digits that stand on a line hide most of it.
    underlines = [line for line in find_lines(mask, HIDDEN, 2) if _is_underline(line, mask)] if several else []
    count = -1
    while count != len(level) + len(upright):  # a line whose ends the dropped ones were may have to go with them
        count = len(level) + len(upright)
        level, upright = (
            [line for line in level if _is_ruling(line, level, upright, mask.shape)],
            [line for line in upright if _is_ruling(line, upright, level, mask.shape[::-1])],
        )
    if not level:
        upright = [line for line in upright if _is_margin(line, mask.shape[1])]
    level = list(dict.fromkeys([*level, *underlines]))
    if not level and not upright:
        return None
    level_band, upright_band = _band(level, mask.shape), np.ascontiguousarray(_band(upright, mask.shape[::-1]).T)
    return Rulings(level, upright, level_band, upright_band)


def without_rulings(mask: Mask, rulings: Rulings) -> Mask:
    """Return the mask without the lines; strokes that cross them stay whole.

    Where hardly anything else would be left, the lines were the writing and the mask is returned unchanged.
    """
    across = _crossing(mask & (1 - rulings.upright_band), rulings.level)
    along = _crossing(np.ascontiguousarray((mask & (1 - rulings.level_band)).T), rulings.upright).T
    cleaned = mask & (1 - rulings.both) | across | along
    cleaned = _without_remains(cleaned, rulings)
    # What is left must be more than the crumbs of what was erased.
    _, pieces = find_pieces(cleaned)
    return cleaned if sum(piece.area for piece in pieces) >= 0.03 * mask.sum() else mask


def _is_ruling(line: Line, parallel: list[Line], others: list[Line], shape: tuple[int, ...]) -> bool:
    """Return whether the line ends at the photo's edge or at other lines.

    shape: of the photo as the line sees it, (H, W) for level lines and (W, H) for upright ones.
    """
    height, width = shape
    near = max(4.0, 0.04 * max(shape), 2 * line.width)

    def ends_at(x: int) -> bool:
        y = float(line.at(x))
        further = float(line.at(x + near if x == line.stop else x - near))
        if min(x, width - x) <= near or not 0 <= further < height:
            return True
        if any(
            abs(float(other.at(y)) - x) <= near and other.start - near <= y <= other.stop + near for other in others
        ):
            return True
        # Where paper is folded or bent, the next piece of the line begins.
        ends = [(end, float(other.at(end))) for other in parallel if other != line for end in (other.start, other.stop)]
        return any(abs(end - x) <= near and abs(height - y) <= near for end, height in ends)

    spans = line.stop - line.start >= NEARLY_ALL * width
    return sum(map(ends_at, (line.start, line.stop))) >= (1 if spans else 2)


def _is_underline(line: Line, mask: Mask) -> bool:
    """Return whether there is ink on the line, lower than the line is long, and hardly any below it.

    No digit is 1.2 times as wide as high, so that the foot of a 2 or of a 1 is none.
    """
    highest = int((line.stop - line.start) / 1.2)
    above = _rows_beside(mask, line, -highest)
    inked = np.flatnonzero(above.any(axis=1))
    if not len(inked) or inked[0] > highest / 4:  # it may lie a little below the digits
        return False
    gaps = np.flatnonzero(~above[inked[0] :].any(axis=1))
    if not len(gaps) or gaps[0] < 3 * line.width:
        return False
    height = int(inked[0] + gaps[0])
    below = _rows_beside(mask, line, height // 3)
    return bool(below.sum() < 0.05 * above[:height].sum())


def _rows_beside(mask: Mask, line: Line, count: int) -> Mask:
    """Return so many rows of the mask along the line, from it downwards, or upwards for a negative count."""
    xs = np.arange(line.start, line.stop)
    away = (_reach(line) + np.arange(abs(count)))[:, None] * (1 if count > 0 else -1)
    ys = np.rint(line.at(xs)).astype(np.int64) + away
    inside = (ys >= 0) & (ys < mask.shape[0])
    return np.where(inside, mask[np.clip(ys, 0, mask.shape[0] - 1), xs], 0)


def _has_ink_beside(mask: Mask) -> bool:
    """Return whether there is ink where _is_margin looks for upright lines."""
    outer = -(-mask.shape[1] // OUTER)
    return bool(mask[:, :outer].any() or mask[:, -outer:].any())


def _is_margin(line: Line, width: int) -> bool:
    """Return whether the upright line stands in the photo's outer sixths.

    Further in, where there is no level line, it is the stem of a 1, 4, 7 or 9 that fills the photo: paper is ruled from
    side to side, but hardly ever upright alone.
    """
    return abs(float(line.at((line.start + line.stop) / 2)) / width - 0.5) > 0.5 - 1 / OUTER


def _reach(line: Line) -> int:
    """Return how far the line's ink may lie from its middle: a pixel more than half its width."""
    return int(np.ceil(line.width / 2)) + 1


def _band(lines: list[Line], shape: tuple[int, ...]) -> Mask:
    """Return the pixels that the level lines cover, uint8 (H, W)."""
    band = np.zeros(shape, np.uint8)
    for line in lines:
        reach = _reach(line)
        xs = np.arange(line.start, line.stop)
        ys = np.rint(line.at(xs)).astype(np.int64) + np.arange(-reach, reach + 1)[:, None]
        inside = (ys >= 0) & (ys < shape[0])
        band[ys[inside], np.broadcast_to(xs, ys.shape)[inside]] = 1
    return band


def _crossing(mask: Mask, lines: list[Line]) -> Mask:
    """Return the parts of strokes that lie on the level lines, uint8 (H, W).

    A stroke that crosses a line comes in above it and goes out below, not far away and about as wide. What is between
    is filled as if the line were not there. What comes from one side only ends at the line.
    """
    strokes = np.zeros_like(mask)
    for line in lines:
        reach = _reach(line) + 1
        above, below = (_contacts(mask, line, side * reach) for side in (-1, 1))
        for left, right in above:
            for other_left, other_right in below:
                wide, narrow = sorted((right - left, other_right - other_left))[::-1]
                apart = max(left - other_right, other_left - right)
                if apart <= reach and wide <= 2.5 * narrow + 2:
                    corners = [(left, -reach), (right - 1, -reach), (other_right - 1, reach), (other_left, reach)]
                    points = [(x, round(float(line.at(x))) + away) for x, away in corners]
                    cv2.fillConvexPoly(strokes, np.array(points, np.int32), 1)
    return strokes


def _contacts(mask: Mask, line: Line, away: int) -> list[tuple[int, int]]:
    """Return the stretches, from the first column to the one beyond the last, of ink so far below the line."""
    xs = np.arange(line.start, line.stop)
    ys = np.rint(line.at(xs)).astype(np.int64) + away
    inside = (ys >= 0) & (ys < mask.shape[0])
    ink = np.where(inside, mask[np.clip(ys, 0, mask.shape[0] - 1), xs], 0).astype(np.int8)
    steps = np.diff(np.pad(ink, 1))
    return list(
        zip((xs[0] + np.flatnonzero(steps == 1)).tolist(), (xs[0] + np.flatnonzero(steps == -1)).tolist(), strict=True)
    )


def _without_remains(mask: Mask, rulings: Rulings) -> Mask:
    """Return the mask without the pieces that mostly lie along a line."""
    size = 2 * max(_reach(line) for line in [*rulings.level, *rulings.upright]) + 1
    along = cv2.dilate(rulings.both, np.ones((size, size), np.uint8))
    count, labels = cv2.connectedComponents(mask, connectivity=8)
    areas = np.bincount(labels.ravel(), minlength=count)
    inside = np.bincount(labels[along > 0], minlength=count)
    remains = inside > 0.7 * areas
    remains[0] = False
    return np.where(remains[labels], 0, mask).astype(np.uint8)
