"""Which pieces of ink make up a digit, and in which order digits are read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

SMALLEST = 0.00008
"""Pieces that cover a smaller share of the picture are specks."""


@dataclass(frozen=True)
class Piece:
    """A connected piece of ink: its number in the array of labels, its box and its area in pixels."""

    label: int
    left: int
    top: int
    right: int
    bottom: int
    area: int

    @property
    def size(self) -> int:
        return max(self.right - self.left, self.bottom - self.top)


def find_pieces(mask: NDArray[Any]) -> tuple[NDArray[Any], list[Piece]]:
    """Return the labels, int32 (H, W), and the pieces of the mask that are more than specks, the largest first."""
    _, labels, stats, _ = cv2.connectedComponentsWithStats(np.ascontiguousarray(mask), connectivity=8)
    smallest = max(4, SMALLEST * mask.size)
    large = 1 + np.flatnonzero(stats[1:, cv2.CC_STAT_AREA] >= smallest)
    pieces = [
        Piece(label, x, y, x + width, y + height, area)
        for label, (x, y, width, height, area) in zip(large.tolist(), stats[large].tolist(), strict=True)
    ]
    return labels, sorted(pieces, key=lambda piece: -piece.area)


def pieces_of_one(pieces: list[Piece], shape: tuple[int, ...]) -> list[Piece]:
    """Return the pieces of the picture's one digit: the most prominent piece, and what belongs to it."""
    if not pieces:
        return []
    inside = [piece for piece in pieces if not touches_edge(piece, shape)]
    # A large piece at the edge is the table beside the sheet, unless there is nothing but crumbs inside.
    if inside and inside[0].area < 0.1 * pieces[0].area and inside[0].size < 0.1 * max(shape):
        inside = []
    main = max(inside or pieces, key=lambda piece: _prominence(piece, shape))
    chosen = [main]
    rest = [piece for piece in pieces if piece is not main and piece.area >= 0.03 * main.area]
    rest = [piece for piece in rest if not touches_edge(piece, shape)]
    # What is added may bring its own neighbour near: the hat of a 5, then a broken piece of the hat.
    added = True
    while added:
        near = [piece for piece in rest if _gap(piece, chosen) <= 0.2 * main.size]
        added = bool(near)
        chosen += near
        rest = [piece for piece in rest if piece not in near]
    return chosen


def digits_in_rows(pieces: list[Piece], shape: tuple[int, ...]) -> list[list[list[Piece]]]:
    """Return the pieces of each digit, in groups that make up numbers: rows first, then from left to right."""
    digits = _merge_into_digits([piece for piece in pieces if not touches_edge(piece, shape)])
    if not digits:
        return []
    boxes = [_box(digit) for digit in digits]
    tall = float(np.median([bottom - top for _, top, _, bottom in boxes]))
    large = [i for i, (_, top, _, bottom) in enumerate(boxes) if bottom - top >= 0.4 * tall]
    groups = []
    for row in _rows(large, boxes):
        group = [row[0]]
        for i in row[1:]:
            if boxes[i][0] - boxes[group[-1]][2] > 0.9 * tall:
                groups.append(group)
                group = []
            group.append(i)
        groups.append(group)
    return [[digits[i] for i in group] for group in groups]


def _prominence(piece: Piece, shape: tuple[int, ...]) -> float:
    """Return how likely a piece is the digit: large, and near the middle."""
    height, width = shape
    x = ((piece.left + piece.right) / width - 1) / 2
    y = ((piece.top + piece.bottom) / height - 1) / 2
    centred = float(np.exp(-4 * (x * x + y * y)))
    return piece.area * centred


def touches_edge(piece: Piece, shape: tuple[int, ...]) -> bool:
    """Return whether a piece lies at the picture's edge: within a hundredth, as the last line there may be erased."""
    height, width = shape
    margin = max(shape) // 100
    far_enough = piece.right < width - margin and piece.bottom < height - margin
    return not (far_enough and piece.left > margin and piece.top > margin)


