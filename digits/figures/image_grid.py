"""Images in rows and columns with a few words under each, drawn as one picture: forty axes would take seconds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from digits.figures.style import GRID_GREY, RED, SMALL_SIZE, add_axes, fit_text

CELL = 1.12
"""Inches from one image to the next."""
IMAGE = 0.96
CAPTION_LINE = 0.185
GAP = 0.16


@dataclass(frozen=True)
class Captioned:
    """An image and what is written under it."""

    image: NDArray[np.uint8]  # (H, W), 0 is the background
    lines: Sequence[tuple[str, str]] = ()  # texts with their colours
    framed: bool = False  # in red


def grid_height(cells: Sequence[Captioned], columns: int) -> float:
    """Return the inches that the grid takes."""
    rows = -(-len(cells) // columns)
    return rows * _row_height(cells) - GAP


def plot_grid(figure: Figure, left: float, top: float, cells: Sequence[Captioned], columns: int) -> None:
    """Draw the images in rows of `columns`, ink dark on white, from a place in inches from the top left corner."""
    if not cells:
        return
    rows = -(-len(cells) // columns)
    row_height = _row_height(cells)
    axes = add_axes(figure, left, top, columns * CELL, rows * row_height)
    axes.set_axis_off()
    for number, cell in enumerate(cells):
        x, y = number % columns * CELL + (CELL - IMAGE) / 2, number // columns * row_height
        # Each image on its own: put together they would be resampled across their borders.
        axes.imshow(
            cell.image, cmap="gray_r", vmin=0, vmax=255, extent=(x, x + IMAGE, y + IMAGE, y), interpolation="nearest"
        )
        colour, thickness = (RED, 2.4) if cell.framed else (GRID_GREY, 0.8)
        axes.add_patch(
            Rectangle((x, y), IMAGE, IMAGE, fill=False, edgecolor=colour, linewidth=thickness, clip_on=False)
        )
        for line, (text, ink) in enumerate(cell.lines):
            axes.text(
                x + IMAGE / 2,
                y + IMAGE + 0.05 + line * CAPTION_LINE,
                fit_text(text, SMALL_SIZE, CELL - 0.03),
                size=SMALL_SIZE,
                color=ink,
                ha="center",
                va="top",
            )
    axes.set(xlim=(0, columns * CELL), ylim=(rows * row_height, 0), aspect="auto")


def _row_height(cells: Sequence[Captioned]) -> float:
    lines = max((len(cell.lines) for cell in cells), default=0)
    return IMAGE + (0.05 + lines * CAPTION_LINE if lines else 0) + GAP
