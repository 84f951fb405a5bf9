"""The 15 corruptions of MNIST-C, each at five strengths, keyed by a seed.

Mu and Gilmer (2019), 'MNIST-C: a robustness benchmark for computer vision', arXiv 1906.02337, chose these 15 because
networks fail on them while people do not. They publish one strength of each; the amounts for the other four are, where
they have any, those of Hendrycks and Dietterich (2019), arXiv 1903.12261, and ours for stripe, dotted line, zigzag and
Canny edges. The code is our own: images are like theirs, not equal to them.

Images are float32 (N, H, W), 0 to 1. First come corruptions of the pixels' brightness, then those that blur, those that
move (each image by the same amount, to either side at random) and those that draw over the image, then the table.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter  # type: ignore[import-untyped]

Images = NDArray[np.float32]
STRENGTHS = (1, 2, 3, 4, 5)
FOGS = 64  # fractals of which windows are taken: 512 kB each while they are made
FOG_SIZE = 256  # their side, pixels
MUD = 63 / 255
REACH = 2.3  # pixels from the middle of a line to where its ink ends
EDGES = (0.1, 0.2)
"""Gradients, of white a pixel by Sobel's masks: an edge begins above the second and goes on above the first."""


def shot_noise(images: Images, photons: float, generator: np.random.Generator) -> Images:
    """Return what a sensor counts that receives so many photons from white: mean x, variance x / photons."""
    return (generator.poisson(images * photons) / photons).astype(np.float32)


def impulse_noise(images: Images, share: float, generator: np.random.Generator) -> Images:
    """Return images in which this share of the pixels is replaced, one half of them by black, one half by white."""
    chosen = generator.random(images.shape, dtype=np.float32)
    return np.where(chosen < share / 2, 0, np.where(chosen < share, 1, images)).astype(np.float32)


def brightness(images: Images, added: float, generator: np.random.Generator) -> Images:
    """Return brighter images; added: of white."""
    brighter: Images = np.minimum(images + np.float32(added), np.float32(1))
    return brighter


def fog(images: Images, amount: tuple[float, float], generator: np.random.Generator) -> Images:
    """Return images behind fog: a fractal of this density is added, and white stays as white as it was.

    The original's fractal is by midpoint displacement, whose displacements fall by smoothness ** 2 from each scale to
    the next of half the size; ours has the spectrum that this gives, and a window of it for each image.
    """
    density, smoothness = amount
    hurst = 2 * math.log2(smoothness)  # by what power of the distance two points of the fog differ
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(FOG_SIZE), np.fft.rfftfreq(FOG_SIZE), indexing="ij"))
    frequency[0, 0] = np.inf
    noise = generator.standard_normal((FOGS, FOG_SIZE, FOG_SIZE), dtype=np.float32)
    fogs = np.fft.irfft2(np.fft.rfft2(noise) * frequency ** -(hurst + 1), s=(FOG_SIZE, FOG_SIZE))
    fogs -= fogs.min(axis=(1, 2), keepdims=True)
    fogs = (fogs / fogs.max(axis=(1, 2), keepdims=True)).astype(np.float32)

    n, height, width = images.shape
    which = generator.integers(FOGS, size=(n, 1, 1))
    top, left = generator.integers(FOG_SIZE, size=(2, n, 1, 1))
    rows, columns = np.arange(height)[:, None], np.arange(width)
    windows = fogs[which, (top + rows) % FOG_SIZE, (left + columns) % FOG_SIZE]
    white = images.max(axis=(1, 2), keepdims=True)
    foggy: Images = (images + density * windows) * white / (white + density)
    return foggy


def spatter(images: Images, amount: tuple[float, float, float, float], generator: np.random.Generator) -> Images:
    """Return images with drops of mud: where blurred noise of mean 0.65 exceeds a threshold.

    amount: the noise's standard deviation, that of its blur in pixels, the threshold, and the blur of the drops.
    """
    deviation, blur, threshold, edge = amount
    noise = generator.normal(0.65, deviation, images.shape).astype(np.float32)
    drops = (gaussian_filter(noise, (0, blur, blur)) > threshold).astype(np.float32)
    mud = gaussian_filter(drops, (0, edge, edge))
    mud[mud < 0.8] = 0
    spattered: Images = images * (1 - mud) + MUD * mud
    return spattered


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


def shear(images: Images, amount: float, generator: np.random.Generator) -> Images:
    """Return images whose rows are moved to the side, by `amount` pixels per pixel from the middle row."""
    return _move(images, [((1, side * amount), (0, 1)) for side in _sides(generator, len(images))])


def rotate(images: Images, angle: float, generator: np.random.Generator) -> Images:
    """Return images rotated to either side; angle: radians."""
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


def stripe(images: Images, columns: int, generator: np.random.Generator) -> Images:
    """Return images whose first and last columns are inverted."""
    changed = images.copy()
    for part in (changed[:, :, :columns], changed[:, :, -columns:]):
        part[:] = 1 - part
    return changed


def dotted_line(images: Images, lines: int, generator: np.random.Generator) -> Images:
    """Return images crossed by straight lines from the left to the right border, two pixels inked and two not."""
    n, height, width = images.shape
    column = np.arange(width)
    changed = images
    for _ in range(lines):
        left, right = generator.uniform(0, height - 1, (2, n, 1))
        inked = _ink(left + (right - left) * column / (width - 1), height)
        changed = changed + np.where(column % 4 >= 2, inked, 0).astype(np.float32)
    return changed


