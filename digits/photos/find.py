"""From a photograph to MNIST's form: find the digit, or all of them, and bring each into 28x28 pixels.

    digit = find_digit(pixels)          # None where there is no ink
    digit.image, digit.box              # uint8 (28, 28); left, top, right, bottom in the picture's pixels

Paper may be ruled, squared, coloured or in shadow, the ink dark on light or light on dark. Both functions take any
uint8 picture, grey (H, W) or colour (H, W, 3), and never raise for one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from digits.photos.ink import ink_mask, ink_strength
from digits.photos.normalize import to_mnist
from digits.photos.rulings import without_rulings
from digits.photos.segments import Piece, digits_in_rows, find_pieces, pieces_of_one, touches_edge

WORKING_SIDE = {"one": 512, "many": 1280}
"""Longest side, in pixels, that a larger picture is shrunk to."""
Steps = dict[str, NDArray[Any]]
Size = tuple[int, int]


@dataclass(frozen=True)
class Digit:
    """A digit found: its 28x28 image as MNIST has it (255 is ink), and its box (left, top, right, bottom) in pixels."""

    image: NDArray[Any]
    box: tuple[int, int, int, int]


def find_digit(pixels: NDArray[Any], steps: Steps | None = None, size: Size | None = None) -> Digit | None:
    """Return the picture's one digit, or None where there is no ink. `steps` gets a picture of each stage.

    `size` is the picture's (width, height), where `pixels` are those of the picture made smaller.
    """
    found = _find(pixels, WORKING_SIDE["one"], steps, size)
    if found is None:
        return None
    pieces = pieces_of_one(found.pieces, found.mask.shape)
    return found.digit(pieces, steps) if pieces else None


def find_digits(pixels: NDArray[Any], steps: Steps | None = None, size: Size | None = None) -> list[list[Digit]]:
    """Return all digits in reading order, in groups of neighbours that make up a number."""
    found = _find(pixels, WORKING_SIDE["many"], steps, size)
    if found is None:
        return []
    groups = digits_in_rows(found.pieces, found.mask.shape)
    return [[found.digit(pieces, None) for pieces in group] for group in groups]


@dataclass(frozen=True)
class _Ink:
    """A picture's ink at working size."""

    strength: NDArray[Any]
    full: float
    mask: NDArray[Any]
    labels: NDArray[Any]
    pieces: list[Piece]
    size: Size  # the picture's width and height

    def digit(self, pieces: list[Piece], steps: Steps | None) -> Digit:
        """Return the digit that the pieces make up."""
        left, top = min(piece.left for piece in pieces), min(piece.top for piece in pieces)
        right, bottom = max(piece.right for piece in pieces), max(piece.bottom for piece in pieces)
        own = np.isin(self.labels[top:bottom, left:right], [piece.label for piece in pieces]).astype(np.uint8)
        # The grey edge around a stroke belongs to it, however faint; the paper's grain further away does not.
        near = cv2.dilate(own, np.ones((3, 3), np.uint8))
        level = _level(self.strength[top:bottom, left:right][own > 0], self.full)
        ink = np.clip(self.strength[top:bottom, left:right] / level, 0, 1) * near
        image = to_mnist(ink.astype(np.float32))
        if steps is not None:
            steps["5 digit"] = _picture(ink)
            steps["6 as MNIST"] = image
        edges = np.array([left, top, right, bottom]) * np.tile(self.size, 2) / np.tile(self.mask.shape[::-1], 2)
        box = np.r_[np.floor(edges[:2]), np.ceil(edges[2:])]
        return Digit(image, (int(box[0]), int(box[1]), int(box[2]), int(box[3])))


def _find(pixels: NDArray[Any], side: int, steps: Steps | None, size: Size | None) -> _Ink | None:
    """Return the ink at a working size of `side` pixels, or None where the picture has none."""
    grey = to_grey(pixels)
    if grey.size == 0:
        return None
    scale = min(1.0, side / max(grey.shape))
    if scale < 1:
        height, width = (max(1, round(length * scale)) for length in grey.shape)
        working = cv2.resize(grey, (width, height), interpolation=cv2.INTER_AREA)
    else:
        working = grey
    strength = ink_strength(working)
    mask, full = ink_mask(strength)
    if steps is not None:
        steps["1 grey"] = working
        steps["2 light evened out"] = _picture(strength)
        steps["3 ink"] = _picture(mask)
    if full == 0:
        return None
    mask = without_rulings(mask)
    labels, pieces = find_pieces(mask)
    beside = _beside_the_sheet(labels, pieces)
    if beside is not None:
        # The table is often darker than any ink: what full ink is, the sheet alone shows.
        strength = strength * (1 - beside)
        mask, full = ink_mask(strength)
        mask = without_rulings(mask)
        labels, pieces = find_pieces(mask)
    if steps is not None:
        steps["4 ink without lines"] = _picture(mask)
    return _Ink(strength, full, mask, labels, pieces, size or (grey.shape[1], grey.shape[0]))


def _beside_the_sheet(labels: NDArray[Any], pieces: list[Piece]) -> NDArray[Any] | None:
    """Return where large dark pieces reach in from the picture's edge, uint8 (H, W); None where there are none."""
    edge = [piece for piece in pieces if touches_edge(piece, labels.shape) and piece.area > 0.002 * labels.size]
    if not edge or len(edge) == len(pieces):
        return None
    beside = np.isin(labels, [piece.label for piece in edge]).astype(np.uint8)
    return cv2.dilate(beside, np.ones((9, 9), np.uint8))


def to_grey(pixels: NDArray[Any]) -> NDArray[Any]:
    """Return the picture's brightness, uint8 (H, W)."""
    if pixels.ndim == 2 or pixels.size == 0:
        return np.ascontiguousarray(pixels.reshape(pixels.shape[:2]) if pixels.ndim == 2 else pixels[:, :, 0])
    return cv2.cvtColor(np.ascontiguousarray(pixels[:, :, :3]), cv2.COLOR_RGB2GRAY)


def _level(strengths: NDArray[Any], full: float) -> float:
    """Return the strength that the digit's own full ink has: it may be fainter than something else in the picture."""
    return float(np.percentile(strengths, 70)) if strengths.size else full


def _picture(values: NDArray[Any]) -> NDArray[Any]:
    """Return 0..1 as dark ink on white, for the eye."""
    return np.rint(255 * (1 - np.asarray(values, np.float32))).astype(np.uint8)
