"""The 15 corruptions of MNIST-C, each at five strengths, keyed by a seed.

Mu and Gilmer (2019), 'MNIST-C: a robustness benchmark for computer vision', arXiv 1906.02337, chose these 15 because
networks fail on them while people do not. The amounts are those of their code, github.com/google-research/mnist-c. The
dataset has one strength of each; of stripe, dotted line, zigzag and Canny edges the code too has only that one, and the
others are ours. The code is our own, with other random numbers and, in places, other edges than scikit-image's.

Images are float32 (N, 28, 28), 0 to 1. First come corruptions of the pixels' brightness, then those that blur, those
that move (each image by the same amount, to either side at random) and those that draw over the image, then the table.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter  # type: ignore[import-untyped]

Images = NDArray[np.float32]
Column = NDArray[Any]
STRENGTHS = (1, 2, 3, 4, 5)
FOGS = 64  # fractals of which windows are taken: 512 kB each while they are made
FOG_SIZE = 256  # their side, pixels
MUD = 63 / 255
REACH = 2.3  # pixels at which the logarithm of a line's ink is 0
EDGES = (0.1 * 255, 0.2 * 255)
"""Gradients, grey levels a pixel by Sobel's masks: an edge begins above the second and goes on above the first."""


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
    the next of half the size; ours has the spectrum that this gives, and a window of it for each image. At
    strength 5 the standard deviation within a window is 0.058 there and 0.060 here, that of the windows' means 0.190
    and 0.192 (640 and 600 windows).
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
    drops = (gaussian_filter(noise, (0, blur, blur), mode="nearest") > threshold).astype(np.float32)
    mud = gaussian_filter(drops, (0, edge, edge), mode="nearest")
    mud[mud < 0.8] = 0
    spattered: Images = images * (1 - mud) + MUD * mud
    return spattered


def glass_blur(images: Images, amount: tuple[float, int, int], generator: np.random.Generator) -> Images:
    """Return images as if through frosted glass: blurred, pixels swapped with others near them, blurred again.

    amount: standard deviation of the blur in pixels; how far along each axis a pixel is swapped at most; rounds of
    swaps. In a round each pixel is swapped with a probability of one half. As in the original, the blur is along the
    columns alone (scikit-image takes a grey image's second axis for its colours), and swaps reach one pixel less far
    downwards and to the right.
    """
    sigma, reach, rounds = amount
    blurred = gaussian_filter(images, (0, sigma, 0), mode="nearest")
    n, height, width = blurred.shape
    every = np.arange(n)
    for _ in range(rounds):
        for row in range(height - reach, reach, -1):
            for column in range(width - reach, reach, -1):
                swapped = every[generator.random(n) < 0.5]
                down, right = generator.integers(-reach, reach, size=(2, len(swapped)))
                there = swapped, row + down, column + right
                blurred[there], blurred[swapped, row, column] = blurred[swapped, row, column], blurred[there]
    result: Images = gaussian_filter(blurred, (0, sigma, 0), mode="nearest")
    return result


def motion_blur(images: Images, amount: tuple[int, float], generator: np.random.Generator) -> Images:
    """Return images smeared to one side, along a direction of at most 45 degrees from the horizontal.

    amount: radius and standard deviation of the half Gaussian that weights the smear, in pixels. As in ImageMagick, the
    smear is twice as long as the radius, and its pixels are those nearest to a line.
    """
    radius, sigma = amount
    steps = np.arange(2 * radius + 1)
    weights = np.exp(-0.5 * (steps / sigma) ** 2)
    weights /= weights.sum()
    blurred = np.empty_like(images)
    for i, angle in enumerate(generator.uniform(-np.pi / 4, np.pi / 4, len(images))):
        kernel = np.zeros((4 * radius + 1, 4 * radius + 1), np.float32)
        rows, columns = np.rint(steps * np.sin(angle)).astype(int), np.rint(steps * np.cos(angle)).astype(int)
        np.add.at(kernel, (2 * radius + rows, 2 * radius + columns), weights)
        blurred[i] = cv2.filter2D(images[i], -1, kernel, borderType=cv2.BORDER_REPLICATE)
    return blurred


