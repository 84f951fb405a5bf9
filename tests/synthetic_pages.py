"""Pages of digits of known difficulty, without noise, so that a test sees one difficulty at a time."""

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[Any]

TALL = 80  # height of a digit, pixels
PAPER, INK = 236, 40  # grey levels


def table(rows: Sequence[Sequence[Image]], thick: int, shift: int = 0) -> Image:
    """Return a table with a digit, uint8 (28, 28), in each cell, uint8 (H, W), with lines of so many pixels.

    shift: how many pixels lower than the middle each digit stands; at 20 its foot is on the line.
    """
    cell = TALL + 40
    page = np.full((cell * len(rows) + 60, cell * max(map(len, rows)) + 60), PAPER, np.uint8)
    for at in range(len(rows) + 1):
        cv2.line(page, (30, 30 + at * cell), (page.shape[1] - 30, 30 + at * cell), INK, thick)
    for at in range(max(map(len, rows)) + 1):
        cv2.line(page, (30 + at * cell, 30), (30 + at * cell, page.shape[0] - 30), INK, thick)
    for y, row in enumerate(rows):
        for x, digit in enumerate(row):
            ink = _tight(digit)
            _write(page, ink, 30 + x * cell + (cell - ink.shape[1]) // 2, 50 + y * cell + shift)
    return page


def number(digits: Sequence[Image], apart: int, underline: int | None = None) -> Image:
    """Return the digits, uint8 (28, 28) each, side by side on a sheet, uint8 (H, W).

    apart: pixels between the boxes of neighbours; they touch at 0, and overlap below. underline: how many pixels below
    the digits' feet a line is drawn, if any.
    """
    inks = [_tight(digit) for digit in digits]
    width = sum(ink.shape[1] + apart for ink in inks)
    page = np.full((3 * TALL, width + 2 * TALL), PAPER, np.uint8)
    left = TALL
    for ink in inks:
        _write(page, ink, left, TALL)
        left += ink.shape[1] + apart
    if underline is not None:
        cv2.line(page, (TALL - 20, 2 * TALL + underline + 2), (left + 20, 2 * TALL + underline - 2), INK, 5)
    return page


def on_table(sheet: Image, turn: float, generator: np.random.Generator) -> tuple[Image, NDArray[np.float64]]:
    """Return a photo of the sheet, grey (H, W), on a dark table, and its corners in it, (4, 2), as find_sheet's.

    turn: degrees clockwise that it is turned by. Each corner is up to 4 % of the sheet out of place: perspective.
    """
    height, width = sheet.shape
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float64)
    angle = np.deg2rad(turn)
    rotation = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    moved = (corners - [width / 2, height / 2]) @ rotation + generator.uniform(-0.04, 0.04, (4, 2)) * [width, height]
    size = np.ceil(1.3 * np.ptp(moved, axis=0)).astype(int)
    moved += size / 2
    table = np.clip(generator.normal(generator.uniform(20, 110), 8, size[::-1]), 0, 255).astype(np.uint8)
    matrix = cv2.getPerspectiveTransform(corners.astype(np.float32), moved.astype(np.float32))
    cv2.warpPerspective(sheet, matrix, size.tolist(), table, borderMode=cv2.BORDER_TRANSPARENT)
    return table, moved


def _tight(digit: Image) -> Image:
    """Return the digit's ink without a margin, TALL pixels high, and not wider than that."""
    left, top, width, height = cv2.boundingRect((digit > 100).astype(np.uint8))
    ink = digit[top : top + height, left : left + width]
    return cv2.resize(ink, (min(TALL, max(1, width * TALL // height)), TALL), interpolation=cv2.INTER_CUBIC)


def _write(page: Image, ink: Image, left: int, top: int) -> None:
    part = page[top : top + ink.shape[0], left : left + ink.shape[1]]
    shade = PAPER - ink.astype(np.float32) / 255 * (PAPER - INK)
    np.minimum(part, shade.astype(np.uint8), out=part)
