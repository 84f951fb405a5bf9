"""Pieces that are no digit, as cuts through touching digits and signs beside them give them, for one more output.

Made of the images given and of drawn lines alone. A reader of photographs tries many cuts; trained on what wrong ones
leave, the network says of each piece whether it is a digit at all.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from mnist_twice.photos.normalize import SIDE, to_mnist

NO_DIGIT = 10  # the label of what is none of the digits 0 to 9
SIGN = 0.2
"""Of the images changed, the fraction that are lines and signs; the others are cut out of two digits side by side."""
WHOLE = 0.5  # of the cuts, the fraction that runs about between the two digits, which leaves a digit with a flaw
FLAW, RUIN = 0.15, 0.35
"""Up to how much ink, as a fraction of the digit's, may be missing or be its neighbour's where it is still a digit, and
from how much on it is none. What is between is neither, and is not used."""
TIMES = 8  # cuts that are tried for an image; where none will do, it stays
SIGNS = (
    *("0 0 9 0", "0 0 9 2", "0 0 9 0 | 0 4 9 4", "0 5 9 5 | 5 0 5 9", "0 0 9 9 | 0 9 9 0", "0 9 9 0 | 4 9 13 0"),
    *("0 3 9 3 | 0 6 9 6 | 3 0 3 9 | 6 0 6 9", "0 9 9 9 | 9 0 9 9"),
)
"""Strokes from x y to x y, in tenths of a digit: lines, - = + x // # and the corner of a box."""


def replace_with_pieces(
    images: NDArray[np.uint8],
    labels: NDArray[np.uint8],
    usable: NDArray[np.int64],
    generator: np.random.Generator,
    fraction: float,
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return copies of the images, uint8 (N, 28, 28), and labels, (N,), of which about this fraction is replaced.

    Neighbours are taken from the images with the indices `usable`.
    """
    changed, changed_labels = images.copy(), labels.astype(np.int64)
    for i in np.flatnonzero(generator.random(len(images)) < fraction):
        if generator.random() < SIGN:
            changed[i], changed_labels[i] = _sign(generator), NO_DIGIT
            continue
        wanted = generator.random() < WHOLE
        for _ in range(TIMES):
            piece, flaw = _cut_out(images[i], images[generator.choice(usable)], wanted, generator)
            if piece.any() and (flaw < FLAW if wanted else flaw > RUIN):
                changed[i] = to_mnist(piece)
                changed_labels[i] = labels[i] if wanted else NO_DIGIT
                break
    return changed, changed_labels


def _cut_out(
    digit: NDArray[np.uint8], neighbour: NDArray[np.uint8], between: bool, generator: np.random.Generator
) -> tuple[NDArray[np.float32], float]:
    """Return what a cut through the digit and its neighbour leaves, float32 (H, W) in 0..1 without a margin, and how
    much of it is missing or the neighbour's, as a fraction of the digit's ink. between: whether to cut near the middle.
    """
    ink, other = _trimmed(digit), _trimmed(neighbour)
    # The neighbour stands a little higher or lower, and touches, overlaps or is a little apart.
    height, width = ink.shape
    apart = int(generator.integers(-4, 3))
    down = int(generator.integers(-3, 4))
    top, left = SIDE, SIDE + 4
    canvas = np.zeros((2, 2 * SIDE + 4, 3 * SIDE + 8), np.float32)
    other_top = max(0, top + height - other.shape[0] + down)
    on_right = generator.random() < 0.5
    other_left = left + width + apart if on_right else left - other.shape[1] - apart
    canvas[0, top : top + height, left : left + width] = ink
    canvas[1, other_top : other_top + other.shape[0], other_left : other_left + other.shape[1]] = other
    spread = 0.1 * width if between else width
    at = (left + width + apart / 2 if on_right else left - apart / 2) + generator.uniform(-1, 1) * spread
    y, x = np.mgrid[: canvas.shape[1], : canvas.shape[2]]
    across = x + generator.uniform(-0.2, 0.5) * (y - top - height / 2) - at
    keep = np.clip(0.5 - across if on_right else 0.5 + across, 0, 1)
    own, others = (canvas * keep).sum(axis=(1, 2)) / max(ink.sum(), 1)
    kept = np.minimum(canvas.sum(axis=0), 1) * keep
    left, top, width, height = cv2.boundingRect((kept > 0.3).astype(np.uint8))
    return kept[top : top + height, left : left + width].astype(np.float32), float(1 - own + others)


def _trimmed(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return an image's ink in 0..1 without its margins."""
    x, y, width, height = cv2.boundingRect((image > 64).astype(np.uint8))
    return np.asarray(image[y : y + height, x : x + width] / 255, np.float32)


def _sign(generator: np.random.Generator) -> NDArray[np.uint8]:
    """Return one of the SIGNS by a hand and a pen of its own, uint8 (28, 28) as MNIST has its digits."""
    sign = SIGNS[generator.integers(len(SIGNS))]
    strokes = np.array([stroke.split() for stroke in sign.split("|")], np.float64).reshape(-1, 2, 2)
    strokes += generator.normal(0, 0.6, strokes.shape)
    strokes *= generator.uniform(0.7, 1.4, 2)
    strokes[:, :, 0] -= generator.uniform(-0.1, 0.3) * strokes[:, :, 1]
    low, high = strokes.min(axis=(0, 1)), strokes.max(axis=(0, 1))
    points = 20 + 80 * (strokes - low) / max(float((high - low).max()), 2.0)
    canvas = np.zeros((140, 140), np.uint8)
    thick = int(generator.integers(5, 20))
    for start, stop in np.rint(points).astype(int).tolist():
        cv2.line(canvas, start, stop, 255, thick, cv2.LINE_AA)
    return to_mnist(_trimmed(canvas))
