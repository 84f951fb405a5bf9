"""Corruptions that move: each image by the same amount, to either side at random. Images are float32 (N, H, W)."""

import cv2
import numpy as np
from numpy.typing import NDArray

Images = NDArray[np.float32]


def shear(images: Images, amount: float, generator: np.random.Generator) -> Images:
    """Return images whose rows are moved to the side, by `amount` pixels per pixel from the middle row."""
    return _move(images, [((1, side * amount), (0, 1)) for side in _sides(generator, len(images))])


def rotate(images: Images, angle: float, generator: np.random.Generator) -> Images:
    """Return rotated images; angle: radians."""
    angles = angle * _sides(generator, len(images))
    return _move(images, [((np.cos(a), -np.sin(a)), (np.sin(a), np.cos(a))) for a in angles])


def scale(images: Images, size: float, generator: np.random.Generator) -> Images:
    """Return images of smaller digits; size: of the original's."""
    return _move(images, [((1 / size, 0), (0, 1 / size))] * len(images))


def translate(images: Images, pixels: int, generator: np.random.Generator) -> Images:
    """Return images moved by so many pixels along both axes."""
    moved = np.zeros_like(images)
    down, right = pixels * _sides(generator, len(images)), pixels * _sides(generator, len(images))
    height, width = images.shape[1:]
    padded = np.pad(images, ((0, 0), (pixels, pixels), (pixels, pixels)))
    for i in range(len(images)):
        top, left = pixels - down[i], pixels - right[i]
        moved[i] = padded[i, top : top + height, left : left + width]
    return moved


def _sides(generator: np.random.Generator, n: int) -> NDArray[np.int64]:
    """Return -1 or 1 for each image."""
    return 2 * generator.integers(2, size=n) - 1


def _move(images: Images, matrices: list[tuple[tuple[float, float], tuple[float, float]]]) -> Images:
    """Return images whose pixels come from the place that the image's matrix gives, about the centre; x comes first."""
    height, width = images.shape[1:]
    centre = np.array([(width - 1) / 2, (height - 1) / 2])
    moved = np.empty_like(images)
    for image, result, rows in zip(images, moved, matrices, strict=True):
        matrix = np.array(rows)
        inverse = np.column_stack([matrix, centre - matrix @ centre])
        cv2.warpAffine(image, inverse, (width, height), result, cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    return moved
