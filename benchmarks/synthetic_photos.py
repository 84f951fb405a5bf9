"""Make photographs of handwritten digits: MNIST's digits, inked on paper, lit, and taken with a phone's camera.

For tests and for benchmarks/photo_accuracy.py; nothing is trained on them. Strengths 'mild', 'medium' and 'harsh' are
columns of one table. Every choice comes from the generator given, so that a seed repeats a photo.
"""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mnist_twice.photos.normalize import middle_depths, widened

Floats = NDArray[Any]
Image = NDArray[Any]
LEVELS: dict[str, tuple[Any, Any, Any]] = {
    # strength          mild          medium       harsh
    "digit_height": ((0.4, 0.75), (0.3, 0.75), (0.2, 0.75)),  # of the photo's shorter side
    "turn": (4, 7, 10),  # degrees to either side
    "perspective": (0.01, 0.03, 0.06),  # how far a corner moves, as a fraction of the photo
    "pen": ((-1.0, 0.5), (-1.5, 1.0), (-2.0, 1.6)),  # stroke's change in width, in pixels of the 28x28 image
    "ink": ((0.7, 0.95), (0.55, 0.95), (0.4, 0.9)),  # how much of the light the ink absorbs
    "light": (0.15, 0.35, 0.55),  # how much darker the darkest corner is
    "shadow": (0, 0.3, 0.6),  # probability of a shadow with an edge
    "rulings": (0.3, 0.6, 0.8),  # probability of lines, squares or a box
    "ruling_ink": ((0.1, 0.2), (0.1, 0.35), (0.15, 0.5)),  # how much of the light the lines absorb
    "blackboard": (0.1, 0.2, 0.25),  # probability of light on dark
    "coloured": (0.1, 0.25, 0.4),  # how far the paper's colour may be from white
    "blur": ((0.3, 0.8), (0.5, 1.4), (0.6, 2.2)),  # standard deviation in pixels
    "motion": (0, 4, 9),  # longest smear in pixels
    "noise": ((1, 3), (2, 6), (3, 11)),  # standard deviation, in grey levels
    "jpeg": ((85, 95), (60, 95), (35, 85)),  # quality
    "table": (0, 0.1, 0.25),  # probability that the table beside the sheet is seen
    "specks": (0, 5, 15),  # most specks of dirt
}
"""How bad a photograph may be; each pair is the range that a value is sampled from."""
STRENGTHS = ("mild", "medium", "harsh")
PENS = ((0.1, 0.1, 0.12), (0.08, 0.12, 0.5), (0.25, 0.25, 0.27), (0.6, 0.1, 0.12), (0.05, 0.3, 0.15))
"""Colours of ink, red, green and blue in 0..1: black, blue, pencil, red, green."""


def photograph(rows: Sequence[Sequence[Image]], strength: str, rng: np.random.Generator) -> Image:
    """Return a colour photograph, uint8 (H, W, 3), of digits, uint8 (28, 28) each, written in rows on a page."""
    how = SimpleNamespace(**{name: values[STRENGTHS.index(strength)] for name, values in LEVELS.items()})
    short, long = int(rng.integers(420, 760)), int(rng.integers(760, 1000))
    height, width = [(short, long), (long, short), (short, short)][rng.integers(3)]
    columns = max(len(row) for row in rows)
    cell = min(min(height, width) * rng.uniform(*how.digit_height), 0.8 * height / len(rows), 0.85 * width / columns)
    ink = np.zeros((height, width), np.float32)
    pen = rng.uniform(*how.pen)
    top = rng.uniform(0.3, 0.7) * (height - cell * len(rows))
    left = rng.uniform(0.3, 0.7) * (width - cell * columns)
    for y, row in enumerate(rows):
        for x, digit in enumerate(row):
            _write(ink, digit, left + x * cell, top + y * cell, cell, pen)
    page = _page((height, width), (left, top, cell * columns, cell * len(rows)), cell, how, rng)
    ink *= rng.uniform(*how.ink) * (0.85 + 0.15 * _cloud(ink.shape, 8, rng))  # a pen does not ink evenly
    colour = np.array(PENS[rng.integers(len(PENS))], np.float32)
    scene = page * (1 - ink[:, :, None] * (1 - colour))
    if rng.random() < how.blackboard:
        scene = np.clip(rng.uniform(0.95, 1.05) - scene, 0.04, 1)
    scene = _tilt(scene, how, rng) * _light(ink.shape, how, rng)[:, :, None]
    return _camera(scene, how, rng)


