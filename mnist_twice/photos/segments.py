"""Which pieces of ink make up a digit, and in which order digits are read."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

SMALLEST = 0.00008  # pieces that cover a smaller fraction of the photo are specks
TALLEST = 2.0  # a piece taller than so many usual digits is no digit, nor several that touch
NEAR = 0.12  # strokes of one digit are less than so many times its height apart
EMPTIEST = 0.12  # of a line, slanted or bent at a corner, a smaller part of its box is ink than of any digit


class Box(NamedTuple):
    """A rectangle in pixels; right and bottom are the first column and row beyond it."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def width(self) -> int:
        return self.right - self.left

    @property
    def height(self) -> int:
        return self.bottom - self.top

    @property
    def longest(self) -> int:
        return max(self.width, self.height)


class Piece(NamedTuple):
    """A connected piece of ink: its number in the array of labels, its box and its area in pixels."""

    label: int
    box: Box
    area: int


def find_pieces(mask: NDArray[Any]) -> tuple[NDArray[Any], list[Piece]]:
    """Return the labels, int32 (H, W), and the pieces of the mask that are more than specks, the largest first."""
    labels, stats = connected(mask)
    large = 1 + np.flatnonzero(stats[1:, cv2.CC_STAT_AREA] >= max(4, SMALLEST * mask.size))
    pieces = [
        Piece(label, Box(x, y, x + width, y + height), area)
        for label, (x, y, width, height, area) in zip(large.tolist(), stats[large].tolist(), strict=True)
    ]
    return labels, sorted(pieces, key=lambda piece: -piece.area)


