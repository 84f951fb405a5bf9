"""Digits in other handwriting and pens, as photographs show them, some with a rest of a line, a gap or a full stop.

Made of the training images and of drawn strokes only: the forms that MNIST's American writers hardly used. A barred 7,
a 1 with a flag or a foot, an open 4 and 6, a 3 with a flat top or a tail, and the plain forms of print.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

DRAWN = 0.5  # of the images changed, the fraction that is drawn anew; the others keep their writer and get another pen
LINE, GAP, STOP = 0.25, 0.15, 0.05
"""Of the images changed, the fractions with what is left of a printed line, with a gap where one was taken away, and
with a full stop."""
FINER = 3  # other pens are drawn 3 times as large

Points = NDArray[np.float64]

WOBBLE = 0.035  # standard deviation by which each point of a stroke is off, as a fraction of the digit's height
SIDE, BOX = 28, 20  # MNIST's digits fill a box of 20 pixels in 28
FINE = 4  # digits are drawn 4 times as large

# Each line is a form of the digit that it begins with. Strokes are separated by |, and points given as x y in
# hundredths of the digit's height, y downwards. The pen curves through them; a point written twice is a corner.
FORMS = """\
0: 35 0, 10 15, 0 50, 10 85, 35 100, 60 85, 70 50, 60 15, 35 0, 28 2
0: 40 3, 15 12, 2 50, 15 88, 36 100, 62 80, 68 45, 55 10, 30 0, 12 10
1: 0 0, 0 0, 0 100, 0 100
1: 0 28, 0 28, 30 0, 30 0, 30 100, 30 100
1: 0 14, 0 14, 18 0, 18 0, 18 100, 18 100
1: 0 45, 0 45, 35 0, 35 0, 32 100, 32 100
1: 0 25, 0 25, 28 0, 28 0, 28 100, 28 100 | 2 100, 2 100, 54 100, 54 100
1: 20 0, 20 0, 20 100, 20 100 | 0 100, 0 100, 40 100, 40 100
2: 2 22, 14 4, 36 0, 58 10, 60 30, 44 55, 0 100, 0 100, 64 100, 64 100
2: 4 20, 30 0, 56 12, 52 40, 20 80, 0 94, 6 100, 20 90, 40 94, 66 100
2: 0 8, 30 0, 54 14, 46 45, 4 100, 4 100, 62 94, 62 94
3: 2 14, 26 0, 52 10, 50 34, 22 46, 22 46, 56 58, 58 84, 30 100, 0 88
3: 0 0, 0 0, 56 0, 56 0, 22 40, 22 40, 58 56, 58 86, 28 100, 0 90
3: 4 10, 30 0, 50 14, 40 36, 16 44, 16 44, 48 54, 54 76, 36 96, 8 100, -6 90, 4 82
3: 0 2, 44 0, 48 8, 16 36, 16 36, 44 44, 48 64, 26 92, -8 112
3: 2 6, 2 6, 40 0, 46 12, 18 38, 18 38, 46 44, 50 66, 30 90, -4 106
4: 34 0, 34 0, 0 66, 0 66, 66 66, 66 66 | 48 28, 48 28, 44 100, 44 100
4: 50 100, 50 100, 50 0, 50 0, 0 70, 0 70, 70 70, 70 70
4: 6 0, 6 0, 0 48, 4 54, 56 52, 56 52 | 52 0, 52 0, 46 100, 46 100
4: 14 0, 14 0, 2 56, 4 60, 40 52, 40 52 | 44 36, 44 36, 36 100, 36 100
4: 10 0, 10 0, 0 64, 2 70, 50 62, 50 62 | 40 40, 40 40, 44 100, 44 100
4: 2 0, 2 0, 0 56, 0 56, 44 56, 44 56 | 44 0, 44 0, 44 100, 44 100
4: 24 0, 24 0, 0 62, 0 62, 58 58, 58 58 | 44 34, 44 34, 40 100, 40 100
5: 8 0, 8 0, 4 42, 4 42, 34 38, 56 56, 52 86, 26 100, 0 92 | 8 0, 8 0, 56 0, 56 0
5: 58 0, 58 0, 12 2, 12 2, 6 44, 6 44, 38 40, 56 62, 44 92, 20 100, 0 90
5: 54 0, 54 0, 10 0, 10 0, 4 50, 4 50, 30 40, 52 50, 56 70, 44 94, 24 100, 4 92, 0 80
5: 52 0, 30 2, 16 10, 12 36, 34 48, 48 66, 38 92, 10 100, -4 92
5: 12 12, 12 12, 6 48, 6 48, 34 46, 48 68, 34 94, 0 102 | 10 6, 10 6, 60 -2, 60 -2
6: 48 0, 22 18, 4 52, 6 84, 26 100, 48 88, 50 66, 30 54, 6 70
6: 30 0, 10 36, 0 76, 16 98, 40 94, 46 72, 30 60, 8 74
6: 38 0, 14 30, 0 70, 10 96, 34 98, 44 82, 34 70, 20 78
6: 56 16, 46 2, 26 0, 8 14, 0 48, 6 86, 28 100, 52 90, 58 68, 48 44, 28 38, 8 50, 2 62
6: 20 0, 8 40, 0 80, 10 98, 36 96, 44 78, 32 62, 4 76
6: 46 4, 24 2, 6 28, 0 64, 12 94, 34 100, 54 84, 50 58, 28 48, 4 62
7: 0 0, 0 0, 58 0, 58 0, 22 100, 22 100
7: 0 2, 0 2, 56 0, 56 0, 24 100, 24 100 | 14 52, 14 52, 60 48, 60 48
7: 0 4, 14 8, 56 0, 56 0, 34 48, 26 100, 26 100 | 6 50, 6 50, 56 50, 56 50
7: 0 22, 0 22, 2 2, 2 2, 52 0, 52 0, 40 50, 36 100, 36 100
7: 0 26, 0 26, 4 4, 4 4, 44 2, 44 2, 46 50, 44 100, 44 100
7: 4 14, 4 14, 2 0, 2 0, 58 2, 58 2, 30 100, 30 100 | 18 54, 18 54, 58 50, 58 50
7: 0 14, 4 4, 36 0, 36 0, 24 100, 24 100 | 0 62, 0 62, 58 58, 58 58
7: 2 12, 6 4, 50 2, 50 2, 20 96, 20 96 | 2 66, 2 66, 62 50, 62 50
7: 0 4, 20 6, 60 0, 60 0, 34 40, 24 70, 20 100
8: 50 10, 26 0, 6 14, 14 36, 44 56, 54 80, 30 100, 4 84, 14 58, 44 36, 52 12
8: 28 0, 8 10, 8 34, 28 46, 48 34, 48 10, 28 0 | 28 46, 2 60, 2 88, 28 100, 54 88, 54 60, 28 46
8: 48 6, 24 0, 8 18, 26 44, 40 74, 26 98, 8 82, 22 52, 40 24, 54 0
9: 50 16, 28 0, 4 14, 4 40, 26 50, 48 36, 52 8, 52 8, 48 100, 48 100
9: 48 14, 24 0, 2 20, 8 44, 32 44, 50 10, 50 10, 48 70, 34 98, 2 92
9: 46 10, 22 2, 0 24, 10 48, 36 40, 46 8, 46 8, 40 60, 16 100, 16 100
9: 2 84, 12 98, 32 100, 50 86, 58 52, 52 14, 30 0, 6 10, 0 32, 10 56, 30 62, 50 50, 56 38
9: 50 28, 28 0, 4 22, 16 48, 44 40, 52 28, 48 70, 24 100, 4 94
9: 40 4, 14 6, 0 30, 16 42, 40 26, 42 2, 42 2, 50 60, 40 102, 12 104, 6 92
"""
STROKES: dict[int, list[list[Points]]] = {digit: [] for digit in range(10)}
for form in FORMS.splitlines():
    strokes = form[3:].replace(",", "").split("|")
    STROKES[int(form[0])].append([np.fromstring(stroke, sep=" ").reshape(-1, 2) / 100 for stroke in strokes])


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
            cut = image.copy()
            _cross(cut, generator.uniform(8, 20), 0, generator)
            image = cut if cut.sum() > 0.7 * image.sum() else image  # the stem of a 1 is more than a gap
        if line < LINE:
            image = _with_line(image, generator)
        elif stop < STOP:  # a dot at its foot, or a speck anywhere
            x, y = generator.uniform(3, 25, 2) if generator.random() < 0.5 else (generator.uniform(20, 25), 23.0)
            radius = int(generator.integers(4, 10))
            cv2.circle(image, (round(8 * x), round(8 * y)), radius, 255, -1, cv2.LINE_AA, 3)
        changed[i] = image
    return changed


def _other_pen(image: NDArray[np.uint8], generator: np.random.Generator) -> NDArray[np.uint8]:
    """Return the digit by a thinner or thicker pen, narrower or wider, as dark as ink is."""
    narrow = float(generator.uniform(0.7, 1.1))
    middle = (SIDE - 1) / 2
    scale = np.array([[narrow, 0, middle - narrow * middle], [0, 1, 0]])
    stretched = cv2.warpAffine(image, scale, (SIDE, SIDE))
    large = cv2.resize(stretched, (FINER * SIDE, FINER * SIDE), interpolation=cv2.INTER_CUBIC)
    # The lower the level of a blurred stroke that counts as its edge, the wider it becomes.
    smooth = cv2.GaussianBlur(large, (0, 0), 0.8 * FINER)
    edge = 255 * generator.uniform(0.25, 0.55)
    ink = np.clip((smooth.astype(np.float32) - edge) * (FINER * 1.5) + 128, 0, 255).astype(np.uint8)
    return _centred(ink) if ink.any() else image.copy()


def _with_line(image: NDArray[np.uint8], generator: np.random.Generator) -> NDArray[np.uint8]:
    """Return the digit, smaller, with a line along one or two of its sides: together they fill the box of 20 pixels."""
    size = generator.uniform(0.75, 0.95)
    corner = (SIDE - 1) / 2 * (1 - size)
    small = cv2.warpAffine(image, np.array([[size, 0, corner], [0, size, corner]]), (SIDE, SIDE))
    for _ in range(1 + (generator.random() < 0.3)):
        away = 10 * size + generator.uniform(0, 2)
        _cross(small, SIDE / 2 + away * generator.choice([-1, 1]), int(generator.integers(90, 256)), generator)
    return _centred(small)


def _cross(image: NDArray[Any], at: float, ink: int, generator: np.random.Generator) -> None:
    """Draw a nearly straight line of that ink into the image, level or upright, `at` pixels from its edge."""
    start, stop = np.sort(generator.uniform(2, SIDE - 2, 2))
    start, stop = (0.0, float(SIDE)) if generator.random() < 0.5 else (start, stop)
    slant = generator.uniform(-0.1, 0.1) * SIDE / 2
    points = np.array([[start, at - slant], [stop, at + slant]])
    points = points[:, ::-1] if generator.random() < 0.5 else points
    thick = int(generator.integers(1, 3))
    cv2.polylines(image, [np.rint(8 * points).astype(np.int32)], False, ink, thick, cv2.LINE_AA, 3)


def write_digit(digit: int, generator: np.random.Generator) -> NDArray[np.uint8]:
    """Return the digit in one of its forms, by a hand and a pen of its own, uint8 (28, 28) as MNIST has its digits."""
    forms = STROKES[digit]
    form = forms[generator.integers(len(forms))]
    aspect, slant, turn, pen = generator.random(4)
    turn = 0.3 * turn - 0.15
    cosine, sine = np.cos(turn), np.sin(turn)
    # As wide as print or half as wide, leaning as handwriting does, thin or thick.
    hand = np.array([[0.6 + 0.65 * aspect, 0.15 - 0.5 * slant], [0, 1]]).T @ np.array([[cosine, sine], [-sine, cosine]])
    width = 1.0 + 3.0 * pen
    strokes = [_curve(points, generator) @ hand for points in form]
    every = np.concatenate(strokes)
    low, high = every.min(axis=0), every.max(axis=0)
    scale = FINE * (BOX - width) / float((high - low).max())
    middle = FINE * SIDE / 2
    image = np.zeros((FINE * SIDE, FINE * SIDE), np.uint8)
    for stroke in strokes:
        points = np.rint(8 * ((stroke - (low + high) / 2) * scale + middle)).astype(np.int32)
        cv2.polylines(image, [points], False, 255, round(FINE * width), cv2.LINE_AA, 3)
    return _centred(image)


def _centred(image: NDArray[Any]) -> NDArray[np.uint8]:
    """Return an image, uint8 (H, W), as 28x28 pixels with the centre of mass in the middle, as MNIST has it."""
    moments = cv2.moments(image)
    middle = 14.5 * image.shape[0] / SIDE - 0.5
    rows, columns = np.flatnonzero(image.max(axis=1)), np.flatnonzero(image.max(axis=0))
    # Not so far that ink leaves the image.
    x = np.clip(middle - moments["m10"] / moments["m00"], -columns[0], image.shape[1] - 1 - columns[-1])
    y = np.clip(middle - moments["m01"] / moments["m00"], -rows[0], image.shape[0] - 1 - rows[-1])
    moved = cv2.warpAffine(image, np.array([[1, 0, x], [0, 1, y]]), image.shape[::-1])
    return np.asarray(cv2.resize(moved, (SIDE, SIDE), interpolation=cv2.INTER_AREA), np.uint8)


def _curve(points: Points, generator: np.random.Generator) -> Points:
    """Return points along the Catmull-Rom spline through the points, each a little off: smooth, but for corners."""
    # A point that is written twice stays one, the corner that it stands for.
    number = np.r_[0, np.cumsum((np.diff(points, axis=0) != 0).any(axis=1))]
    points = points + generator.normal(0, WOBBLE, points.shape)[number]
    padded = np.concatenate([points[:1], points, points[-1:]])[:, None]
    before, start, stop, after = padded[:-3], padded[1:-2], padded[2:-1], padded[3:]
    t = np.linspace(0, 1, 6, endpoint=False)[:, None]
    curve = start + 0.5 * t * (
        stop - before + t * (2 * before - 5 * start + 4 * stop - after + t * (3 * (start - stop) + after - before))
    )
    return np.concatenate([curve.reshape(-1, 2), points[-1:]])
