"""Images in rows and columns with a few words below each, in one pair of axes: forty would take seconds."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from digits.figures.page import add_axes, new_figure
from digits.figures.style import GRID_GREY, MARGIN, RED, SMALL_SIZE
from digits.figures.text import fit_text

COLUMNS = 10
CELL = 1.12  # inches from one image to the next
IMAGE = 0.96
CAPTION_LINE = 0.185
GAP = 0.16


@dataclass(frozen=True)
class Captioned:
    """An image and what is written below it."""

    image: NDArray[np.uint8]  # (H, W), 0 is the background
    lines: Sequence[tuple[str, str]] = ()  # texts with their colours
    framed: bool = False  # in red


def plot_image_page(
    title: str, subject: str, explanation: str, cells: Sequence[Captioned], columns: int = COLUMNS, reading: str = ""
) -> Figure:
    """Return a figure of a header and these images, as wide as COLUMNS of them."""
    height = max(grid_height(cells, columns), 0.0)
    with new_figure(title, subject, explanation, COLUMNS * CELL + 2 * MARGIN, height, reading) as (figure, top):
        plot_grid(figure, MARGIN, top, cells, columns)
    return figure


def grid_height(cells: Sequence[Captioned], columns: int) -> float:
    """Return the inches that the grid takes."""
    return -(-len(cells) // columns) * row_height(cells) - GAP


def row_height(cells: Sequence[Captioned]) -> float:
    """Return the inches from one row to the next."""
    lines = max((len(cell.lines) for cell in cells), default=0)
    return IMAGE + (0.05 + lines * CAPTION_LINE if lines else 0) + GAP


def plot_grid(figure: Figure, left: float, top: float, cells: Sequence[Captioned], columns: int) -> None:
    """Plot the images in rows of `columns`, ink dark on white; left, top: inches from the figure's top left corner."""
    if not cells:
        return
    width, height = columns * CELL, -(-len(cells) // columns) * row_height(cells)
    axes = add_axes(figure, left, top, width, height)
    axes.set_axis_off()
    for number, cell in enumerate(cells):
        x, y = number % columns * CELL + (CELL - IMAGE) / 2, number // columns * row_height(cells)
        # Each image on its own: put together they would be resampled across their borders. "none": in a vector graphic
        # it stays 28 x 28 pixels large.
        place = (x, x + IMAGE, y + IMAGE, y)
        grey: dict[str, Any] = {"cmap": "gray_r", "vmin": 0, "vmax": 255}
        axes.imshow(cell.image, **grey, extent=place, interpolation="none", clip_on=False)
        colour, thickness = (RED, 2.4) if cell.framed else (GRID_GREY, 0.8)
        frame = Rectangle((x, y), IMAGE, IMAGE, fill=False, edgecolor=colour, linewidth=thickness, clip_on=False)
        axes.add_patch(frame)
        for line, (text, ink) in enumerate(cell.lines):
            text = fit_text(text, SMALL_SIZE, CELL - 0.03)
            top = y + IMAGE + 0.05 + line * CAPTION_LINE
            axes.text(x + IMAGE / 2, top, text, size=SMALL_SIZE, color=ink, ha="center", va="top")
    axes.set(xlim=(0, width), ylim=(height, 0), aspect="auto")
