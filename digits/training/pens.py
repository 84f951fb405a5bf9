"""Images as photographs of other hands give them: other forms and pens, what is left of a line, a gap, a full stop.

Made of the training images and of drawn strokes (digits/training/hands.py) alone.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from digits.training.hands import centred, write_digit

DRAWN = 0.5
"""Of the images changed, the fraction that is drawn anew; the others keep their writer and get another pen."""
LINE, GAP, STOP = 0.25, 0.15, 0.05
"""Of the images changed, the fractions with what is left of a printed line, with a gap where one was taken away, and
with a full stop."""
SIDE, FINE = 28, 3


def imitate_pens(
    images: NDArray[np.uint8], labels: NDArray[np.uint8], generator: np.random.Generator, fraction: float
) -> NDArray[np.uint8]:
    """Return a copy of the images, uint8 (N, 28, 28), of which about this fraction is changed.

    labels: the digits 0 to 9, uint8 (N,).
    """
    changed = images.copy()
    for i in np.flatnonzero(generator.random(len(images)) < fraction):
        drawn, line, gap, stop = generator.random(4)
        image = write_digit(int(labels[i]), generator) if drawn < DRAWN else _other_pen(images[i], generator)
        if gap < GAP:
            cut = _crossed(image, generator.uniform(8, 20), 0, generator)
            image = cut if cut.sum() > 0.7 * image.sum() else image  # the stem of a 1 is more than a gap
        if line < LINE:
            image = _with_line(image, generator)
        elif stop < STOP:
            image = _with_stop(image, generator)
        changed[i] = image
    return changed


def _other_pen(image: NDArray[np.uint8], generator: np.random.Generator) -> NDArray[np.uint8]:
    """Return the digit by a thinner or thicker pen, narrower or wider, as dark as ink is."""
    narrow = float(generator.uniform(0.7, 1.1))
    middle = (SIDE - 1) / 2
    scale = np.array([[narrow, 0, middle - narrow * middle], [0, 1, 0]])
    stretched = cv2.warpAffine(image, scale, (SIDE, SIDE))
    large = cv2.resize(stretched, (FINE * SIDE, FINE * SIDE), interpolation=cv2.INTER_CUBIC)
    # The lower the level of a blurred stroke that counts as its edge, the wider it becomes.
    smooth = cv2.GaussianBlur(large, (0, 0), 0.8 * FINE)
    edge = 255 * generator.uniform(0.25, 0.55)
    ink = np.clip((smooth.astype(np.float32) - edge) * (FINE * 1.5) + 128, 0, 255).astype(np.uint8)
    return centred(ink) if ink.any() else image.copy()


def _with_line(image: NDArray[np.uint8], generator: np.random.Generator) -> NDArray[np.uint8]:
    """Return the digit, smaller, with a line along one or two of its sides: together they fill the box of 20 pixels."""
    size = generator.uniform(0.75, 0.95)
    corner = (SIDE - 1) / 2 * (1 - size)
    small: NDArray[Any] = cv2.warpAffine(image, np.array([[size, 0, corner], [0, size, corner]]), (SIDE, SIDE))
    for _ in range(1 + (generator.random() < 0.3)):
        away = 10 * size + generator.uniform(0, 2)
        small = _crossed(
            small, SIDE / 2 + away * generator.choice([-1, 1]), int(generator.integers(90, 256)), generator
        )
    return centred(small)


def _crossed(image: NDArray[np.uint8], at: float, ink: int, generator: np.random.Generator) -> NDArray[np.uint8]:
    """Return the image with a nearly straight line of that ink, level or upright, `at` pixels from its edge."""
    start, stop = np.sort(generator.uniform(2, SIDE - 2, 2))
    start, stop = (0.0, float(SIDE)) if generator.random() < 0.5 else (start, stop)
    slant = generator.uniform(-0.1, 0.1) * SIDE / 2
    points = np.array([[start, at - slant], [stop, at + slant]])
    points = points[:, ::-1] if generator.random() < 0.5 else points
    thick = int(generator.integers(1, 3))
    changed = image.copy()
    cv2.polylines(changed, [np.rint(8 * points).astype(np.int32)], False, ink, thick, cv2.LINE_AA, 3)
    return changed


def _with_stop(image: NDArray[np.uint8], generator: np.random.Generator) -> NDArray[np.uint8]:
    """Return the digit with a dot at its foot, or with a speck anywhere."""
    x, y = generator.uniform(3, 25, 2) if generator.random() < 0.5 else (generator.uniform(20, 25), 23.0)
    changed = image.copy()
    cv2.circle(changed, (round(8 * x), round(8 * y)), int(generator.integers(4, 10)), 255, -1, cv2.LINE_AA, 3)
    return changed
