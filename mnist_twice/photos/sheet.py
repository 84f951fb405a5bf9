"""Find the sheet of paper on a table, the board on a wall or the canvas on a screen, and see it from straight above."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mnist_twice.photos.normalize import scaled

Corners = NDArray[Any]  # float32 (4, 2): x, y of top left, top right, bottom right, bottom left

SMALL = 240  # longest side, in pixels, at which the sheet is looked for
NARROW = 12  # what is dark and narrower than one such part of the photo is ink or a line, not what is beside the sheet
LEAST_AREA, LEAST_AREA_OF_PAGE = 0.05, 0.15
"""A sheet covers at least this fraction of the photo; the second, if it has all the digits that are looked for."""
LEAST_OUTLINE, LEAST_OUTLINE_OF_BOARD = 0.6, 0.2
"""So much of its outline is seen: more than two of four sides. The edge of a shadow, or of a page of a book, is one.
The second, where what is beside it is far darker, and is no stroke with more paper on its other side."""
LEAST_STEP, CLEAR_STEP = 0.2, 0.6  # what is beside it is darker by at least this fraction of the paper's light
LEAST_LIKENESS = 0.92
"""Its area over that of the quadrilateral through its corners, or the reverse, or over that of the disc around it."""
LEAST_RIM = 0.8  # so much of its rim is as light as paper: between digits that stand close together, ink is not
LEAST_FILLED = 0.8  # so much of its convex hull is the sheet itself; of a thick 7 or 4 less is
INSET = 0.015
"""The sheet's edge, cut off on each side, as a fraction of the sheet: it casts a shadow and is seldom straight."""


def find_sheet(grey: NDArray[Any], several: bool = False) -> Corners | None:
    """Return the corners, in pixels, of the sheet with one digit, or several, in the grey photo, uint8 (H, W), or None.

    It is lighter than all around it, or darker: a blackboard, or a canvas on a screen.
    """
    small = scaled(grey, min(SMALL, max(grey.shape)))
    if min(small.shape) < 2 * NARROW:
        return None
    dark = cv2.bitwise_not(small)
    # On a screen the outline is clear, and what is close to it, a button or a plot's scale, is not part of it.
    ways = (small, _closed(small)), (small, small), (dark, dark)
    least = (LEAST_AREA_OF_PAGE if several else LEAST_AREA) * small.size
    for image, paper in ways:
        if (corners := _light_sheet(image, paper, least)) is not None:
            # Pixel centres: a corner of the small photo lies at -0.5, as one of the large photo does.
            return ((corners + 0.5) * (np.array(grey.shape[::-1]) / small.shape[::-1]) - 0.5).astype(np.float32)
    return None


def _light_sheet(small: NDArray[Any], paper: NDArray[Any], least: float) -> Corners | None:
    """Return the corners of the light sheet in the small photo, of at least so many pixels; paper has less ink."""
    threshold, light = cv2.threshold(paper, 0, 1, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
    if light.all() or not light.any():
        return None
    step = 1 - paper[light == 0].mean() / paper[light > 0].mean()
    outlines, _ = cv2.findContours(light, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    outline = max(outlines, key=cv2.contourArea)
    hull = cv2.convexHull(outline)
    area = cv2.contourArea(hull)
    if area < least or cv2.contourArea(outline) < LEAST_FILLED * area:
        return None
    inside = np.asarray(cv2.fillConvexPoly(np.zeros_like(small), hull, 1))
    apart = np.count_nonzero(light > inside) / area
    seen, clear = _outline_seen(hull, small.shape), step > CLEAR_STEP and apart < 0.1
    if step < LEAST_STEP or seen < (LEAST_OUTLINE_OF_BOARD if clear else LEAST_OUTLINE):
        return None
    corners, (centre, radius) = _four_corners(hull), cv2.minEnclosingCircle(hull)
    if area > LEAST_LIKENESS * np.pi * radius**2:  # of a disc, a square that reaches a little beyond it
        square = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]])
        corners = np.asarray(centre + 0.8 * radius * square, np.float32)
    elif corners is None or not LEAST_LIKENESS <= cv2.contourArea(corners) / area <= 1 / LEAST_LIKENESS:
        return None
    # What is dark beside a cell of a table is but its lines.
    beside = _closed(small)[(light == 0) & (inside == 0)]
    if np.count_nonzero(beside > threshold) > len(beside) / 2:
        return None
    return corners if _is_written_on(small, light, corners) else None


