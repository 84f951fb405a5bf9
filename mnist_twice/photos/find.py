"""Find the digit in a photo, or all of them, and bring each into MNIST's form of 28x28 pixels.

    digit = find_digit(pixels)          # None where there is none
    digit.image, digit.box              # uint8 (28, 28); left, top, right, bottom in the photo's pixels

Paper may be ruled, squared, coloured or in shadow, the ink dark on light or light on dark. Both functions take any
uint8 array, grey (H, W) or colour (H, W, 3), and never raise for one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import chain
from math import ceil, floor
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mnist_twice.photos.cuts import parts_of
from mnist_twice.photos.ink import clearest, highest, in_grey, ink_mask, ink_strength, missing_paper
from mnist_twice.photos.normalize import mnist_form, scaled, to_mnist
from mnist_twice.photos.rulings import find_rulings, without_rulings
from mnist_twice.photos.segments import (
    Box,
    Piece,
    box_of,
    digits_in_rows,
    edges_touched,
    find_pieces,
    other_digits,
    perhaps_one,
    pieces_of_one,
)
from mnist_twice.photos.shapes import is_sign
from mnist_twice.photos.sheet import find_sheet, straightened

LEAST_SIDE, SIDE_FOR_ONE, SIDE_FOR_MANY = 112, 512, 1280
"""Longest sides, in pixels: a smaller photo is enlarged to the first, so that strokes of a pixel's width hang together
and have edges finer than a pixel, and a larger one is shrunk to one of the others."""
SHEETS = 3  # most that lie one on the other
WIDE = 10  # a dark area wider than one such part of the photo's longest side is no stroke
FAINT = 0.5  # a printed line is at least so many times as dark as the ink
WIDE_FOR_ONE, WIDE_FOR_MANY = 0.85, 0.75
"""Ink that is wider than so many times its height may be several digits; where several are looked for, sooner."""
Steps = dict[str, NDArray[Any]]
Size = tuple[int, int]


@dataclass(frozen=True)
class Digit:
    """A digit found: its 28x28 image as MNIST has it (255 is ink), and its box (left, top, right, bottom) in pixels."""

    image: NDArray[Any]
    box: tuple[int, int, int, int]
    splits: tuple[tuple[int, int, Digit], ...] = ()
    """Where it may be several that touch: each digit that may be among them, and the cuts that it lies between."""
    alone: bool = True
    """Whether nothing else in the photo looks like a digit; not looked at where all digits are asked for."""


def find_digit(pixels: NDArray[Any], steps: Steps | None = None, size: Size | None = None) -> Digit | None:
    """Return the photo's one digit, or None where there is none. `steps` receives an image of each stage.

    `size` is the (width, height) of the photo where `pixels` are a shrunken copy of it. An image that has MNIST's form
    already is the digit, as it is.
    """
    if (ready := mnist_form(pixels)) is not None:
        if steps is not None:
            steps |= {"1 grey": ready[0], "6 as MNIST": ready[0]}
        return Digit(*ready)
    ink = _find(pixels, False, steps, size)
    pieces = pieces_of_one(ink.pieces, ink.labels.shape) if ink else []
    if not ink or not pieces or is_sign(ink.own(pieces)):
        return None
    others = other_digits(ink.pieces, pieces, ink.labels.shape)
    return replace(ink.digit(pieces, WIDE_FOR_ONE, steps), alone=all(is_sign(ink.own([other])) for other in others))


def find_digits(pixels: NDArray[Any], steps: Steps | None = None, size: Size | None = None) -> list[list[Digit]]:
    """Return all digits in reading order, in groups of neighbours that make up a number."""
    if (ready := mnist_form(pixels)) is not None:
        return [[Digit(*ready)]]
    ink = _find(pixels, True, steps, size)
    if ink is None:
        return []
    groups = []
    for row in digits_in_rows(ink.pieces, ink.labels.shape):
        digits = perhaps_one([pieces for pieces in row if not is_sign(ink.own(pieces))])
        groups.append([ink.digit([*chain(*one)], 0 if len(one) > 1 else WIDE_FOR_MANY) for one in digits])
    return [group for group in groups if group]


@dataclass(frozen=True)
class _Ink:
    """A photo's ink at working size."""

    strength: NDArray[Any]
    labels: NDArray[Any]
    pieces: list[Piece]
    to_photo: NDArray[Any]  # float64 (3, 3): from the pixels here to the photo's
    size: Size  # the photo's width and height

    def digit(self, pieces: list[Piece], widest: float, steps: Steps | None = None) -> Digit:
        """Return the digit that the pieces make up, and, where it is wider than so many times its height, those that it
        may be cut into."""
        own, box = self.own(pieces), box_of(pieces)
        digit = self._cut_out(own, box, steps)
        parts = [(start, stop, self._cut_out(mask, box)) for start, stop, mask in parts_of(own, widest)]
        return Digit(digit.image, digit.box, tuple(parts))

    def own(self, pieces: list[Piece]) -> NDArray[Any]:
        """Return where the ink of the pieces is in their box, uint8 (H, W)."""
        left, top, right, bottom = box_of(pieces)
        labels = self.labels[top:bottom, left:right]
        return np.asarray(np.any([labels == piece.label for piece in pieces], axis=0), np.uint8)

    def _cut_out(self, own: NDArray[Any], box: Box, steps: Steps | None = None) -> Digit:
        """Return the digit whose pixels in the box are given."""
        x, y, width, height = cv2.boundingRect(own)
        own = own[y : y + height, x : x + width]
        left, top = box.left + x, box.top + y
        right, bottom = left + width, top + height
        strength = self.strength[top:bottom, left:right]
        # The grey edge around a stroke belongs to it, however faint; the paper's grain further away does not.
        near = cv2.dilate(own, np.ones((3, 3), np.uint8))
        # Relative to the digit's own full ink, which may be fainter than something else in the photo.
        ink = np.minimum(strength / highest(strength[own > 0], 0.3), 1) * near
        image = to_mnist(ink)
        if steps is not None:
            steps |= {"5 digit": _dark_on_white(ink), "6 as MNIST": image}
        corners = np.array([[[left, top]], [[right, top]], [[right, bottom]], [[left, bottom]]], np.float64)
        moved = np.round(cv2.perspectiveTransform(corners, self.to_photo)[:, 0], 6)
        (x, y), (to_x, to_y) = moved.min(axis=0), moved.max(axis=0)
        width, height = self.size
        return Digit(image, (max(0, floor(x)), max(0, floor(y)), min(width, ceil(to_x)), min(height, ceil(to_y))))


