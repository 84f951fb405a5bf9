"""Find the ink in a photo: even out the light, tell ink from paper, report where there is none."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from digits.photos.normalize import scaled

Floats = NDArray[Any]  # float32, which OpenCV's own types do not say
SMALL = 160  # longest side, in pixels, at which the paper's brightness is estimated: light changes slowly
DARKEST_PAPER = 48.0
"""Grey level below which darkness of the paper is not compensated: there a camera only records its own noise."""
LEAST_CONTRAST = 0.06
"""Ink that absorbs a smaller fraction of the paper's light is not seen. Pencil absorbs about 0.3."""
LEAST_SIGNAL_TO_NOISE = 9.0
"""Ink must exceed the paper's grain by so many standard deviations. On an empty sheet the strongest grain reaches 6;
ink in harsh photographs (digits/photos/synthetic.py) reaches 26 or more."""
FAINTEST = 0.5
"""A stroke thinner than a pixel has at least this fraction of full ink wherever it is thinnest."""


def ink_strength(grey: NDArray[Any]) -> Floats:
    """Return how much of the paper's light is missing at each pixel, float32 (H, W) in 0..1: 0 is paper.

    Works for dark on light and for light on dark, in any light that changes more slowly than a stroke is wide.
    """
    if is_light_on_dark(grey):
        grey = np.subtract(255, grey, dtype=np.uint8)
    paper = _paper(grey)
    strength = np.clip((paper - grey) / np.maximum(paper, DARKEST_PAPER), 0, 1)
    # A wider blur for larger photos: it removes the sensor's noise and the grain of the paper.
    sigma = max(grey.shape) / 600
    return np.asarray(cv2.GaussianBlur(strength, (0, 0), sigma) if sigma > 0.4 else strength)


def is_light_on_dark(grey: NDArray[Any]) -> bool:
    """Return whether what stands out from its surroundings is lighter than they are."""
    small = cv2.GaussianBlur(_small(grey), (3, 3), 0)
    level = np.clip(small - _trend(small) + 127.5, 0, 255)
    away = level - cv2.medianBlur(level.astype(np.uint8), max(3, min(small.shape) // 2 | 1))
    # At the photo's edge it is the table beside the sheet that stands out.
    y, x = (np.linspace(-1, 1, side) for side in small.shape)
    away *= np.exp(-(y * y))[:, None] * np.exp(-(x * x))
    # The square favours the strong and narrow, ink, over the weak and wide, shadows.
    return float(np.square(np.maximum(away, 0)).sum()) > float(np.square(np.minimum(away, 0)).sum())


def ink_mask(strength: Floats, full: float = 0.0, enlarged: bool = False) -> tuple[NDArray[np.uint8], float]:
    """Return where the ink is, uint8 (H, W) of 0 and 1, and the strength that full ink has (0 where there is none).

    full: that strength, where it is known. enlarged: whether the photo has fewer pixels, so that strokes may be thin.
    """
    # Full strength: what the strongest thousandth of the photo reaches. A digit's strokes cover more than that.
    step = 1 if max(strength.shape) < 200 else 2  # every other pixel of a large photo gives the same, faster
    values = strength[::step, ::step].ravel()
    rank = min(values.size - 1, max(5, values.size // 1000))
    full = full or float(np.partition(values, -rank - 1)[-rank - 1])
    noise = _noise(strength)
    if full < max(LEAST_CONTRAST, LEAST_SIGNAL_TO_NOISE * noise):
        return np.zeros(strength.shape, np.uint8), 0.0
    around: Any = full
    if enlarged:
        size = max(3, max(strength.shape) // 8 | 1)
        around = np.clip(cv2.dilate(strength, np.ones((size, size), np.uint8)), FAINTEST * full, full)
    return (strength > np.maximum(0.4 * around, 3 * noise)).astype(np.uint8), full


def _paper(grey: NDArray[Any]) -> Floats:
    """Return the brightness that each pixel would have without ink on it, float32 (H, W).

    A grey closing removes all that is darker than its surroundings and narrower than a sixth of the photo, and keeps
    the edge of a shadow sharp. Wider strokes, up to a third of the photo, differ from shadows and from the table in
    not reaching its edge.
    """
    small = cv2.medianBlur(_small(grey), 3)
    # At the edge a closing mistakes a slope for a hollow, so it is given a level image.
    trend = _trend(small)
    level = small - trend
    narrow, wide = (
        cv2.morphologyEx(level, cv2.MORPH_CLOSE, np.ones((size, size), np.uint8))
        for size in (max(3, min(small.shape) // part | 1) for part in (6, 3))
    )
    dark = (wide - level > 0.5 * np.percentile(narrow - level, 99.5)).astype(np.uint8)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(dark, connectivity=8)
    ends = stats[:, :2] + stats[:, 2:4]
    inside = (stats[:, :2] > 0).all(axis=1) & (ends < [small.shape[1], small.shape[0]]).all(axis=1)
    inside[0] = False  # what is not dark
    strokes = cv2.dilate(inside[labels].astype(np.uint8), np.ones((7, 7), np.uint8))
    closed = np.where(strokes, wide, narrow) + trend
    return np.asarray(cv2.resize(np.clip(closed, 0, 255), grey.shape[::-1], interpolation=cv2.INTER_LINEAR))


def _trend(small: NDArray[Any]) -> Floats:
    """Return the paraboloid through the paper, float32 (H, W): a least-squares fit that ink hardly moves.

    Iteratively reweighted: what lies far from the last fit counts little in the next.
    """
    height, width = small.shape
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j].astype(np.float32)
    terms = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=-1)
    step = -(-max(small.shape) // 40)
    some, values = terms[::step, ::step].reshape(-1, 6), small[::step, ::step].ravel().astype(np.float32)
    weights = np.ones_like(values)
    for _ in range(4):
        weighted = some * weights[:, None]
        # A little of the identity: a photo one pixel wide has no slope across.
        fit = np.linalg.solve(weighted.T @ some + 1e-3 * np.eye(6), weighted.T @ values)
        away = np.abs(values - some @ fit)
        weights = 1 / np.maximum(away, 4)
    return (terms @ fit.astype(np.float32)).astype(np.float32)


def _small(grey: NDArray[Any]) -> NDArray[Any]:
    return scaled(grey, min(SMALL, max(grey.shape)))


def _noise(strength: Floats) -> float:
    """Return the standard deviation of the paper's grain where it is strong, estimated so that strokes do not move it.

    The 90th percentile of the medians of tiles: grain is coarser where there is less light.
    """
    if min(strength.shape) < 2:
        return 0.0
    step = max(2, max(strength.shape) // 200)  # far enough apart for the blur not to make neighbours alike
    across = np.abs(strength[::step, step:] - strength[::step, :-step])
    down = np.abs(strength[step:, ::step] - strength[:-step, ::step])
    tiles = 6 if min(*across.shape, *down.shape) >= 60 else 1  # a digit of a few pixels is all edges
    # Grain is the same in both directions; the lines of a table are not.
    some = 2 if tiles > 1 else 1  # every fourth pixel gives nearly the same median, faster
    across, down = across[::some, ::some], down[::some, ::some]
    medians = np.minimum(_tile_medians(across, tiles), _tile_medians(down, tiles))
    return 1.4826 * float(np.percentile(medians, 90)) / 2**0.5


def _tile_medians(values: Floats, tiles: int) -> list[float]:
    """Return the median of each of tiles x tiles parts of the values."""
    return [
        float(np.median(tile)) if tile.size else 0.0
        for rows in np.array_split(values, tiles, axis=0)
        for tile in np.array_split(rows, tiles, axis=1)
    ]
