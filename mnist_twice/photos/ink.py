"""Find the ink in a photo: even out the light, tell ink from paper, report where there is none."""

from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mnist_twice.photos.normalize import scaled
from mnist_twice.photos.rulings import find_rulings, without_rulings
from mnist_twice.photos.segments import connected, edges_touched, find_pieces

Floats = NDArray[Any]  # float32, which OpenCV's own types do not say
SMALL = 160  # longest side, in pixels, at which the paper's brightness is estimated: light changes slowly
MIDDLE = np.float32(127.5)  # grey levels count from here, so that an inverted photo has the opposite ones
DARKEST_PAPER = 48.0
"""Grey level below which darkness of the paper is not compensated: there a camera only records its own noise."""
LEAST_CONTRAST = 0.04  # ink that absorbs a smaller fraction of the paper's light is not seen; pencil absorbs about 0.3
LEAST_SIGNAL_TO_NOISE = 9.0
"""Ink must exceed the paper's grain by so many standard deviations. On an empty sheet the strongest grain reaches 6;
ink in harsh photographs (benchmarks/synthetic_photos.py) reaches 26 or more."""
COARSE = 80  # least longest side, in pixels, at which colours are compared and thick strokes looked for
UNEVEN = 0.15  # paper and ink are even if half of each differ by less than this fraction of the contrast between them
SHARP, DEEPEST_SHADOW = 0.5, 0.3
"""At four fifths of its outline, ink ends by this fraction of the contrast within three pixels; a shadow ends more
softly, and leaves at least this fraction of the light."""
ALONG = 0.75  # a line, or what lies along the edge, is longer than this fraction of the photo
THICK = 0.075  # half the width of a thick stroke, as a fraction of the photo's shorter side
SAMPLES = 30  # most pixels a side that the paper's slope is fitted to
SAME_PAPER = 4.0  # grey levels that two estimates of the paper's brightness may differ by
FAINTEST = 0.5  # a stroke thinner than a pixel has at least this fraction of full ink wherever it is thinnest


def ink_strength(grey: NDArray[Any]) -> Floats:
    """Return how much of the paper's light is missing at each pixel, float32 (H, W) in 0..1: 0 is paper.

    Works for dark on light and for light on dark, in any light that changes more slowly than a stroke is wide.
    """
    small = scaled(grey, min(SMALL, max(grey.shape)))
    trend = _trend(small)
    if _is_light_on_dark(small, trend):
        grey, small, trend = cv2.bitwise_not(grey), cv2.bitwise_not(small), -trend
    paper = _paper(small, trend)
    # (paper - grey) / paper in few passes over the photo: what changes slowly is computed on the small one.
    share = 1 / np.maximum(paper, DARKEST_PAPER)
    light = _enlarged(paper * share, grey) if paper.min() < DARKEST_PAPER else np.float32(1)
    strength: Floats = cv2.multiply(grey, _enlarged(share, grey), dtype=cv2.CV_32F)
    np.maximum(np.subtract(light, strength, out=strength), 0, out=strength)
    # A wider blur for larger photos: it removes the sensor's noise and the grain of the paper.
    sigma = max(grey.shape) / 600
    return np.asarray(cv2.GaussianBlur(strength, (0, 0), sigma) if sigma > 0.4 else strength)


