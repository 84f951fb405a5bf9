"""Degraded images: other strokes, crossing lines, inverted patches, blur, noise, other ground and contrast.

A network that sees them reads what no clean image taught it. What each does is drawn anew for each image; the amounts
were chosen by eye, as what a person still reads, and by validation images.
"""

import math
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mnist_twice.training.augment import CHUNK, gaussian

FIELDS = ((0.0, 0.45), (1.5, 0.35), (5.0, 0.35))
"""Random fields: noise, blobs and clouds. The blur that makes them, and their largest standard deviation, of the
digit's contrast."""


def degrade(images: NDArray[np.uint8], generator: np.random.Generator, fraction: float) -> NDArray[np.uint8]:
    """Return a copy of the images, uint8 (N, 28, 28), of which about this fraction is degraded."""
    changed = images.copy()
    chosen = np.flatnonzero(generator.random(len(images)) < fraction)
    for start in range(0, len(chosen), CHUNK):
        part = chosen[start : start + CHUNK]
        strokes = np.array([_with_other_strokes(images[i], generator) for i in part], np.float32) / np.float32(255)
        changed[part] = np.rint(255 * np.clip(_on_other_ground(strokes, generator), 0, 1))
    return changed


def _with_other_strokes(image: NDArray[np.uint8], generator: np.random.Generator) -> NDArray[np.uint8]:
    """Return the image, uint8 (28, 28), as outlines, thicker or thinner, crossed by lines, partly inverted, blurred."""
    side = len(image)
    image = np.array(image)
    form, crossed, inverted, blurred = generator.random(4) < (0.2, 0.3, 0.25, 0.15)
    if form:
        operation = (cv2.MORPH_GRADIENT, cv2.MORPH_GRADIENT, cv2.MORPH_DILATE, cv2.MORPH_ERODE)[generator.integers(4)]
        _, binary = cv2.threshold(image, float(generator.uniform(60, 160)), 255, cv2.THRESH_BINARY)
        image = np.asarray(cv2.morphologyEx(binary, operation, np.ones((2, 2), np.uint8)), np.uint8)
    for _ in range(generator.integers(1, 3) if crossed else 0):  # straight or jagged, whole or dashed
        corners = int(generator.integers(2, 16))
        start, stop = generator.uniform(-4, side + 4, (2, 2))
        line = np.linspace(start, stop, corners)
        line += generator.uniform(0, 2.5) * generator.standard_normal(line.shape)
        segments = np.rint(8 * np.stack([line[:-1], line[1:]], axis=1)).astype(np.int32)[:: generator.integers(1, 3)]
        ink, width = generator.integers((120, 1), (256, 3)).tolist()
        cv2.polylines(image, list(segments), False, ink, width, cv2.LINE_AA, 3)
    for _ in range(generator.integers(1, 3) if inverted else 0):  # from any place inside or outside to any other
        (top, left), (bottom, right) = np.sort(generator.integers(-side, 2 * side, (2, 2)), axis=0).clip(0, side)
        image[top:bottom, left:right] = 255 - image[top:bottom, left:right]
    if blurred:
        sigmas = generator.permutation(generator.uniform(0.3, (1.0, 3.0)))
        image = np.asarray(cv2.GaussianBlur(image, (0, 0), sigmas[0], sigmaY=sigmas[1]), np.uint8)
    return image


def _on_other_ground(strokes: NDArray[np.float32], generator: np.random.Generator) -> NDArray[np.float32]:
    """Return images, float32 (n, 28, 28) of 0 to 1, of other contrast, with random fields, on brighter ground."""
    n, height, width = strokes.shape
    chosen, amount = generator.random((2, 2 + len(FIELDS), n, 1, 1), dtype=np.float32)
    changed: NDArray[Any] = strokes
    for (sigma, largest), is_chosen, deviation in zip(FIELDS, chosen[2:], amount[2:], strict=True):
        field: NDArray[Any] = generator.standard_normal(strokes.shape, dtype=np.float32)
        if sigma:
            smoothed = gaussian(height, sigma) @ field @ gaussian(width, sigma).T
            field = np.float32(math.sqrt(4 * math.pi) * sigma) * smoothed
        changed = changed + np.where(is_chosen < 0.2, largest * deviation, 0) * field
    contrast = np.where(chosen[0] < 0.3, 0.25 + 0.75 * amount[0], 1)
    ground = np.where(chosen[1] < 0.3, 0.7 * amount[1], 0)
    return np.asarray(contrast * changed + ground, np.float32)
