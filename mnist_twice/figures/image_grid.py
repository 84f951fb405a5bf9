"""Images in rows and columns with a few words below each, in one pair of axes: forty would take seconds."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from mnist_twice.figures.page import MARGIN, Page, new_figure
from mnist_twice.figures.style import GRID_GREY, RED, SMALL_SIZE, TEXT_SIZE, WIDE
from mnist_twice.figures.text import fit_text, wrap_text

COLUMNS, NARROW_COLUMNS = 10, 4
CELL = (WIDE - 2 * MARGIN) / COLUMNS  # inches from one image to the next, as all lengths where nothing is scaled down
IMAGE = 0.96
CAPTION_LINE = 0.185
GAP = 0.16

Images = NDArray[np.uint8]
"""uint8 (N, 28, 28), 0 is the background: those that a run was evaluated on, in the order of its labels."""


@dataclass(frozen=True)
class Captioned:
    """An image and what is written below it."""

    image: NDArray[np.uint8]  # (H, W)
    lines: Sequence[tuple[str, str]] = ()  # texts with their colours
    framed: bool = False  # in red


def plot_image_page(
    title: str,
    subject: str,
    explanation: str,
    reading: str,
    cells: Sequence[Captioned],
    width: float,
    columns: tuple[int, int] = (COLUMNS, NARROW_COLUMNS),
    labels: Sequence[str] = (),
) -> Page:
    """Return a figure of a header and these images; columns: when wide, and when narrow; labels: of the rows,
    to their left."""
    number = columns[width != WIDE]
    beside = (2.4 if width == WIDE else 1.3) if labels else 0.0
    cell = min(CELL, (width - beside) / number)
    height = max(0.1, grid_height(cells, number) * cell / CELL)
    with new_figure(title, subject, explanation, reading, height=height, width=width) as figure:
        if cells:
            plot_grid(axes := figure.subplots(), cells, number, cell)
        for row, label in enumerate(labels):
            text = wrap_text(label, TEXT_SIZE, beside - 0.2)
            axes.text(-0.1, row * _row_height(cells) + IMAGE / 2, text, ha="right", va="center")
    return figure


def grid_height(cells: Sequence[Captioned], columns: int) -> float:
    """Return the height of the grid, where a cell is CELL wide."""
    return -(-len(cells) // columns) * _row_height(cells) - GAP


def plot_grid(axes: Axes, cells: Sequence[Captioned], columns: int, cell_width: float) -> None:
    """Plot the images in rows of `columns`, ink dark on white, and their captions as large as cells of that many inches
    allow."""
    size = SMALL_SIZE * cell_width / CELL
    for number, cell in enumerate(cells):
        x, y = number % columns * CELL + (CELL - IMAGE) / 2, number // columns * _row_height(cells)
        # Each image on its own: put together they would be resampled across their borders. "none": in a vector graphic
        # it stays 28 x 28 pixels large.
        place = (x, x + IMAGE, y + IMAGE, y)
        axes.imshow(cell.image, "gray_r", vmin=0, vmax=255, extent=place, interpolation="none", clip_on=False)
        colour, thickness = (RED, 2.4) if cell.framed else (GRID_GREY, 0.8)
        frame = Rectangle((x, y), IMAGE, IMAGE, fill=False, edgecolor=colour, linewidth=thickness, clip_on=False)
        axes.add_patch(frame)
        for line, (text, ink) in enumerate(cell.lines):
            text = fit_text(text, SMALL_SIZE, CELL - 0.03)
            top = y + IMAGE + 0.05 + line * CAPTION_LINE
            axes.text(x + IMAGE / 2, top, text, size=size, color=ink, ha="center", va="top")
    axes.set(xlim=(0, columns * CELL), ylim=(grid_height(cells, columns), 0), aspect="equal", anchor="NW")
    axes.set_axis_off()


def _row_height(cells: Sequence[Captioned]) -> float:
    """Return how far it is from one row to the next."""
    lines = max((len(cell.lines) for cell in cells), default=0)
    return IMAGE + (0.05 + lines * CAPTION_LINE if lines else 0) + GAP
