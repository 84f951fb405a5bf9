"""Make pictures that a person reads at a glance: crops, thick pens, boards, plots, transparency, odd values, colours.

For tests and for benchmarks/photo_accuracy.py; nothing is trained on them. KINDS has a maker for each kind: from a
digit, uint8 (28, 28), and a generator that all its choices come from, it makes an image for a PNG or TIFF file.
"""

import io
from collections.abc import Callable
from functools import partial
from typing import Any

import cv2
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from benchmarks.synthetic_photos import enlarged_digit
from mnist_twice.photos.normalize import scaled, widened

Array = NDArray[Any]  # ink is float32 (H, W) of 0..1
Maker = Callable[[Array, np.random.Generator], Image.Image]
PENS = np.array([(0, 0, 0), (255, 255, 255), (200, 30, 30), (30, 30, 200), (20, 120, 40), (0, 110, 120)])
"""Black, white, red, blue, green, teal."""
GREY = (0.299, 0.587, 0.114)
SCALES = ((1, 0), (-1, 1), (3.25, -0.42), (2, -1), (1e-3, 0), (50, 1000), (1e6, -3e5))
"""Factors of floats, and what is added to them."""


def enlarged(digit: Array, rng: np.random.Generator) -> Image.Image:
    """Return the image as MNIST has it, but 20 to 400 pixels large, in half of the cases black on white."""
    large = cv2.resize(digit, [int(rng.integers(20, 401))] * 2, interpolation=cv2.INTER_CUBIC)
    return Image.fromarray(large if rng.random() < 0.5 else 255 - large)


def cropped(digit: Array, rng: np.random.Generator, touching: tuple[int, ...] = (0, 4)) -> Image.Image:
    """Return a crop of which so many sides touch the ink; 100 pixels large with margins of 0 to 10 for (0, 4), else the
    free sides are 15 to 50 % of the digit away. Half of the crops are noisy, half are blurred."""
    free = rng.permutation(4) >= rng.choice(touching)
    part = rng.uniform(0, 0.1, 4) if 0 in touching else rng.uniform(0.15, 0.5, 4)
    size = 100 if 0 in touching else int(rng.integers(60, 240))
    ink = cv2.GaussianBlur(_ink(digit, size), (0, 0), size * rng.choice([0.002, 0.025]))
    return _in_grey(np.pad(ink, (size * part * free).astype(int).reshape(2, 2)), rng, 8)


def thick_pen(digit: Array, rng: np.random.Generator) -> Image.Image:
    """Return a canvas that the digit fills, in strokes of about 5 to 30 % of its side."""
    ink = _ink(digit, int(280 * rng.uniform(0.8, 0.98)), rng.uniform(-2, 6))
    return _in_grey(_within(ink, (280, 280), rng), rng)


def board(digit: Array, rng: np.random.Generator, dark: bool, noise: float = 3) -> Image.Image:
    """Return a dark board on a light wall, or a light one on a dark wall; without noise, a canvas on a page."""
    canvas = np.asarray(_in_grey(_canvas(digit, rng, int(rng.integers(250, 420))), rng, inverted=dark))
    wall = _within(canvas, tuple(rng.integers((450, 500), (600, 800))), rng, 240 if dark else 40)
    photo = cv2.GaussianBlur(wall.astype(np.float32), (0, 0), 0.4 + noise / 4) + rng.normal(0, noise, wall.shape)
    return Image.fromarray(np.clip(photo, 0, 255).astype(np.uint8))


def window(digit: Array, rng: np.random.Generator) -> Image.Image:
    """Return a screen with a window, light or dark, with a title and a canvas of either brightness."""
    window, screen, title, text = (235, 45, 212, 30) if rng.random() < 0.5 else (40, 240, 72, 220)
    canvas = np.asarray(_in_grey(_canvas(digit, rng, int(rng.integers(220, 320))), rng))
    inner = _within(canvas, (400, 500), rng, window)
    inner[:28] = title
    cv2.putText(inner, "Paint", (12, 19), 0, 0.5, text, 1, cv2.LINE_AA)
    return Image.fromarray(_within(inner, (560, 760), rng, screen))


def plot(digit: Array, rng: np.random.Generator, colours: str) -> Image.Image:
    """Return what plt.imshow and savefig make of the digit: with or without axes and colour bar."""
    figure = Figure(dpi=int(rng.choice([72, 100, 150])))
    axes = figure.subplots()
    image = axes.imshow(digit, cmap=colours)
    axes.set(title="a digit", frame_on=rng.random() < 0.7)
    if rng.random() < 0.2:
        figure.colorbar(image)
    figure.savefig(file := io.BytesIO())
    return Image.open(file)


