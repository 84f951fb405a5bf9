"""Bring one digit's ink into the form of MNIST's images: 20x20 box, centred by mass in 28x28, MNIST's stroke width.

What has that form already is known by it.
"""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[Any]  # float32, which OpenCV's own types do not say

SIDE, BOX = 28, 20
"""Sides of an image, and of a digit in it, in pixels. http://yann.lecun.com/exdb/mnist/: 'size normalized to fit in a
20x20 pixel box while preserving their aspect ratio', 'centered in a 28x28 image by computing the center of mass'."""
THINNEST, THICKEST = 0.1, 3.5
"""Stroke widths, in pixels of the 28x28 image, that are left as they are; by a thicker pen, bends run together."""
FINE = 4  # the digit is first scaled to this multiple of its final size, so that strokes can widen by a quarter pixel
BACKGROUND = 32
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
    ink = pixels > BACKGROUND
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
