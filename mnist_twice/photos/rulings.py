"""Take the lines of ruled paper, tables and boxes out of a mask of ink, and leave the strokes that touch them whole."""

from itertools import product
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from mnist_twice.photos.segments import find_pieces

Mask = NDArray[Any]  # uint8, which OpenCV's own types do not say
Curve = tuple[float, float, float]

STEEPEST = 0.3  # rise over run of the steepest line looked for: 17 degrees off the level
THICKER = 1.3  # where there are level lines, others are at most so many times as thick
SPAN = 0.2
"""A line, or a piece of one on bent paper, spans at least this fraction of the photo. So do strokes: see _is_ruling."""
COVERED, HIDDEN = 0.6, 0.4
"""So much of a line is seen between the strokes that touch it; the second, where digits stand on it."""
THICKEST = 12  # a line is at most one such part of the photo's longest side thick
USUAL = 3.0  # pixels that a line is thick until it is measured
MOST_LINES = 80  # of each direction; a sheet of squared paper has fewer
OUTER = 6  # such a part of the photo at each side is where a margin line stands
NEARLY_ALL = 0.8  # a line that spans this fraction of the photo may have one end in the open, where it is faint or bent


class Line(NamedTuple):
    """A nearly level line y = a + b x + c x**2 from x = start to x = stop, `width` pixels wide: paper bends."""

    curve: Curve
    start: int
    stop: int
    width: float

    def at(self, x: Any) -> Any:
        """Return the height of the line's middle at x."""
        a, b, c = self.curve
        return a + b * x + c * x * x


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
    outer = -(-mask.shape[1] // OUTER)  # where _is_margin looks
    beside = level or mask[:, :outer].any() or mask[:, -outer:].any()
    upright = find_lines(np.ascontiguousarray(mask.T)) if beside else []
    # Digits that stand on a line hide most of it.
    underlines = [line for line in find_lines(mask, HIDDEN, 2) if _is_underline(line, mask)] if several else []
    count = -1
    while count != len(level) + len(upright):  # a line whose ends the dropped ones were may have to go with them
        count = len(level) + len(upright)
        level, upright = (
            [line for line in level if _is_ruling(line, level, upright, mask.shape)],
            [line for line in upright if _is_ruling(line, upright, level, mask.shape[::-1])],
        )
    if level:
        thickest = THICKER * max(line.width for line in level) + 1  # a stroke is thicker
        upright, underlines = ([line for line in lines if line.width <= thickest] for lines in (upright, underlines))
    else:
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
    cleaned = _without_remains(mask & (1 - rulings.both) | across | along, rulings)
    # What is left must be more than the crumbs of what was erased.
    _, pieces = find_pieces(cleaned)
    return cleaned if sum(piece.area for piece in pieces) >= 0.03 * mask.sum() else mask


def _is_ruling(line: Line, parallel: list[Line], others: list[Line], shape: tuple[int, ...]) -> bool:
    """Return whether the line ends at the photo's edge or at other lines. shape: (W, H) where it is upright."""
    height, width = shape
    near = max(4.0, 0.04 * min(shape), line.width)

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
    """Return whether there is ink on the line, lower than the line is long, and hardly any below it."""
    highest = int((line.stop - line.start) / 1.2)  # no digit is so wide: the foot of a 2 or of a 1 is no underline
    above = _along(mask, line, -_reach(line) - np.arange(highest))
    inked = np.flatnonzero(above.any(axis=1))
    if not len(inked) or inked[0] > highest / 4:  # it may lie a little below the digits
        return False
    gaps = np.flatnonzero(~above[inked[0] :].any(axis=1))
    if not len(gaps) or gaps[0] < 3 * line.width:
        return False
    height = int(inked[0] + gaps[0])
    below = _along(mask, line, _reach(line) + np.arange(height // 3))
    return bool(below.sum() < 0.05 * above[:height].sum())


def _along(mask: Mask, line: Line, away: NDArray[Any]) -> Mask:
    """Return the ink, uint8 (N, length), in the rows that lie so many pixels, (N,), below the line's middle."""
    xs = np.arange(line.start, line.stop)
    ys = np.rint(line.at(xs)).astype(np.int64) + away[:, None]
    inside = (ys >= 0) & (ys < mask.shape[0])
    return np.where(inside, mask[np.clip(ys, 0, mask.shape[0] - 1), xs], 0)


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
        for (left, right), (other_left, other_right) in product(above, below):
            narrow, wide = sorted((right - left, other_right - other_left))
            apart = max(left - other_right, other_left - right)
            if apart <= reach and wide <= 2.5 * narrow + 2:
                corners = [(left, -reach), (right - 1, -reach), (other_right - 1, reach), (other_left, reach)]
                points = [(x, round(float(line.at(x))) + away) for x, away in corners]
                cv2.fillConvexPoly(strokes, np.array(points, np.int32), 1)
    return strokes


def _contacts(mask: Mask, line: Line, away: int) -> list[tuple[int, int]]:
    """Return the stretches, from the first column to the one beyond the last, of ink so far below the line."""
    steps = np.diff(np.pad(_along(mask, line, np.array([away]))[0].astype(np.int8), 1))
    starts, stops = (line.start + np.flatnonzero(steps == step) for step in (1, -1))
    return list(zip(starts.tolist(), stops.tolist(), strict=True))


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


def find_lines(mask: Mask, covered: float = COVERED, gaps: int = 1) -> list[Line]:
    """Return the thin, straight, nearly level lines in the mask, the longest first, each once.

    covered: the fraction of a line that no stroke hides. gaps: how many times longer than usual it may be hidden.
    """
    width = mask.shape[1]
    if width < 20:
        return []
    runs = _runs(mask)
    runs = runs[:, runs[2] <= max(3, max(mask.shape) // THICKEST)]
    xs, ys, _ = runs
    middles = np.zeros_like(mask)
    middles[ys.astype(np.int64), xs.astype(np.int64)] = 1
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
        line = _follow(mask, curve, (int(left), int(right)), runs[:, free], gap, covered)
        if line is not None and line.stop - line.start >= shortest:
            lines.append(line)
            free &= np.abs(ys - line.at(xs)) > line.width / 2 + 2
    return lines


def _runs(mask: Mask) -> NDArray[Any]:
    """Return the column, middle and length of each run of ink in the mask's columns, float64 (3, N)."""
    tall = mask.shape[0] + 2
    columns = cv2.copyMakeBorder(cv2.transpose(mask), 0, 0, 1, 1, cv2.BORDER_CONSTANT).ravel()
    changes = np.flatnonzero(columns[1:] != columns[:-1])  # in turn where a run starts and stops
    xs, starts = np.divmod(changes[::2], tall)
    stops = changes[1::2] % tall
    return np.array([xs, (starts + stops - 1) / 2, stops - starts])


def _follow(
    mask: Mask, curve: Curve, stretch: tuple[int, int], runs: NDArray[Any], gap: int, covered: float
) -> Line | None:
    """Return the line through the runs near the curve, as far as it goes on beyond the stretch; None for too few runs.

    It ends where there is no ink for more columns than `gap`; where a stroke crosses, there is ink but no thin run.
    """
    xs, ys, lengths = runs
    everywhere = np.arange(mask.shape[1])
    (start, stop), width = stretch, USUAL
    for _ in range(3):
        line = Line(curve, start, stop, width)
        near = np.abs(ys - line.at(xs)) <= _away(width)
        heights = np.clip(np.rint(line.at(everywhere)), 0, mask.shape[0] - 1).astype(np.int64)
        inked = mask[heights, everywhere] > 0
        inked[xs[near].astype(np.int64)] = True
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