def transparent(digit: Array, rng: np.random.Generator, beside: str) -> Image.Image:
    """Return ink on nothing with an outline, an eraser's white strokes or a shadow beside it, or on a sticker."""
    ink: Array = _canvas(digit, rng)
    shape: Array = np.zeros((280, 280), np.float32)
    pen, paper = PENS[rng.integers(len(PENS))], PENS[1]
    if beside == "shadow":
        shape = np.roll(cv2.GaussianBlur(ink, (0, 0), rng.uniform(2, 8)), rng.integers(3, 12, 2), (0, 1)) / 2
        paper = PENS[0]
    elif beside == "erased":
        pen = PENS[0]
        for start, stop in rng.integers(0, 280, (2, 2, 2)).tolist():
            cv2.line(shape, start, stop, 1, int(rng.integers(8, 25)))
        shape[_wider(ink, 8) > 0] = 0
    else:
        pen, paper = PENS[[1, rng.choice([0, 2, 3, 4, 5])]][rng.permutation(2)]
        if beside == "outlined":
            shape = np.clip(cv2.GaussianBlur(_wider(ink, rng.uniform(6, 40)), (0, 0), 2), 0, 1)
        elif rng.random() < 0.5:
            cv2.circle(shape, (140, 140), 138, 1, -1, cv2.LINE_AA)
        else:
            shape[5:275, 5:275] = 1
    alpha = ink + (1 - ink) * shape
    colour = (pen * ink[..., None] + paper * ((1 - ink) * shape)[..., None]) / np.maximum(alpha, 1e-6)[..., None]
    return Image.fromarray(np.rint(np.dstack([colour, 255 * alpha])).astype(np.uint8))


def values(digit: Array, rng: np.random.Generator, bits: int) -> Image.Image:
    """Return floats of 32 bits that an enlargement overshoots, or 16 bits, with any lowest and highest value."""
    large = cv2.resize(digit.astype(np.float32) / 255, (280, 280), interpolation=cv2.INTER_CUBIC)
    if bits == 32:
        scale, lowest = SCALES[rng.integers(len(SCALES))]
        return Image.fromarray((scale * large + lowest).astype(np.float32))
    span = int(rng.choice([1, 3, 40, 1000, 4095, 30000]))
    return Image.fromarray((rng.integers(65536 - span) + np.rint(span * np.clip(large, 0, 1))).astype(np.uint16))


def coloured(digit: Array, rng: np.random.Generator, pale: bool) -> Image.Image:
    """Return a pale pen on white, 15 to 60 levels in one channel, or pen and paper whose grey is nearly the same."""
    pen = paper = np.full(3, rng.integers(240, 256))
    if pale:
        pen = paper - rng.permutation([rng.integers(15, 60), rng.choice([0, 15]), 0])
    while np.ptp(pen - paper) < (15 if pale else 60) or (not pale and abs((pen - paper) @ GREY) > 5):
        pen, paper = rng.integers(0, 256, (2, 3))
    ink = _canvas(digit, rng)[..., None]
    pixels = paper + (pen - paper) * ink + rng.normal(0, rng.choice([0, 1]), (280, 280, 3))
    return Image.fromarray(np.clip(np.rint(pixels), 0, 255).astype(np.uint8))


KINDS: dict[str, Maker] = {
    "enlarged": enlarged,
    "cropped to the ink": cropped,
    "ink at the edge": partial(cropped, touching=(1, 2, 4)),
    "thick pens": thick_pen,
    "dark board, light wall": partial(board, dark=True),
    "light board, dark wall": partial(board, dark=False),
    "black canvas on a page": partial(board, dark=True, noise=0),
    "a window on a screen": window,
    **{f"imshow, {colours}": partial(plot, colours=colours) for colours in ("gray", "gray_r", "viridis")},
    **{
        f"transparent, {beside}": partial(transparent, beside=beside)
        for beside in ("outlined", "erased", "sticker", "shadow")
    },
    "floats": partial(values, bits=32),
    "16 bits": partial(values, bits=16),
    "palettes": lambda digit, rng: transparent(digit, rng, "shadow").quantize(8),
    "colours of one grey": partial(coloured, pale=False),
    "pale pens": partial(coloured, pale=True),
}


def _ink(digit: Array, tall: int, thicker: float = 0.0) -> Array:
    """Return the digit's ink so many pixels high or wide, to its edges; `thicker` in pixels of the 28x28 image."""
    large = enlarged_digit(digit, 300, thicker)
    x, y, width, height = cv2.boundingRect((large > 0.5).astype(np.uint8))
    return np.asarray(np.clip(scaled(large[y : y + height, x : x + width], tall), 0, 1))


def _wider(ink: Array, by: float) -> Array:
    return widened((ink > 0.5).astype(np.uint8), by)


def _canvas(digit: Array, rng: np.random.Generator, side: int = 280) -> Array:
    """Return the digit somewhere on a square canvas with room around it."""
    return _within(_ink(digit, int(side * rng.uniform(0.4, 0.7))), (side, side), rng)


def _within(part: Array, shape: tuple[int, ...], rng: np.random.Generator, empty: float = 0.0) -> Array:
    """Return the part near the middle of an array of the shape."""
    whole = np.full(shape, empty, part.dtype)
    y, x = (np.subtract(shape, part.shape) * rng.uniform(0.3, 0.7, 2)).astype(int)
    whole[y : y + part.shape[0], x : x + part.shape[1]] = part
    return whole


def _in_grey(ink: Array, rng: np.random.Generator, noise: float = 0.0, inverted: bool | None = None) -> Image.Image:
    """Return dark ink on light paper or, in half of the cases, the reverse; with noise in half of them."""
    grey = rng.uniform(225, 255) - ink * rng.uniform(170, 225) + rng.normal(0, rng.choice([0, noise]), ink.shape)
    inverted = rng.random() < 0.5 if inverted is None else inverted
    return Image.fromarray(np.clip(255 - grey if inverted else grey, 0, 255).astype(np.uint8))