def _write(ink: Floats, digit: Image, left: float, top: float, cell: float, pen: float) -> None:
    """Write the digit into `ink`: its 20x20 box fills about the cell, its outline is smooth, its pen has a width."""
    stroke = enlarged_digit(digit, cell, pen)
    side = len(stroke)
    x, y = round(left + (cell - side) / 2), round(top + (cell - side) / 2)
    rows, columns = slice(max(y, 0), min(y + side, ink.shape[0])), slice(max(x, 0), min(x + side, ink.shape[1]))
    part = stroke[rows.start - y : rows.stop - y, columns.start - x : columns.stop - x]
    np.maximum(ink[rows, columns], part, out=ink[rows, columns])


def enlarged_digit(digit: Image, cell: float, pen: float) -> Floats:
    """Return the digit's ink, float32 (side, side) in 0..1, whose 20x20 box is about as large as the cell, in pixels.

    pen: how much thicker its strokes are, in pixels of the 28x28 image.
    """
    scale = cell / 22
    side = round(28 * scale)
    large = cv2.resize(digit.astype(np.float32) / 255, (side, side), interpolation=cv2.INTER_CUBIC)
    shape = (cv2.GaussianBlur(large, (0, 0), 0.45 * scale) > 0.42).astype(np.uint8)
    # A thinner pen must not break the strokes, so it is as thick as their thinnest parts allow.
    depths = middle_depths(shape)
    thinnest = float(np.percentile(depths, 10)) if len(depths) else 0.0
    return widened(shape, 2 * max(pen * scale / 2, -0.7 * thinnest))


def _page(
    shape: tuple[int, int], area: tuple[float, ...], cell: float, how: SimpleNamespace, rng: np.random.Generator
) -> Floats:
    """Return the empty page, float32 (H, W, 3) in 0..1: coloured, grained, ruled, squared or with a box to fill in."""
    colour = 1 - how.coloured * rng.random(3) * rng.random()
    grain = 0.015 * (_cloud(shape, 2, rng) + _cloud(shape, 12, rng) - 1)
    page: Floats = (rng.uniform(0.8, 0.97) * colour + grain[:, :, None]).astype(np.float32)
    if rng.random() < how.rulings:
        lines = np.zeros(shape, np.uint8)
        thick = int(rng.integers(1, 4))
        kind = rng.choice(["ruled", "squared", "box"])
        pitch = max(14.0, cell * rng.uniform(0.18, 0.6))
        if kind == "box":
            (x, y, width, height), margin = area, cell * rng.uniform(0.06, 0.3)
            corners = [round(x - margin), round(y - margin)], [round(x + width + margin), round(y + height + margin)]
            cv2.rectangle(lines, *corners, 1, thick)
        else:
            for y in np.arange(rng.uniform(0, pitch), shape[0], pitch):
                lines[int(y) : int(y) + thick] = 1
            for x in np.arange(rng.uniform(0, pitch), shape[1], pitch) if kind == "squared" else ():
                lines[:, int(x) : int(x) + thick] = 1
        tint = np.array([(1.0, 0.75, 0.4), (0.9, 0.9, 0.9), (0.4, 1.0, 0.9)][rng.integers(3)], np.float32)
        page *= 1 - rng.uniform(*how.ruling_ink) * lines[:, :, None] * tint
    for _ in range(rng.integers(how.specks + 1)):
        centre = int(rng.integers(shape[1])), int(rng.integers(shape[0]))
        cv2.circle(page, centre, int(rng.integers(1, 3)), (0.4, 0.38, 0.35), -1)
    return page


