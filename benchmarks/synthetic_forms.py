"""Make scans of numbers that are filled in by hand: MNIST's digits, many of which touch or overlap, on a bank's forms.

For benchmarks/photo_accuracy.py; nothing is trained on them. Every choice comes from the generator given.
"""

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.synthetic_photos import enlarged_digit

Floats = NDArray[Any]
APART, TOUCHING, OVERLAPPING = (0.03, 0.25), (-0.01, 0.01), (-0.1, -0.01)
"""Ink of neighbours is so far apart where it is nearest, as a fraction of the digits' height."""
SPACINGS = (0.45, 0.3, 0.25)
"""How often two neighbours are apart, touch and overlap."""


def number_on_form(digits: NDArray[Any], rng: np.random.Generator) -> NDArray[Any]:
    """Return a grey scan, uint8 (H, W), of digits, uint8 (N, 28, 28), written beside each other as one number."""
    height = rng.uniform(25, 90)
    ink = _line_of_ink(_by_one_hand(digits, height, rng), height, rng)
    margins = np.rint(height * rng.uniform(0.03, 0.6, 4)).astype(int)
    ink = np.pad(ink, (margins[:2], margins[2:]))
    y, x = np.indices(ink.shape, np.float32)
    # Paper in uneven light, on some forms with a pattern that is hard to copy.
    page = rng.uniform(0.75, 0.97) * (1 - rng.uniform(0, 0.15) * x / ink.shape[1])
    if rng.random() < 0.3:
        page *= 1 - rng.uniform(0.02, 0.08) * (1 + np.sin(x * rng.uniform(0.1, 0.5) + 3 * np.sin(y / height * 4)))
    page *= 1 - rng.uniform(0.3, 0.85) * _printed(ink.shape, margins, height, rng)
    scan = page * (1 - rng.uniform(0.5, 0.9) * ink)
    scan = cv2.GaussianBlur(scan, (0, 0), rng.uniform(0.3, 0.9))
    scan += rng.normal(0, rng.uniform(0.005, 0.04), scan.shape)
    quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(50, 96))]
    stored = cv2.imencode(".jpg", np.rint(255 * np.clip(scan, 0, 1)).astype(np.uint8), quality)[1]
    return np.asarray(cv2.imdecode(stored, cv2.IMREAD_GRAYSCALE))


def _by_one_hand(digits: NDArray[Any], height: float, rng: np.random.Generator) -> list[Floats]:
    """Return each digit's ink, float32 (H, W) in 0..1 without a margin, by one pen, about so high, in pixels."""
    usual_slant, narrow, pen = rng.uniform(-0.15, 0.3), rng.uniform(0.8, 1.15), rng.uniform(-1.2, 0.8)
    written = []
    for digit in digits:
        large = enlarged_digit(digit, 1.1 * height * rng.uniform(0.85, 1.12), pen)
        side, slant = len(large), usual_slant + rng.normal(0, 0.05)
        move = np.array([[narrow, -slant, side * (1 + slant / 2 - narrow / 2)], [0, 1, 0]])
        sheared = cv2.warpAffine(large, move, (2 * side, side))
        x, y, width, high = cv2.boundingRect((sheared > 0.5).astype(np.uint8))
        written.append(sheared[y : y + high, x : x + width])
    return written


def _line_of_ink(digits: Sequence[Floats], height: float, rng: np.random.Generator) -> Floats:
    """Return the digits' ink on one base line, each moved towards its neighbour until it is as near as it should be."""
    room = round(2 * height)
    canvas = np.zeros((room, round(2.5 * height * len(digits))), np.float32)
    right = np.full(room, -1e6)  # in each row, where the ink ends so far
    for digit in digits:
        high, width = digit.shape
        top = round(1.6 * height - high + rng.normal(0, 0.05) * height)
        inked = digit > 0.5
        first = np.where(inked.any(axis=1), inked.argmax(axis=1), 1e6)
        gap = rng.uniform(*(APART, TOUCHING, OVERLAPPING)[rng.choice(3, p=SPACINGS)]) * height
        # Rows of a stroke nearby count, so that a digit is not pushed below the neighbour's.
        reach = max(1, round(0.06 * height)) * 2 + 1
        near = cv2.dilate(right[:, None], np.ones((reach, 1))).ravel()
        left = max(0, round(float((near[top : top + high] - first).max() + 1 + gap)))
        part = canvas[top : top + high, left : left + width]
        np.maximum(part, digit, out=part)
        last = np.where(inked.any(axis=1), width - 1 - inked[:, ::-1].argmax(axis=1), -1e6)
        right[top : top + high] = np.maximum(right[top : top + high], left + last)
    x, y, width, high = cv2.boundingRect((canvas > 0.5).astype(np.uint8))
    return canvas[y : y + high, x : x + width]


def _printed(shape: tuple[int, ...], margins: NDArray[Any], height: float, rng: np.random.Generator) -> Floats:
    """Return what the form has printed, float32 (H, W) in 0..1: nothing, a line, or a box around all."""
    lines = np.zeros(shape, np.float32)
    top, bottom, left, right = (round(float(margin * rng.uniform(0.1, 0.9))) for margin in margins)
    bottom, right = shape[0] - 1 - bottom, shape[1] - 1 - right
    thick = max(1, round(height * rng.uniform(0.015, 0.05)))
    match rng.choice(["plain", "line", "box"], p=[0.3, 0.4, 0.3]):
        case "line":
            # The digits stand above it, on it, or reach a little below it.
            at = shape[0] - 1 - round(float(margins[1] + height * rng.uniform(-0.4, 0.12)))
            at = min(at, shape[0] - 2)
            ends = (0, shape[1]) if rng.random() < 0.5 else (left, right)
            cv2.line(lines, (ends[0], at), (ends[1], at), 1, thick)
        case "box":
            cv2.rectangle(lines, (left, top), (right, bottom), 1, thick)
    return lines
