"""Augmentation: images rotated, shifted, scaled, sheared and elastically distorted at random, and a square erased."""

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from mnist_twice.recipes.recipe import Augmentation

CHUNK = 256  # images whose random fields are in memory at once: 6 kB each, so that all stay in a processor's cache


def augment(images: NDArray[np.uint8], generator: np.random.Generator, amount: Augmentation) -> NDArray[np.uint8]:
    """Return a changed copy of each image, uint8 (N, 28, 28).

    images: uint8 (N, 28, 28), background 0. Each image takes its random numbers in turn: one call for all images, or
    several calls with the same generator for parts of them, give the same.
    """
    changed = np.empty_like(images, order="C")
    for start in range(0, len(images), CHUNK):
        chunk = images[start : start + CHUNK]
        # Each image's own line: a generator's numbers so far, and behind them what an amount that is not 0 adds.
        count = 6 + (2 * images[0].size if amount.elastic else 0) + (2 if amount.cutout else 0)
        drawn = 2 * generator.random((len(chunk), count), dtype=np.float32) - 1
        columns, rows = _sources(drawn, images.shape[1:], amount)
        for i, image in enumerate(chunk):
            # Affine and elastic change in one: a pixel is interpolated, and so blurred, once.
            cv2.remap(image, columns[i], rows[i], cv2.INTER_LINEAR, changed[start + i], cv2.BORDER_CONSTANT, 0)
        if amount.cutout:
            _erase(changed[start : start + CHUNK], drawn[:, -2:], amount.cutout)
    return changed


def _sources(
    drawn: NDArray[np.float32], shape: tuple[int, ...], amount: Augmentation
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return where each pixel of the changed images comes from: columns and rows, both float32 (n, *shape).

    drawn: random numbers in [-1, 1), float32 (n, 6) or, with an elastic part, at least (n, 6 + 2 * height * width).
    """
    height, width = shape
    angle, log_scale, shear, right, down, side = (drawn[:, i, None, None] for i in range(6))
    angle = math.radians(amount.rotation) * angle
    scale = np.exp(math.log1p(amount.scale) * log_scale)
    shear = amount.shear * shear
    y, x = np.indices(shape, dtype=np.float32)
    # About the centre of the image; 'from' the changed image 'to' the source, so it divides where one would multiply.
    y, x = y - (height - 1) / 2, x - (width - 1) / 2
    sheared = np.where(side < 2 * amount.flip - 1, -x, x) + shear * y
    columns = (np.cos(angle) * sheared - np.sin(angle) * y) / scale + (width - 1) / 2 + amount.shift * right
    rows = (np.sin(angle) * sheared + np.cos(angle) * y) / scale + (height - 1) / 2 + amount.shift * down
    if amount.elastic:
        fields = drawn[:, 6 : 6 + 2 * height * width].reshape(-1, 2, height, width)
        smooth = gaussian(height, amount.smoothness) @ fields @ gaussian(width, amount.smoothness).T
        columns += amount.elastic * smooth[:, 0]
        rows += amount.elastic * smooth[:, 1]
    return columns, rows


def _erase(images: NDArray[np.uint8], drawn: NDArray[np.float32], side: int) -> None:
    """Set a square of each image to the background, in place.

    Any pixel may be its centre, so that near the border a part of it is outside, as in the paper. drawn: float32 (n, 2)
    in [-1, 1).
    """
    height, width = images.shape[1:]
    corners = np.floor((drawn + 1) / 2 * (height, width)).astype(int) - side // 2
    for image, (top, left) in zip(images, corners, strict=True):
        image[max(top, 0) : max(top + side, 0), max(left, 0) : max(left + side, 0)] = 0


def gaussian(size: int, sigma: float) -> NDArray[np.float32]:
    """Return the matrix (size, size) that smooths a line of pixels, which counts as 0 beyond its ends.

    So the border moves less than the middle: normalising by the weights inside would distort strokes there.
    """
    distances = np.arange(1 - size, size)
    weights = np.exp(-0.5 * (distances / sigma) ** 2)
    between = np.subtract.outer(np.arange(size), np.arange(size)) + size - 1
    matrix: NDArray[np.float32] = (weights / weights.sum())[between].astype(np.float32)
    return matrix
