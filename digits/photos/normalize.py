"""Bring one digit's ink into the form of MNIST's images: 20x20 box, centred by mass in 28x28, MNIST's stroke width."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[Any]  # float32, which OpenCV's own types do not say

SIDE, BOX = 28, 20
"""Sides of an image, and of a digit in it, in pixels. http://yann.lecun.com/exdb/mnist/: 'size normalized to fit in a
20x20 pixel box while preserving their aspect ratio', 'centered in a 28x28 image by computing the center of mass'."""
THINNEST, THICKEST = 0.1, 9.0  # stroke widths, in pixels of the 28x28 image, that are left as they are
FINE = 4  # the digit is first scaled to this multiple of its final size, so that strokes can widen by a quarter pixel


def to_mnist(ink: Floats) -> NDArray[Any]:
    """Return the 28x28 image of the digit whose ink, float32 (H, W) in 0..1, fills the array to its edges."""
    fine = scaled(ink, FINE * BOX)
    width = stroke_width(fine) / FINE
    missing = np.clip(width, THINNEST, THICKEST) - width
    if width > 0 and abs(missing) > 0.125:
        frame = int(np.ceil(FINE * abs(missing))) + 2  # holds what becomes wider
        fine = widened(np.pad((fine > 0.5).astype(np.uint8), frame), FINE * float(missing))
        rows, columns = np.flatnonzero(fine.max(axis=1) > 0.3), np.flatnonzero(fine.max(axis=0) > 0.3)
        if len(rows):
            fine = fine[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
            fine = scaled(fine, FINE * BOX)
    return _centre(fine)


def stroke_width(ink: Floats) -> float:
    """Return the strokes' width in pixels: ink's area over the length of its middle line. 0 where there is no ink."""
    depths = middle_depths(cv2.copyMakeBorder((ink > 0.5).view(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT))
    return 2 * float(np.median(depths)) - 1 if len(depths) else 0.0


def middle_depths(mask: NDArray[Any]) -> Floats:
    """Return how deep the strokes' middle line lies in the ink, in pixels: half their width, at each of its pixels."""
    depth = cv2.distanceTransform(mask, cv2.DIST_L2, 5)
    return np.asarray(depth[(depth > 0) & (depth >= cv2.dilate(depth, np.ones((3, 3), np.uint8)))])


def widened(mask: NDArray[np.uint8], by: float) -> Floats:
    """Return ink of 0..1 whose strokes are wider than the mask's by so many pixels, narrower where negative."""
    inside, outside = (cv2.distanceTransform(shape, cv2.DIST_L2, 5) for shape in (mask, 1 - mask))
    return np.asarray(np.clip(inside - outside + by / 2 + 0.5, 0, 1), np.float32)


def scaled(pixels: NDArray[Any], longest: int) -> NDArray[Any]:
    """Return the pixels (H, W), uint8 or float32, scaled to this longest side, without jagged edges."""
    scale = longest / max(pixels.shape)
    if scale == 1:
        return pixels
    height, width = (max(1, round(side * scale)) for side in pixels.shape)
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return cv2.resize(pixels, (width, height), interpolation=method)


def _centre(fine: Floats) -> NDArray[Any]:
    """Return the 28x28 image of a digit FINE times too large, its centre of mass in the middle."""
    across, down = fine.sum(axis=0), fine.sum(axis=1)
    total = float(across.sum())
    if total == 0:
        return np.zeros((SIDE, SIDE), np.uint8)
    x, y = float(across @ np.arange(fine.shape[1])) / total, float(down @ np.arange(fine.shape[0])) / total
    canvas = SIDE * FINE
    # The middle of pixel 14, counted from 0: there MNIST's centres of mass lie (mean 14.0, deviation 0.3).
    middle = (14 + 0.5) * FINE - 0.5
    # A long tail must not leave the canvas: MNIST's box stays within its 28 pixels too.
    left = np.clip(middle - x, 0, max(0, canvas - fine.shape[1]))
    top = np.clip(middle - y, 0, max(0, canvas - fine.shape[0]))
    move = np.array([[1, 0, left], [0, 1, top]], np.float64)
    moved = cv2.warpAffine(fine, move, (canvas, canvas), flags=cv2.INTER_LINEAR)
    image = cv2.resize(moved, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    # MNIST's strokes reach full black; thin ones, shrunk, would only be grey.
    peak = float(np.partition(image.ravel(), -8)[-8])
    return np.asarray(np.rint(np.clip(image / max(peak, 0.3), 0, 1) * 255), np.uint8)
