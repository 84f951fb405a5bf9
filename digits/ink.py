"""Find the ink in a picture: even out the light, tell ink from paper, say where there is none."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Mask = NDArray[np.uint8]

SMALL = 160
"""Longest side, in pixels, at which the paper's brightness is estimated: light changes slowly."""
LEAST_CONTRAST = 0.06
"""Ink that takes less of the paper's light than this share is not seen. Pencil takes about 0.3."""
LEAST_SIGNAL_TO_NOISE = 5.0
"""Ink must stand out from the paper's grain by so many standard deviations."""


def ink_strength(grey: NDArray[np.uint8]) -> Floats:
    """Return how much of the paper's light is missing at each pixel, float32 (H, W) in 0..1: 0 is paper.

    Works for dark on light and for light on dark, in any light that changes more slowly than a stroke is wide.
    """
    if is_light_on_dark(grey):
        grey = np.subtract(255, grey, dtype=np.uint8)
    paper = np.maximum(_paper(grey), 1.0)
    strength = np.clip(1 - grey.astype(np.float32) / paper, 0, 1)
    # A wide blur for wide pictures: it takes the sensor's noise off, and the grain of the paper.
    sigma = max(grey.shape) / 600
    return cv2.GaussianBlur(strength, (0, 0), sigma) if sigma > 0.4 else strength


def is_light_on_dark(grey: NDArray[np.uint8]) -> bool:
    """Return whether what stands out from its surroundings is lighter than they are."""
    small = cv2.GaussianBlur(_shrink(grey), (3, 3), 0)
    size = max(3, min(small.shape) // 2 | 1)
    away = small.astype(np.float32) - cv2.medianBlur(small, min(size, 255))
    # The square favours the strong and narrow, ink, over the weak and wide, shadows.
    return float(np.square(np.maximum(away, 0)).sum()) > float(np.square(np.minimum(away, 0)).sum())


def ink_mask(strength: Floats) -> tuple[Mask, float]:
    """Return where the ink is, uint8 (H, W) of 0 and 1, and the strength that full ink has (0 where there is none)."""
    if strength.size == 0:
        return np.zeros(strength.shape, np.uint8), 0.0
    # Full strength: what the strongest thousandth of the picture reaches. A digit's strokes cover more than that.
    step = 1 if max(strength.shape) < 200 else 2  # every other pixel of a large picture tells as much, sooner
    values = strength[::step, ::step].ravel()
    rank = min(values.size - 1, max(5, values.size // 1000))
    full = float(np.partition(values, -rank - 1)[-rank - 1])
    noise = _noise(strength)
    if full < max(LEAST_CONTRAST, LEAST_SIGNAL_TO_NOISE * noise):
        return np.zeros(strength.shape, np.uint8), 0.0
    return (strength > max(0.4 * full, 3 * noise)).astype(np.uint8), full


def _paper(grey: NDArray[np.uint8]) -> Floats:
    """Return the brightness that each pixel would have without ink on it, float32 (H, W).

    A grey closing: the largest brightness nearby, taken back to where the light really falls off. It removes all that
    is darker than its surroundings and narrower than a third of the picture, and keeps the edge of a shadow sharp.
    """
    small = cv2.medianBlur(_shrink(grey), 3)
    size = max(3, min(small.shape) // 3 | 1)
    closed = cv2.morphologyEx(small, cv2.MORPH_CLOSE, np.ones((size, size), np.uint8), borderType=cv2.BORDER_REPLICATE)
    return cv2.resize(closed.astype(np.float32), grey.shape[::-1], interpolation=cv2.INTER_LINEAR)


def _shrink(grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
    scale = SMALL / max(grey.shape)
    if scale >= 1:
        return grey
    height, width = (max(1, round(side * scale)) for side in grey.shape)
    return cv2.resize(grey, (width, height), interpolation=cv2.INTER_AREA)


def _noise(strength: Floats) -> float:
    """Return the standard deviation of the paper's grain, estimated from the median: strokes do not move it."""
    if min(strength.shape) < 2:
        return 0.0
    step = max(2, max(strength.shape) // 200)  # far enough apart for the blur not to make neighbours alike
    differences = np.abs(strength[::step, step:] - strength[::step, :-step])
    return 1.4826 * float(np.median(differences)) / 2**0.5 if differences.size else 0.0
