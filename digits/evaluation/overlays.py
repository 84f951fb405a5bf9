"""Corruptions that draw over the image: stripes, lines, edges. Images are float32 (N, H, W), 0 to 1."""

import cv2
import numpy as np
from numpy.typing import NDArray

Images = NDArray[np.float32]
REACH = 2.3  # pixels from the middle of a line to where its ink ends
EDGES = (
    0.1,
    0.2,
)  # gradients, of white a pixel by Sobel's masks: an edge goes on above the first, begins above the second


def stripe(images: Images, columns: int, generator: np.random.Generator) -> Images:
    """Return images whose first and last columns are inverted."""
    changed = images.copy()
    for part in (changed[:, :, :columns], changed[:, :, -columns:]):
        part[:] = 1 - part
    return changed


def dotted_line(images: Images, lines: int, generator: np.random.Generator) -> Images:
    """Return images crossed by straight lines from the left to the right border, two pixels inked and two not."""
    n, height, width = images.shape
    column = np.arange(width)
    changed = images
    for _ in range(lines):
        left, right = generator.uniform(0, height - 1, (2, n, 1))
        inked = _ink(left + (right - left) * column / (width - 1), height)
        changed = changed + np.where(column % 4 >= 2, inked, 0).astype(np.float32)
    return changed


def zigzag(images: Images, lines: int, generator: np.random.Generator) -> Images:
    """Return images crossed by lines that go up and down by two pixels, eight pixels from one peak to the next."""
    n, height, width = images.shape
    column = np.arange(width)
    wave = np.abs((column - 2) % 8 - 4) - 2  # from 2 to -2 and back
    changed = images
    for _ in range(lines):
        middle, slope = generator.uniform(0, height - 1, (n, 1)), generator.uniform(-5, 5, (n, 1)) / (width - 5)
        inked = _ink(middle + slope * (column - (width - 1) / 2) + wave, height)
        inked[:, :, :2] = inked[:, :, -2:] = 0
        changed = changed + inked.astype(np.float32)
    return changed


def canny_edges(images: Images, share: float, generator: np.random.Generator) -> Images:
    """Return images mixed with their edges (Canny 1986, IEEE Transactions on Pattern Analysis and Machine Intelligence
    8), which are found after a blur of one pixel; share: of the edges in the mixture."""
    edges = np.empty_like(images)
    low, high = (255 * threshold for threshold in EDGES)
    for i, image in enumerate(images):
        blurred = cv2.GaussianBlur(255 * image, (9, 9), 1, borderType=cv2.BORDER_CONSTANT)
        across, down = (
            np.rint(cv2.Sobel(blurred, cv2.CV_32F, *axes, borderType=cv2.BORDER_CONSTANT)).astype(np.int16)
            for axes in ((1, 0), (0, 1))
        )
        edges[i] = cv2.Canny(across, down, low, high, L2gradient=True)
    return np.float32(1 - share) * images + np.float32(share / 255) * edges


def _ink(rows: NDArray[np.float64], height: int) -> NDArray[np.float64]:
    """Return the ink of lines whose middles are at these rows, (N, W), as (N, H, W): 1 there, 0 from REACH on."""
    distance = np.abs(np.arange(height)[:, None] - rows[:, None, :])
    ink: NDArray[np.float64] = np.clip(1 + np.log(np.maximum(1 - distance / REACH, 1e-9)), 0, 1)
    return ink