def _is_light_on_dark(small: NDArray[Any], trend: Floats) -> bool:
    """Return whether what stands out from its surroundings is lighter than they are."""
    away = cv2.GaussianBlur(small, (3, 3), 0) - MIDDLE - trend
    # The median of half the photo around each pixel changes so slowly that a fraction of the pixels gives it.
    coarse = scaled(np.clip(away + MIDDLE, 0, 255).astype(np.uint8), -(-max(small.shape) // 4))
    away -= _enlarged(cv2.medianBlur(coarse, max(3, min(coarse.shape) // 2 | 1)) - MIDDLE, away)
    # At the photo's edge it is the table beside the sheet that stands out.
    y, x, _ = _coordinates(small.shape)
    away *= np.exp(-y * y) * np.exp(-x * x)
    # The square favours the strong and narrow, ink, over the weak and wide, shadows.
    return float((away * np.abs(away)).sum()) > 0


def clearest(pixels: NDArray[Any]) -> NDArray[Any]:
    """Return the photo, uint8 (H, W) or (H, W, 3), in grey, or the channel that the ink is far better seen in."""
    grey = in_grey(pixels)
    if pixels.ndim == 2:
        return grey
    colour = np.ascontiguousarray(pixels[:, :, :3])
    small = _coarse(colour)
    views = [cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), *cv2.split(small)]
    contrasts = [highest(cv2.absdiff(view, cv2.medianBlur(view, min(view.shape) // 2 | 1)), 0.01) for view in views]
    best = int(np.argmax(contrasts))
    return np.ascontiguousarray(colour[:, :, best - 1]) if contrasts[best] > 1.5 * contrasts[0] + 2 else grey


def in_grey(pixels: NDArray[Any]) -> NDArray[Any]:
    """Return the photo, uint8 (H, W) or (H, W, 3), in grey, uint8 (H, W)."""
    return pixels if pixels.ndim == 2 else cv2.cvtColor(np.ascontiguousarray(pixels[:, :, :3]), cv2.COLOR_RGB2GRAY)


def missing_paper(grey: NDArray[Any], several: bool = False) -> int | None:
    """Return the grey level of the paper that ought to be around the ink; None where enough is.

    Too little is around ink that was cropped to its edges, or drawn with a pen so thick that it looks like a shadow.
    What is beside a sheet reaches the edge too, but there is a digit further in.
    """
    small = cv2.medianBlur(_coarse(grey), 3)
    _, light = cv2.threshold(small, 0, 1, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
    masks = 1 - light, light
    if not all(mask.any() for mask in masks):
        return None
    levels = [float(np.median(small[mask > 0])) for mask in masks]
    spreads = [float(np.median(np.abs(small[mask > 0] - level))) for mask, level in zip(masks, levels, strict=True)]
    contrast = levels[1] - levels[0]
    if max(SAME_PAPER, *spreads) > UNEVEN * contrast:
        return None
    steps, borders = (cv2.morphologyEx(grid, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)) for grid in (small, light))
    if levels[0] > DEEPEST_SHADOW * levels[1] and np.percentile(steps[borders > 0], 20) < SHARP * contrast:
        return None
    found = [find_pieces(mask) for mask in masks]
    large = [sum(piece.area > 0.03 * pieces[0].area for piece in pieces) for _, pieces in found]
    edges = [[int(edge.sum()) for edge in (mask[0], mask[-1], mask[:, 0], mask[:, -1])] for mask in masks]
    share = sum(edges[0]) / (sum(edges[0]) + sum(edges[1]))
    # Ink that touches the edge all around hangs together, and parts the paper.
    ink = int(share > 0.5) if abs(share - 0.5) > 0.2 else int(large[0] > large[1])
    labels, pieces, mask = found[ink][0], found[ink][1][: large[ink]], masks[ink]
    depth = cv2.distanceTransform(np.pad(mask, 1), cv2.DIST_L2, 3)[1:-1, 1:-1]
    depths = [float(depth[labels == piece.label].max()) for piece in pieces]
    inside = [piece for piece in pieces if not edges_touched(piece, small.shape)]
    if len(inside) == len(pieces):
        is_missing = bool(pieces) and not several and depths[0] > THICK * min(small.shape) + 0.5
    else:
        is_main = all(piece.area < 0.5 * pieces[0].area for piece in inside) and min(depths) > depths[0] / 3
        is_missing = is_main and max(edges[ink]) < ALONG * max(small.shape) and not _has_lines(mask)
    return round(levels[1 - ink]) if is_missing else None


def _coarse(pixels: NDArray[Any]) -> NDArray[Any]:
    """Return the photo a whole number of times smaller, which is fast, with a longest side of COARSE pixels or more."""
    times = max(1, max(pixels.shape[:2]) // COARSE)
    height, width = (max(1, side // times) for side in pixels.shape[:2])
    return cv2.resize(pixels[: height * times, : width * times], (width, height), interpolation=cv2.INTER_AREA)


def _has_lines(mask: NDArray[Any]) -> bool:
    """Return whether lines go through the mask, and are not all that is in it."""
    rulings = find_rulings(mask)
    if rulings is None or without_rulings(mask, rulings) is mask:
        return False
    longest = max(line.stop - line.start for line in (*rulings.level, *rulings.upright))
    return bool(longest > ALONG * max(mask.shape) / 2)


def ink_mask(strength: Floats, full: float = 0.0, enlarged: bool = False) -> tuple[NDArray[np.uint8], float]:
    """Return where the ink is, uint8 (H, W) of 0 and 1, and the strength that full ink has (0 where there is none).

    full: that strength, where it is known. enlarged: whether the photo has fewer pixels, so that strokes may be thin.
    """
    # Full strength: what the strongest thousandth of the photo reaches. A digit's strokes cover more than that.
    step = 1 if max(strength.shape) < 200 else 2  # every other pixel of a large photo gives the same, faster
    full = full or highest(strength[::step, ::step], 0.001, 5)
    noise = _noise(strength)
    if full < max(LEAST_CONTRAST, LEAST_SIGNAL_TO_NOISE * noise):
        return np.zeros(strength.shape, np.uint8), 0.0
    around: Any = full
    if enlarged:
        size = max(3, max(strength.shape) // 8 | 1)
        around = np.clip(cv2.dilate(strength, np.ones((size, size), np.uint8)), FAINTEST * full, full)
    return (strength > np.maximum(0.4 * around, 3 * noise)).view(np.uint8), full


def _paper(small: NDArray[Any], trend: Floats) -> Floats:
    """Return the brightness that each pixel of the small photo would have without ink on it, float32 (H, W).

    A grey closing removes what is dark and narrower than a sixth of the photo, and keeps the edge of a shadow sharp.
    Strokes of up to twice that width differ from shadows and from the table in not reaching the photo's edge.
    """
    # At the edge a closing mistakes a slope for a hollow, so it is given a level image.
    level = cv2.medianBlur(small, 3) - MIDDLE - trend
    closed, wide = (
        cv2.morphologyEx(level, cv2.MORPH_CLOSE, np.ones((size, size), np.uint8))
        for size in (max(3, min(small.shape) // part | 1) for part in (6, 3))
    )
    if float((wide - closed).max()) > SAME_PAPER:
        dark = (wide - level > 0.5 * highest((closed - level)[::2, ::2], 0.005)).view(np.uint8)
        labels, stats = connected(dark)
        ends = stats[:, :2] + stats[:, 2:4]
        inside = (stats[:, :2] > 0).all(axis=1) & (ends < [small.shape[1], small.shape[0]]).all(axis=1)
        inside[0] = False  # what is not dark
        strokes = cv2.dilate(inside.view(np.uint8)[labels], np.ones((7, 7), np.uint8))
        closed = np.where(strokes > 0, wide, closed)
    return np.asarray(np.clip(closed + trend + MIDDLE, 0, 255))


def _trend(small: NDArray[Any]) -> Floats:
    """Return the paraboloid through the paper, float32 (H, W): least squares, reweighted so that ink hardly counts."""
    y, x, terms = _coordinates(small.shape)
    step = -(-max(small.shape) // SAMPLES)
    values = small[::step, ::step].ravel() - MIDDLE
    weighted = terms
    for _ in range(4):
        # A little of the identity: a photo one pixel wide has no slope across.
        fit = np.linalg.solve(weighted @ terms.T + 1e-3 * np.eye(6), weighted @ values).astype(np.float32)
        weighted = terms / np.maximum(np.abs(values - fit @ terms), 4)
    across, down = fit[1] * x + fit[3] * x * x, fit[0] + fit[2] * y + fit[5] * y * y
    return np.asarray(fit[4] * y * x + across + down)


@lru_cache(maxsize=8)
def _coordinates(shape: tuple[int, int]) -> tuple[Floats, Floats, Floats]:
    """Return y (H, 1) and x (1, W), from -1 to 1, and the terms of a paraboloid at some of the pixels, (6, N)."""
    y, x = (axis.astype(np.float32) for axis in np.ogrid[-1 : 1 : shape[0] * 1j, -1 : 1 : shape[1] * 1j])
    step = -(-max(shape) // SAMPLES)
    some_x, some_y = (grid.ravel() for grid in np.meshgrid(x[0, ::step], y[::step, 0]))
    terms = [np.ones_like(some_x), some_x, some_y, some_x * some_x, some_x * some_y, some_y * some_y]
    return y, x, np.array(terms)


def _enlarged(values: NDArray[Any], like: NDArray[Any]) -> NDArray[Any]:
    return cv2.resize(values, like.shape[::-1], interpolation=cv2.INTER_LINEAR)


def highest(values: Floats, fraction: float, at_least: int = 1) -> float:
    """Return the value that this fraction of the values, or so many of them, exceeds."""
    rank = min(values.size - 1, max(at_least, int(values.size * fraction)))
    return float(np.partition(values.ravel(), -rank - 1)[-rank - 1])


def _noise(strength: Floats) -> float:
    """Return the standard deviation of the paper's grain where it is strong, in poor light; strokes do not move it."""
    step = max(2, max(strength.shape) // 200)  # far enough apart for the blur not to make neighbours alike
    some = strength[::step, ::step]
    tiles = 6 if min(some.shape) >= 60 else 1  # a digit of a few pixels is all edges
    # Every other row, or column, gives nearly the same median, faster.
    across, down = np.diff(some[:: min(tiles, 2)], axis=1), np.diff(some[:, :: min(tiles, 2)], axis=0)
    if not across.size or not down.size:
        return 0.0
    # Grain is the same in both directions; the lines of a table are not.
    medians = np.sort(np.minimum(_tile_medians(np.abs(across), tiles), _tile_medians(np.abs(down), tiles)))
    return 1.4826 * float(medians[round(0.9 * (len(medians) - 1))]) / 2**0.5


def _tile_medians(values: Floats, tiles: int) -> NDArray[Any]:
    """Return the median of each of tiles x tiles equal parts of the values, float32 (tiles**2,)."""
    height, width = (side // tiles for side in values.shape)
    parts = values[: tiles * height, : tiles * width].reshape(tiles, height, tiles, width)
    each = parts.swapaxes(1, 2).reshape(tiles * tiles, -1)
    return np.asarray(np.partition(each, each.shape[1] // 2, axis=1)[:, each.shape[1] // 2])