def _find(pixels: NDArray[Any], several: bool, steps: Steps | None, size: Size | None) -> _Ink | None:
    """Return the ink, of one digit or of several, at working size, or None where the photo has none."""
    side = SIDE_FOR_MANY if several else SIDE_FOR_ONE
    if pixels.size == 0:
        return None
    size = size or pixels.shape[1::-1]
    to_photo = np.diag([*np.divide(size, pixels.shape[1::-1]), 1.0])
    # A photo so small that it is enlarged shows a digit, and no table. On a screen a canvas may lie in a window.
    for _ in range(SHEETS if max(pixels.shape) > LEAST_SIDE else 0):
        if (sheet := find_sheet(in_grey(pixels), several)) is None:
            break
        pixels, to_pixels = straightened(pixels, sheet)
        to_photo = to_photo @ to_pixels
    grey, least = clearest(pixels), LEAST_SIDE
    if (paper := missing_paper(grey, several)) is not None:
        margin = max(grey.shape) // 2
        grey = cv2.copyMakeBorder(grey, margin, margin, margin, margin, cv2.BORDER_CONSTANT, value=paper)
        to_photo = to_photo @ np.array([[1.0, 0, -margin], [0, 1, -margin], [0, 0, 1]])
        least, side = 2 * least, min(side, 3 * least)
    if several:  # a line of writing is wider than high
        least = least * max(grey.shape) // min(grey.shape)
    working = scaled(np.ascontiguousarray(grey), min(side, max(least, *grey.shape)))
    to_photo = to_photo @ np.diag([*np.divide(grey.shape[::-1], working.shape[::-1]), 1.0])
    strength = ink_strength(working)
    enlarged = max(working.shape) > max(grey.shape)
    mask, full = ink_mask(strength, enlarged=enlarged)
    if full == 0:
        return None
    # On a form or in a table, printed lines may be paler than the ink.
    rulings = find_rulings(ink_mask(strength, FAINT * full, enlarged)[0], several) if several else None
    rulings = rulings or find_rulings(mask, several)
    if rulings is not None:
        # Lines are often darker than the writing: the strength of full ink shows between them.
        between = strength * (1 - rulings.both)
        mask = ink_mask(strength, ink_mask(between)[1], enlarged)[0]
    if steps is not None:
        steps |= {"1 grey": working, "2 light evened out": _dark_on_white(strength), "3 ink": _dark_on_white(mask)}
    if rulings is not None:
        mask = without_rulings(mask, rulings)
    beside = _beside_the_sheet(mask)
    if beside is not None:
        # The table is often darker than any ink: the strength of full ink shows on the sheet alone.
        strength = strength * (1 - beside)
        mask = ink_mask(strength, enlarged=enlarged)[0]
        rulings = find_rulings(mask, several)
        mask = without_rulings(mask, rulings) if rulings else mask
    labels, pieces = find_pieces(mask)
    if steps is not None:
        steps["4 ink without lines"] = _dark_on_white(mask)
    return _Ink(strength, labels, pieces, to_photo, size)


def _beside_the_sheet(mask: NDArray[Any]) -> NDArray[Any] | None:
    """Return where dark areas wider than strokes reach in from the photo's edge, uint8 (H, W); None without any."""
    size = max(3, max(mask.shape) // WIDE)
    # OpenCV takes what is beyond the edge for dark, so that what lies along the edge goes on there.
    wide = cv2.morphologyEx(mask, cv2.MORPH_OPEN, np.ones((size, size), np.uint8))
    labels, pieces = find_pieces(wide)
    edge = [piece.label for piece in pieces if edges_touched(piece, mask.shape)]
    if not edge or not (mask & (1 - wide)).any():
        return None
    return cv2.dilate(np.isin(labels, edge).astype(np.uint8), np.ones((9, 9), np.uint8))


def _dark_on_white(values: NDArray[Any]) -> NDArray[Any]:
    """Return ink of 0..1 as people see it, uint8: dark on white."""
    return np.rint(255 * (1 - np.asarray(values, np.float32))).astype(np.uint8)