def zigzag(images: Images, lines: int, generator: np.random.Generator) -> Images:
    """Return images crossed by lines that go up and down by two pixels, eight pixels from one peak to the next."""
    n, height, width = images.shape
    column = np.arange(width)
    wave = np.abs((column - 2) % 8 - 4) - 2  # from 2 to -2 and back
    changed = images
    for _ in range(lines):
        middle, slope = generator.uniform(0, height - 1, (n, 1)), generator.uniform(-5, 5, (n, 1)) / (width - 5)
        inked = _ink(middle + slope * (column - (width - 1) / 2) + wave, height)
        inked[:, :, :2] = inked[:, :, -2:] = 0
        changed = changed + inked.astype(np.float32)
    return changed


def canny_edges(images: Images, share: float, generator: np.random.Generator) -> Images:
    """Return images mixed with their edges (Canny 1986, IEEE Transactions on Pattern Analysis and Machine Intelligence
    8), which are found after a blur of one pixel; share: of the edges in the mixture."""
    edges = np.empty_like(images)
    low, high = (255 * threshold for threshold in EDGES)
    for i, image in enumerate(images):
        blurred = cv2.GaussianBlur(255 * image, (9, 9), 1, borderType=cv2.BORDER_CONSTANT)
        across, down = (
            np.rint(cv2.Sobel(blurred, cv2.CV_32F, *axes, borderType=cv2.BORDER_CONSTANT)).astype(np.int16)
            for axes in ((1, 0), (0, 1))
        )
        edges[i] = cv2.Canny(across, down, low, high, L2gradient=True)
    return np.float32(1 - share) * images + np.float32(share / 255) * edges


def _ink(rows: NDArray[np.float64], height: int) -> NDArray[np.float64]:
    """Return the ink of lines whose middles are at these rows, (N, W), as (N, H, W): 1 there, 0 from REACH on."""
    distance = np.abs(np.arange(height)[:, None] - rows[:, None, :])
    ink: NDArray[np.float64] = np.clip(1 + np.log(np.maximum(1 - distance / REACH, 1e-9)), 0, 1)
    return ink


@dataclass(frozen=True)
class Corruption:
    """One kind of corruption."""

    apply: Callable[[Images, Any, np.random.Generator], Images]
    published: int  # the strength that MNIST-C has
    amounts: tuple[Any, Any, Any, Any, Any]  # what `apply` takes at the strengths 1 to 5


CORRUPTIONS = {
    "shot_noise": Corruption(shot_noise, 5, (60, 25, 12, 5, 3)),
    "impulse_noise": Corruption(impulse_noise, 4, (0.03, 0.06, 0.09, 0.17, 0.27)),
    "glass_blur": Corruption(glass_blur, 1, ((0.7, 1, 2), (0.9, 2, 1), (1.0, 2, 3), (1.1, 3, 2), (1.5, 4, 2))),
    "motion_blur": Corruption(motion_blur, 1, ((10, 3), (15, 5), (15, 8), (15, 12), (20, 15))),
    "shear": Corruption(shear, 2, (0.2, 0.4, 0.6, 0.8, 1.0)),
    "scale": Corruption(scale, 3, (0.9, 0.8, 0.7, 0.6, 0.5)),
    "rotate": Corruption(rotate, 2, (0.2, 0.4, 0.6, 0.8, 1.0)),
    "brightness": Corruption(brightness, 5, (0.1, 0.2, 0.3, 0.4, 0.5)),
    "translate": Corruption(translate, 3, (1, 2, 3, 4, 5)),
    "stripe": Corruption(stripe, 4, (1, 3, 5, 7, 9)),
    "fog": Corruption(fog, 5, ((1.5, 2.0), (2.0, 2.0), (2.5, 1.7), (2.5, 1.5), (3.0, 1.4))),
    "spatter": Corruption(
        spatter,
        4,
        ((0.3, 4, 0.69, 0.6), (0.3, 3, 0.68, 0.6), (0.3, 2, 0.68, 0.5), (0.3, 1, 0.65, 1.5), (0.4, 1, 0.63, 1.5)),
    ),
    "dotted_line": Corruption(dotted_line, 1, (1, 2, 3, 4, 5)),
    "zigzag": Corruption(zigzag, 1, (1, 2, 3, 4, 5)),
    "canny_edges": Corruption(canny_edges, 5, (0.6, 0.7, 0.8, 0.9, 1.0)),
}


def corrupt(images: NDArray[np.uint8], name: str, strength: int, seed: int = 0) -> NDArray[np.uint8]:
    """Return corrupted copies of the images, uint8 (N, H, W), ink bright.

    name: one of CORRUPTIONS; strength: 1 to 5. The same arguments give the same images; another corruption or
    strength has random numbers of its own.
    """
    corruption = CORRUPTIONS[name]
    generator = np.random.default_rng([seed, list(CORRUPTIONS).index(name), strength])
    changed = corruption.apply(images.astype(np.float32) / np.float32(255), corruption.amounts[strength - 1], generator)
    result: NDArray[np.uint8] = np.rint(255 * np.clip(changed, 0, 1)).astype(np.uint8)
    return result