def connected(mask: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return which piece of the mask, uint8 (H, W), each pixel belongs to, int32 (H, W), and OpenCV's statistics."""
    x, y, width, height = cv2.boundingRect(mask)  # looked at alone, by the algorithm that is fastest there
    labels = np.zeros(mask.shape, np.int32)
    part = np.ascontiguousarray(mask[y : y + height, x : x + width])
    if not part.size:
        return labels, np.zeros((1, 5), np.int32)
    _, found, stats, _ = cv2.connectedComponentsWithStatsWithAlgorithm(part, 8, cv2.CV_32S, cv2.CCL_GRANA)
    labels[y : y + height, x : x + width] = found
    stats[:, :2] += [x, y]
    return labels, stats


def box_of(pieces: Sequence[Piece]) -> Box:
    """Return the box around all the pieces."""
    lefts, tops, rights, bottoms = zip(*(piece.box for piece in pieces), strict=True)
    return Box(min(lefts), min(tops), max(rights), max(bottoms))


def edges_touched(piece: Piece, shape: tuple[int, ...]) -> int:
    """Return how many of the photo's edges the piece lies at: within a hundredth, where a last line may be erased."""
    height, width = shape
    margin, box = max(shape) // 100, piece.box
    return sum((box.left <= margin, box.top <= margin, box.right >= width - margin, box.bottom >= height - margin))


def _reaches_in(piece: Piece, shape: tuple[int, ...]) -> bool:
    """Return whether a piece at one of the photo's edges reaches its middle third: a stroke that a crop cuts off."""
    (height, width), box = shape, piece.box
    across = box.left < 2 * width / 3 and box.right > width / 3
    down = box.top < 2 * height / 3 and box.bottom > height / 3
    return across and down and edges_touched(piece, shape) <= 1  # lines lie at two edges


def pieces_of_one(pieces: list[Piece], shape: tuple[int, ...]) -> list[Piece]:
    """Return the pieces of the photo's one digit: the most prominent piece, and what belongs to it."""
    if not pieces:
        return []
    inside = [piece for piece in pieces if _reaches_in(piece, shape) or not edges_touched(piece, shape)]
    candidates = inside or pieces
    # A large piece at the edge is the table beside the sheet, unless there is nothing but crumbs inside.
    if candidates[0].area < 0.1 * pieces[0].area and candidates[0].box.longest < 0.1 * max(shape):
        candidates = pieces
    main = max(candidates, key=lambda piece: _prominence(piece, shape))
    chosen = [main]
    rest = [p for p in inside if p is not main and p.area >= 0.03 * main.area and not _is_dot(p.box, main.box)]
    # What is added may bring its own neighbour near: the hat of a 5, then a broken piece of the hat.
    while near := [piece for piece in rest if _gap(piece.box, chosen) <= 0.2 * main.box.longest]:
        chosen += near
        rest = [piece for piece in rest if piece not in near]
    return chosen


def other_digits(pieces: list[Piece], chosen: list[Piece], shape: tuple[int, ...]) -> list[Piece]:
    """Return the pieces that look like digits beside the one that the chosen pieces are taken for.

    Those about as tall as it, and no wider than a digit; of the chosen ones, where two as tall stand side by side.
    """
    digit, ink = box_of(chosen), sum(piece.area for piece in chosen)
    tall = sorted((p for p in chosen if p.box.height > 0.8 * digit.height), key=lambda piece: piece.box.left)
    beside = [right for left, right in pairwise(tall) if right.box.left >= left.box.right]
    apart = [p for p in pieces if p not in chosen and p.area > 0.2 * ink and not edges_touched(p, shape)]
    return beside + [
        piece
        for piece in apart
        if 0.6 < piece.box.height / digit.height < 1 / 0.6 and piece.box.width < 1.2 * piece.box.height
    ]


def _is_dot(part: Box, digit: Box) -> bool:
    """Return whether the part is a full stop or comma beside the digit's foot: small, and outside the digit's box."""
    beside = part.left >= digit.right - 0.1 * digit.longest and part.bottom > digit.bottom - 0.3 * digit.height
    return part.longest <= 0.25 * digit.longest and (beside or part.top >= digit.bottom)


def _prominence(piece: Piece, shape: tuple[int, ...]) -> float:
    """Return how likely a piece is the digit: large, and near the middle."""
    x = ((piece.box.left + piece.box.right) / shape[1] - 1) / 2
    y = ((piece.box.top + piece.box.bottom) / shape[0] - 1) / 2
    return piece.area * float(np.exp(-4 * (x * x + y * y)))


def _gap(box: Box, others: list[Piece]) -> float:
    """Return the distance in pixels from the box to that of the nearest of the others; 0 where they overlap."""
    across = [max(0, other.box.left - box.right, box.left - other.box.right) for other in others]
    down = [max(0, other.box.top - box.bottom, box.top - other.box.bottom) for other in others]
    return float(np.hypot(across, down).min())


def digits_in_rows(pieces: list[Piece], shape: tuple[int, ...]) -> list[list[list[Piece]]]:
    """Return the pieces of each digit, in groups that make up numbers: rows first, then from left to right."""
    usual = _usual_height([piece for piece in pieces if not edges_touched(piece, shape)] or pieces)
    # At the photo's edge, a piece as tall as digits usually are here is a whole one: what is beside the sheet reaches
    # further, and of a neighbour less is seen.
    whole = [
        piece
        for piece in pieces
        if not (edges := edges_touched(piece, shape)) or (edges <= 3 and 0.7 * usual < piece.box.height < 1.5 * usual)
    ]
    digits = _merge_into_digits([piece for piece in whole if not _is_line(piece, usual)], usual)
    boxes = [box_of(digit) for digit in digits]
    tall = float(np.median([box.height for box in boxes])) if boxes else 0.0
    groups = []
    for row in _rows([i for i, box in enumerate(boxes) if box.height >= 0.4 * tall], boxes):
        groups.append([row[0]])
        for i in row[1:]:
            if boxes[i].left - boxes[groups[-1][-1]].right > 0.9 * tall:
                groups.append([])
            groups[-1].append(i)
    return [[digits[i] for i in group] for group in groups]


def perhaps_one(digits: list[list[Piece]]) -> list[list[list[Piece]]]:
    """Return the digits of a number, those in one list that may be strokes of one: near, and together no wider."""
    lists: list[list[list[Piece]]] = []
    for digit in digits:
        if lists:
            own, last, both = box_of(digit), box_of(lists[-1][-1]), box_of([*lists[-1][-1], *digit])
            if own.left - last.right < NEAR * both.height and both.width < both.height:
                lists[-1].append(digit)
                continue
        lists.append([digit])
    return lists


def _is_line(piece: Piece, usual: float) -> bool:
    """Return whether the piece is what is left of a line, where digits are usually so tall."""
    box = piece.box
    empty = piece.area < EMPTIEST * box.width * box.height
    flat = box.height < 0.3 * usual and box.width > 1.2 * usual
    return box.height > TALLEST * usual or flat or (empty and box.longest > 1.5 * usual)


def _usual_height(pieces: list[Piece]) -> float:
    """Return the height, in pixels, of the pieces that half of the ink is in: specks and a few lines do not move it."""
    ordered = sorted(pieces, key=lambda piece: piece.box.height)
    ink = np.cumsum([piece.area for piece in ordered])
    return float(ordered[int(np.searchsorted(ink, ink[-1] / 2))].box.height) if ordered else 0.0


def _merge_into_digits(pieces: list[Piece], usual: float) -> list[list[Piece]]:
    """Return lists of pieces that make up a digit together, one above the other: a 5 and its hat."""
    digits: list[list[Piece]] = []
    for piece in pieces:
        own = next((digit for digit in digits if _belongs(piece.box, box_of(digit), usual)), None)
        if own is None:
            digits.append([piece])
        else:
            own.append(piece)
    return [digit for digit in digits if sum(piece.area for piece in digit) >= 0.02 * usual * usual]


def _belongs(part: Box, digit: Box, usual: float) -> bool:
    """Return whether the two, one of them less than a digit, make up one together, where digits are usually so tall."""
    together = max(part.bottom, digit.bottom) - min(part.top, digit.top)
    if min(part.height, digit.height) > 0.75 * usual or together > 1.5 * usual:
        return False
    overlap = min(part.right, digit.right) - max(part.left, digit.left)
    apart = max(part.top - digit.bottom, digit.top - part.bottom)
    return overlap > 0.3 * min(part.width, digit.width) and apart <= 0.15 * usual


def _rows(indices: list[int], boxes: list[Box]) -> list[list[int]]:
    """Return the digits' numbers row by row, each from left to right: a digit joins the row that its middle is in."""
    rows: list[list[int]] = []
    for i in sorted(indices, key=lambda i: boxes[i].top + boxes[i].bottom):
        middle = (boxes[i].top + boxes[i].bottom) / 2
        for row in rows:
            # On a slanted row the nearest digit decides.
            nearest = boxes[min(row, key=lambda j: abs(boxes[j].left - boxes[i].left))]
            if nearest.top <= middle <= nearest.bottom:
                row.append(i)
                break
        else:
            rows.append([i])
    return [sorted(row, key=lambda i: boxes[i].left) for row in rows]