def _gap(piece: Piece, others: list[Piece]) -> float:
    """Return the distance in pixels from the piece's box to the nearest of the others; 0 where they overlap."""
    return min(
        float(
            np.hypot(
                max(0, other.left - piece.right, piece.left - other.right),
                max(0, other.top - piece.bottom, piece.top - other.bottom),
            )
        )
        for other in others
    )


def _merge_into_digits(pieces: list[Piece]) -> list[list[Piece]]:
    """Return lists of pieces that make up a digit together: a 5 and its hat, a 4 in two strokes."""
    digits: list[list[Piece]] = []
    heights = [piece.bottom - piece.top for piece in pieces]
    tallest = max(heights, default=0)
    usual = float(np.median([height for height in heights if height >= 0.5 * tallest])) if pieces else 0.0
    for piece in pieces:
        home = next((digit for digit in digits if _belongs([piece], digit, usual)), None)
        if home is None:
            digits.append([piece])
        else:
            home.append(piece)
    return [digit for digit in digits if sum(piece.area for piece in digit) >= 0.02 * tallest * tallest]


def _belongs(part: list[Piece], digit: list[Piece], usual: float) -> bool:
    """Return whether the two make up a digit together, where digits are usually so tall.

    One of them is less than a digit, and both together are no more than one: else they are digits of two rows.
    """
    (_, top, _, bottom), (_, other_top, _, other_bottom) = _box(part), _box(digit)
    if min(bottom - top, other_bottom - other_top) > 0.75 * usual:
        return False
    if max(bottom, other_bottom) - min(top, other_top) > 1.5 * usual:
        return False
    return _stacked(part, digit, 0.15 * usual) or _is_four(part, digit, usual) or _is_four(digit, part, usual)


def _stacked(part: list[Piece], digit: list[Piece], reach: float) -> bool:
    """Return whether the two lie above one another, no further apart than `reach`."""
    (left, top, right, bottom), (other_left, other_top, other_right, other_bottom) = _box(part), _box(digit)
    overlap = min(right, other_right) - max(left, other_left)
    apart = max(top - other_bottom, other_top - bottom)
    return overlap > 0.3 * min(right - left, other_right - other_left) and apart <= reach


def _is_four(hook: list[Piece], stem: list[Piece], usual: float) -> bool:
    """Return whether the two are a 4 in two strokes: left a hook that ends above the foot of the stem beside it."""
    (left, top, right, bottom), (stem_left, stem_top, stem_right, stem_bottom) = _box(hook), _box(stem)
    beside = -0.5 * usual < stem_left - right < 0.15 * usual and stem_right > right
    slim = stem_right - stem_left < 0.7 * usual and stem_right - left < 1.2 * usual
    hangs = stem_bottom - bottom > 0.15 * usual and top < stem_top + 0.3 * usual < bottom
    return beside and slim and hangs


def _box(digit: list[Piece]) -> tuple[int, int, int, int]:
    return (
        min(piece.left for piece in digit),
        min(piece.top for piece in digit),
        max(piece.right for piece in digit),
        max(piece.bottom for piece in digit),
    )


def _rows(indices: list[int], boxes: list[tuple[int, int, int, int]]) -> list[list[int]]:
    """Return the digits' numbers row by row, each from left to right: a digit joins the row that its middle is in."""
    rows: list[list[int]] = []
    for i in sorted(indices, key=lambda i: boxes[i][1] + boxes[i][3]):
        middle = (boxes[i][1] + boxes[i][3]) / 2
        for row in rows:
            # The row's last to come is its lowest so far; on a slanted row the nearest digit decides.
            nearest = min(row, key=lambda j: abs(boxes[j][0] - boxes[i][0]))
            if boxes[nearest][1] <= middle <= boxes[nearest][3]:
                row.append(i)
                break
        else:
            rows.append([i])
    return [sorted(row, key=lambda i: boxes[i][0]) for row in rows]
