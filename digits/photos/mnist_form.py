"""Images that have MNIST's form already, and need no search for a digit."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from digits.photos.normalize import SIDE

DARK = 32
"""Grey level up to which a pixel is background: JPEG files and scanners leave traces."""
LEAST_INK = 128
BOX_SIDES = 18, 21
"""Longest side of a digit, in pixels. In MNIST it is 19 or 20."""
FURTHEST = 0.6
"""Most pixels between the ink's centre of mass and the middle of pixel 14, on each axis. In MNIST: at most 0.5."""


def mnist_form(pixels: NDArray[Any]) -> tuple[NDArray[Any], tuple[int, int, int, int]] | None:
    """Return the image, uint8 (28, 28), and its ink's box (left, top, right, bottom); None where it has another form.

    MNIST's form is 28x28 pixels in shades of grey (H, W) or (H, W, 3), light ink on black, its box as large as in MNIST
    and its centre of mass in the middle. The border is empty but for few pixels: MNIST's longest tails reach it.
    """
    if pixels.shape[:2] != (SIDE, SIDE):
        return None
    if pixels.ndim == 3:
        if (pixels != pixels[:, :, :1]).any():
            return None
        pixels = np.ascontiguousarray(pixels[:, :, 0])
    ink = pixels > DARK
    if pixels.max() < LEAST_INK or ink[0].sum() + ink[-1].sum() + ink[:, 0].sum() + ink[:, -1].sum() > SIDE // 4:
        return None
    rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    box = int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1
    if not BOX_SIDES[0] <= max(box[2] - box[0], box[3] - box[1]) <= BOX_SIDES[1]:
        return None
    weights = np.where(ink, pixels, 0).astype(np.float64)
    total, places = weights.sum(), np.arange(SIDE)
    away = max(abs(weights.sum(axis=axis) @ places / total - SIDE // 2) for axis in (0, 1))
    return (pixels, box) if away <= FURTHEST else None
