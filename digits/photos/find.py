"""Find the digit in a photo, or all of them, and bring each into MNIST's form of 28x28 pixels.

    digit = find_digit(pixels)          # None where there is no ink
    digit.image, digit.box              # uint8 (28, 28); left, top, right, bottom in the photo's pixels

Paper may be ruled, squared, coloured or in shadow, the ink dark on light or light on dark. Both functions take any
uint8 array, grey (H, W) or colour (H, W, 3), and never raise for one.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, floor
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from digits.photos.ink import ink_mask, ink_strength
from digits.photos.mnist_form import mnist_form
from digits.photos.normalize import scaled, to_mnist
from digits.photos.rulings import find_rulings, without_rulings
from digits.photos.segments import Piece, box_of, digits_in_rows, find_pieces, pieces_of_one, touches_edge

LEAST_SIDE, SIDE_FOR_ONE, SIDE_FOR_MANY = 112, 512, 1280
"""Longest sides, in pixels: a smaller photo is enlarged to the first, so that strokes of a pixel's width hang together
and have edges finer than a pixel, and a larger one is shrunk to one of the others."""
WIDE = 10
"""A dark area wider than one such part of the photo's longest side is no stroke."""
Steps = dict[str, NDArray[Any]]
Size = tuple[int, int]


@dataclass(frozen=True)
class Digit:
    """A digit found: its 28x28 image as MNIST has it (255 is ink), and its box (left, top, right, bottom) in pixels."""

    image: NDArray[Any]
    box: tuple[int, int, int, int]


def find_digit(pixels: NDArray[Any], steps: Steps | None = None, size: Size | None = None) -> Digit | None:
    """Return the photo's one digit, or None where there is no ink. `steps` receives an image of each stage.

    `size` is the (width, height) of the photo where `pixels` are a shrunken copy of it. An image that has MNIST's form
    already is the digit, as it is.
    """
    if (ready := mnist_form(pixels)) is not None:
        if steps is not None:
            steps |= {"1 grey": ready[0], "6 as MNIST": ready[0]}
        return Digit(*ready)
    ink = _find(pixels, SIDE_FOR_ONE, steps, size)
    pieces = pieces_of_one(ink.pieces, ink.mask.shape) if ink else []
    return ink.digit(pieces, steps) if ink and pieces else None


def find_digits(pixels: NDArray[Any], steps: Steps | None = None, size: Size | None = None) -> list[list[Digit]]:
    """Return all digits in reading order, in groups of neighbours that make up a number."""
    if (ready := mnist_form(pixels)) is not None:
        return [[Digit(*ready)]]
    ink = _find(pixels, SIDE_FOR_MANY, steps, size)
    if ink is None:
        return []
    return [[ink.digit(pieces) for pieces in group] for group in digits_in_rows(ink.pieces, ink.mask.shape)]


@dataclass(frozen=True)
class _Ink:
    """A photo's ink at working size."""

    strength: NDArray[Any]
    mask: NDArray[Any]
    labels: NDArray[Any]
    pieces: list[Piece]
    size: Size  # the photo's width and height

    def digit(self, pieces: list[Piece], steps: Steps | None = None) -> Digit:
        """Return the digit that the pieces make up."""
        left, top, right, bottom = box_of(pieces)
        own = np.isin(self.labels[top:bottom, left:right], [piece.label for piece in pieces]).astype(np.uint8)
        strength = self.strength[top:bottom, left:right]
        # The grey edge around a stroke belongs to it, however faint; the paper's grain further away does not.
        near = cv2.dilate(own, np.ones((3, 3), np.uint8))
        # Relative to the digit's own full ink, which may be fainter than something else in the photo.
        ink = np.clip(strength / float(np.percentile(strength[own > 0], 70)), 0, 1) * near
        image = to_mnist(ink.astype(np.float32))
        if steps is not None:
            steps |= {"5 digit": _dark_on_white(ink), "6 as MNIST": image}
        (height, width), (full_width, full_height) = self.mask.shape, self.size
        start = floor(left * full_width / width), floor(top * full_height / height)
        return Digit(image, (*start, ceil(right * full_width / width), ceil(bottom * full_height / height)))


def _find(pixels: NDArray[Any], side: int, steps: Steps | None, size: Size | None) -> _Ink | None:
    """Return the ink at a working size of `side` pixels, or None where the photo has none."""
    if pixels.size == 0:
        return None
    grey = pixels if pixels.ndim == 2 else cv2.cvtColor(np.ascontiguousarray(pixels[:, :, :3]), cv2.COLOR_RGB2GRAY)
    working = scaled(np.ascontiguousarray(grey), min(side, max(LEAST_SIDE, *grey.shape)))
    strength = ink_strength(working)
    enlarged = max(working.shape) > max(grey.shape)
    mask, full = ink_mask(strength, enlarged=enlarged)
    if full == 0:
        return None
    rulings = find_rulings(mask)
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
        rulings = find_rulings(mask)
        mask = without_rulings(mask, rulings) if rulings else mask
    labels, pieces = find_pieces(mask)
    if steps is not None:
        steps["4 ink without lines"] = _dark_on_white(mask)
    return _Ink(strength, mask, labels, pieces, size or (grey.shape[1], grey.shape[0]))


def _beside_the_sheet(mask: NDArray[Any]) -> NDArray[Any] | None:
    """Return where dark areas reach in from the photo's edge, uint8 (H, W); None where there are none.

    Lines and strokes that end there are narrow. What lies along the edge counts as going on beyond it.
    """
    size = max(3, max(mask.shape) // WIDE)
    # OpenCV takes what is beyond the edge for dark.
    wide = cv2.morphologyEx(mask, cv2.MORPH_OPEN, np.ones((size, size), np.uint8))
    labels, pieces = find_pieces(wide)
    edge = [piece.label for piece in pieces if touches_edge(piece, mask.shape)]
    if not edge or not (mask & (1 - wide)).any():
        return None
    return cv2.dilate(np.isin(labels, edge).astype(np.uint8), np.ones((9, 9), np.uint8))


def _dark_on_white(values: NDArray[Any]) -> NDArray[Any]:
    """Return ink of 0..1 as people see it, uint8: dark on white."""
    return np.rint(255 * (1 - np.asarray(values, np.float32))).astype(np.uint8)