def _tilt(scene: Floats, how: SimpleNamespace, rng: np.random.Generator) -> Floats:
    """Return the scene turned and seen from the side; beyond the sheet there is more paper, or the table."""
    size = np.array(scene.shape[1::-1])
    corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32) * size.astype(np.float32)
    angle = np.deg2rad(rng.uniform(-how.turn, how.turn))
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    moved = (corners - size / 2) @ turn + size / 2 + rng.uniform(-1, 1, (4, 2)) * how.perspective * size
    onto = cv2.getPerspectiveTransform(corners, moved.astype(np.float32))
    if rng.random() < how.table:
        table = rng.uniform(0.1, 0.5, 3).tolist()
        return cv2.warpPerspective(scene, onto, size.tolist(), borderMode=cv2.BORDER_CONSTANT, borderValue=table)
    return cv2.warpPerspective(scene, onto, size.tolist(), borderMode=cv2.BORDER_REFLECT)


def _light(shape: tuple[int, int], how: SimpleNamespace, rng: np.random.Generator) -> Floats:
    """Return the light on each pixel, float32 (H, W): it falls off to one side, and something may cast a shadow."""
    y, x = np.mgrid[-1 : 1 : shape[0] * 1j, -1 : 1 : shape[1] * 1j]
    angle = rng.uniform(0, 2 * np.pi)
    slope = (x * np.cos(angle) + y * np.sin(angle)) / 2**0.5
    vignette = rng.uniform(0, 0.5) * (x * x + y * y) / 2
    light = 1 - how.light * rng.uniform(0.3, 1) * np.clip((slope + 1) / 2 + vignette, 0, 1)
    if rng.random() < how.shadow:
        angle, reach = rng.uniform(0, 2 * np.pi), rng.uniform(-0.6, 0.6)
        edge = (x * np.cos(angle) + y * np.sin(angle) - reach + 0.1 * np.sin(3 * x + angle)) / rng.uniform(0.02, 0.3)
        light *= 1 - how.light * rng.uniform(0.3, 0.9) / (1 + np.exp(-np.clip(edge, -30, 30)))
    return np.asarray(light, np.float32)


def _camera(scene: Floats, how: SimpleNamespace, rng: np.random.Generator) -> Image:
    """Return what the camera makes of the scene: out of focus, shaken, noisy, and stored as JPEG."""
    photo = cv2.GaussianBlur(scene, (0, 0), rng.uniform(*how.blur))
    smear = int(rng.integers(how.motion + 1))
    if smear > 1:
        kernel = np.zeros((smear, smear), np.float32)
        cv2.line(kernel, (0, int(rng.integers(smear))), (smear - 1, int(rng.integers(smear))), 1)
        photo = cv2.filter2D(photo, -1, kernel / kernel.sum())
    sigma = rng.uniform(*how.noise) / 255
    fine, coarse = (np.asarray(rng.standard_normal(photo.shape, np.float32)) for _ in range(2))
    noise = sigma * (fine + 2 * cv2.GaussianBlur(coarse, (0, 0), 1))
    photo = np.rint(np.clip(photo * rng.uniform(0.75, 1.02) + noise, 0, 1) * 255).astype(np.uint8)
    quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(how.jpeg[0], how.jpeg[1] + 1))]
    stored = cv2.imdecode(cv2.imencode(".jpg", photo[:, :, ::-1], quality)[1], cv2.IMREAD_COLOR)
    return np.ascontiguousarray(np.asarray(stored)[:, :, ::-1])


def _cloud(shape: tuple[int, int], size: int, rng: np.random.Generator) -> Floats:
    """Return noise in 0..1 whose blobs are `size` pixels wide, float32 of the shape."""
    coarse = rng.random((shape[0] // size + 2, shape[1] // size + 2)).astype(np.float32)
    return np.asarray(cv2.resize(coarse, shape[::-1], interpolation=cv2.INTER_LINEAR))
