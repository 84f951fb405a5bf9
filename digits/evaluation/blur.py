"""Corruptions that blur: frosted glass and a moving camera. Images are float32 (N, H, W), 0 to 1."""

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter  # type: ignore[import-untyped]

Images = NDArray[np.float32]


def glass_blur(images: Images, amount: tuple[float, int, int], generator: np.random.Generator) -> Images:
    """Return images as if through frosted glass: blurred, pixels swapped with others near them, blurred again.

    amount: standard deviation of the blur in pixels; how far along each axis a pixel is swapped at most; rounds of
    swaps. In a round each pixel is swapped with a probability of one half.
    """
    sigma, reach, rounds = amount
    blurred = gaussian_filter(images, (0, sigma, sigma))
    n, height, width = blurred.shape
    every = np.arange(n)
    for _ in range(rounds):
        for row in range(height - reach - 1, reach - 1, -1):
            for column in range(width - reach - 1, reach - 1, -1):
                swapped = every[generator.random(n) < 0.5]
                down, right = generator.integers(-reach, reach + 1, size=(2, len(swapped)))
                there = swapped, row + down, column + right
                blurred[there], blurred[swapped, row, column] = blurred[swapped, row, column], blurred[there]
    result: Images = gaussian_filter(blurred, (0, sigma, sigma))
    return result


def motion_blur(images: Images, amount: tuple[int, float], generator: np.random.Generator) -> Images:
    """Return images smeared to one side, along a direction of at most 45 degrees from the horizontal.

    amount: length of the smear, and the standard deviation of the half Gaussian that weights it, both in pixels.
    """
    length, sigma = amount
    steps = np.arange(length + 1)
    weights = np.exp(-0.5 * (steps / sigma) ** 2)
    weights /= weights.sum()
    blurred = np.empty_like(images)
    for i, angle in enumerate(generator.uniform(-np.pi / 4, np.pi / 4, len(images))):
        kernel = np.zeros((2 * length + 1, 2 * length + 1), np.float32)
        rows, columns = np.rint(steps * np.sin(angle)).astype(int), np.rint(steps * np.cos(angle)).astype(int)
        np.add.at(kernel, (length + rows, length + columns), weights)
        blurred[i] = cv2.filter2D(images[i], -1, kernel, borderType=cv2.BORDER_CONSTANT)
    return blurred