def _closed(small: NDArray[Any]) -> NDArray[Any]:
    """Return the photo without what is dark and narrow."""
    size = max(small.shape) // NARROW
    # What is beside the sheet goes on beyond the photo's edge.
    wider = cv2.copyMakeBorder(cv2.medianBlur(small, 3), size, size, size, size, cv2.BORDER_REPLICATE)
    return cv2.morphologyEx(wider, cv2.MORPH_CLOSE, np.ones((size, size), np.uint8))[size:-size, size:-size]


def straightened(pixels: NDArray[Any], corners: Corners) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the sheet as seen from above, and the matrix, float64 (3, 3), from its pixels to the photo's."""
    top_left, top_right, bottom_right, bottom_left = corners
    width = max(np.linalg.norm(top_right - top_left), np.linalg.norm(bottom_right - bottom_left))
    height = max(np.linalg.norm(bottom_left - top_left), np.linalg.norm(bottom_right - top_right))
    left, top = INSET * width, INSET * height
    target = np.array([[-left, -top], [width - left, -top], [width - left, height - top], [-left, height - top]])
    matrix = cv2.getPerspectiveTransform(target.astype(np.float32), corners)
    shape = max(1, round(float(width - 2 * left))), max(1, round(float(height - 2 * top)))
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpPerspective(pixels, matrix, shape, flags=flags, borderMode=cv2.BORDER_REPLICATE), matrix


def _outline_seen(hull: NDArray[Any], shape: tuple[int, ...]) -> float:
    """Return which part of the outline is not the photo's own edge."""
    points = hull[:, 0].astype(np.float64)
    following = np.roll(points, -1, axis=0)
    lengths = np.linalg.norm(following - points, axis=1)
    last = np.array(shape[::-1]) - 1 - 2
    along = ((np.maximum(points, following) <= 2) | (np.minimum(points, following) >= last)).any(axis=1)
    return float(lengths[~along].sum() / lengths.sum())


def _four_corners(hull: NDArray[Any]) -> Corners | None:
    """Return the corners of the hull, a convex polygon, if it has about four; from the top left clockwise."""
    length = cv2.arcLength(hull, True)
    for part in (0.02, 0.03, 0.04, 0.06, 0.08):
        found = cv2.approxPolyDP(hull, part * length, True)[:, 0].astype(np.float32)
        if len(found) <= 4:
            break
    if len(found) != 4:
        return None
    around = found - found.mean(axis=0)
    clockwise = found[np.argsort(np.arctan2(around[:, 1], around[:, 0]))]
    return np.roll(clockwise, -int(clockwise.sum(axis=1).argmin()), axis=0)


def _is_written_on(small: NDArray[Any], light: NDArray[Any], corners: Corners) -> bool:
    """Return whether it is a sheet, not a box that is drawn on one, and has ink on it: a wide stroke has none."""
    middle = corners.mean(axis=0)
    around, inside = (
        cv2.fillConvexPoly(np.zeros_like(small), np.rint(middle + part * (corners - middle)).astype(np.int32), 1) > 0
        for part in (0.96, 0.85)
    )
    paper = _closed(small)
    missing = (paper.astype(np.float32) - small)[inside] / np.maximum(paper[inside], 1)
    return bool(light[around & ~inside].mean() > LEAST_RIM and np.percentile(missing, 99.8) > 0.12)
