"""Photos and drawings of digits, and two runs whose networks answer for them, none of which was trained."""

from pathlib import Path

import cv2
import numpy as np
from linear_run import make_linear_run

Pixels = np.ndarray  # uint8

SEVEN = [[(8, 6), (20, 6), (13, 23)]]
FOUR = [[(10, 5), (8, 14), (20, 14)], [(17, 8), (17, 23)]]
"""Strokes: lists of points (x, y) in 0..28."""


def make_outputs(folder: Path) -> Path:
    """Write a run of each framework into the folder and return it; their networks are equal."""
    for framework in ("pytorch", "tensorflow"):
        make_linear_run(folder, framework=framework)
    return folder


def photo_of(strokes: list[list[tuple[int, int]]]) -> Pixels:
    """Return the strokes as dark ink on white, uint8 (200, 200)."""
    sheet = np.full((200, 200), 240, np.uint8)
    for stroke in strokes:
        cv2.polylines(sheet, [7 * np.array(stroke, np.int32)], False, 30, 12, cv2.LINE_AA)
    return sheet


def png_of(pixels: Pixels) -> bytes:
    """Return the pixels as the bytes of a PNG file."""
    return cv2.imencode(".png", pixels)[1].tobytes()


SEVEN_PNG = png_of(photo_of(SEVEN))