def shear(images: Images, angle: float, generator: np.random.Generator) -> Images:
    """Return images whose columns lean to either side; angle: radians. Rows keep their length, as in scikit-image."""
    angles = angle * _sides(generator, len(images))
    return _move(images, [((1, -np.sin(a)), (0, np.cos(a))) for a in angles])


def rotate(images: Images, angle: float, generator: np.random.Generator) -> Images:
    """Return images rotated to either side; angle: radians."""
    angles = angle * _sides(generator, len(images))
    return _move(images, [((np.cos(a), -np.sin(a)), (np.sin(a), np.cos(a))) for a in angles])


def scale(images: Images, size: float, generator: np.random.Generator) -> Images:
    """Return images of smaller digits; size: of the original's."""
    return _move(images, [((1 / size, 0), (0, 1 / size))] * len(images))


def translate(images: Images, pixels: int, generator: np.random.Generator) -> Images:
    """Return images moved by so many pixels along both axes."""
    n, height, width = images.shape
    down, right = (pixels * _sides(generator, n)[:, None, None] for _ in range(2))
    padded = np.pad(images, ((0, 0), (pixels, pixels), (pixels, pixels)))
    rows, columns = np.arange(height)[:, None] + pixels - down, np.arange(width) + pixels - right
    moved: Images = padded[np.arange(n)[:, None, None], rows, columns]
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
    changed = images
    for _ in range(lines):
        left, right = generator.integers(height - 1, size=(2, n))
        line = _line((np.zeros(n), left), (np.full(n, width - 1), right), images.shape)
        changed = changed + np.where(np.arange(width) % 4 >= 2, line, 0)
    return changed


def zigzag(images: Images, lines: int, generator: np.random.Generator) -> Images:
    """Return images crossed by lines that go up and down by two pixels, eight pixels from one peak to the next."""
    n, height, width = images.shape
    first, last = 2, width - 3
    changed = images
    for _ in range(lines):
        start = generator.integers(height - 1, size=n)
        angle = np.arctan(generator.integers(-5, 5, size=n) / (last - first))
        length = (last - first) / np.cos(angle)
        # Along the line and off it: its peaks, two pixels from the start and then every four, and its end.
        end = length, -1 / (length - 20)
        along = [(0, 0), *((2 + 4 * peak, 2 * (-1) ** peak) for peak in range(6)), end]
        points = [
            (first + np.cos(angle) * x - np.sin(angle) * y, start + np.sin(angle) * x + np.cos(angle) * y)
            for x, y in along
        ]
        for pair in itertools.pairwise(points):
            changed = np.minimum(changed + _line(*pair, images.shape), 1)
    return changed


def canny_edges(images: Images, share: float, generator: np.random.Generator) -> Images:
    """Return images mixed with their edges (Canny 1986, IEEE Transactions on Pattern Analysis and Machine Intelligence
    8), which are found after a blur of one pixel; share: of the edges in the mixture."""
    edges = np.empty(images.shape, np.uint8)
    for i, image in enumerate(np.rint(255 * images).astype(np.uint8)):
        blurred = cv2.GaussianBlur(image, (9, 9), 1, borderType=cv2.BORDER_CONSTANT)
        edges[i] = cv2.Canny(blurred, *EDGES, L2gradient=True)
    return np.float32(1 - share) * images + np.float32(share / 255) * edges


def _line(start: tuple[Column, Column], stop: tuple[Column, Column], shape: tuple[int, ...]) -> Images:
    """Return the ink of a line in each image, float32 (N, H, W): 1 in its middle, 0 from REACH on above and below.

    start, stop: column and row of its ends, both (N,); whole columns are inked.
    """
    _, height, width = shape
    (x, y), (x_end, y_end) = (((a[:, None, None] for a in point)) for point in (start, stop))
    row, column = np.arange(height)[:, None], np.arange(width)
    distance = np.abs(row - y - (y_end - y) / (x_end - x) * (column - x))
    ink = np.clip(1 + np.log(np.maximum(1 - distance / REACH, 1e-9)), 0, 1)
    return np.asarray(np.where((column >= np.floor(x)) & (column < np.ceil(x_end)), ink, 0), np.float32)


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
