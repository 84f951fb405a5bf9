"""A figure as a page: a header in words, places in inches below it, and how it becomes a file."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from digits.figures.style import DOTS_PER_INCH, LINE, MARGIN, PALE_INK, TEXT_SIZE, TITLE_SIZE, figure_style
from digits.figures.text import fit_text, printable, wrap_text
from digits.files import write_whole


@dataclass(frozen=True)
class Words:
    """What the header of a figure says."""

    title: str  # the answer that the figure gives, with its number
    subject: str  # which run or dataset it is about
    explanation: str  # what else there is to know about these results
    reading: str  # how to read any figure of this kind


class Page(Figure):
    """A figure that knows its header."""

    words: Words
    header: float  # inches that it takes
    header_texts: list[Text]


@contextmanager
def new_figure(
    title: str, subject: str, explanation: str, width: float, height: float, reading: str = ""
) -> Iterator[tuple[Page, float]]:
    """Yield a figure with a header and `height` inches free below it, and at how many inches from the top these begin.

    The texts are those of Words; together they become the figure's label. Until the block ends, everything is plotted
    in our style.
    """
    room = width - 2 * MARGIN
    with figure_style():
        titles = wrap_text(title, TITLE_SIZE, room, "bold")
        lines = wrap_text(f"{explanation} {reading}".strip(), TEXT_SIZE, room)
        below_title = MARGIN + 0.32 * len(titles) + 0.06
        top = below_title + LINE * (1 + len(lines)) + 0.18
        figure = Page(figsize=(width, top + height + MARGIN))
        figure.words, figure.header = Words(title, subject, explanation, reading), top
        for number, line in enumerate(titles):
            add_text(figure, MARGIN, MARGIN + 0.32 * number, line, size=TITLE_SIZE, weight="bold")
        add_text(figure, MARGIN, below_title, fit_text(subject, TEXT_SIZE, room), color=PALE_INK)
        for number, line in enumerate(lines):
            add_text(figure, MARGIN, below_title + LINE * (1 + number), line)
        figure.header_texts = list(figure.texts)
        figure.set_label(". ".join(map(printable, (title, subject, f"{explanation} {reading}"))).strip())
        yield figure, top


def add_axes(figure: Figure, left: float, top: float, width: float, height: float) -> Axes:
    """Return new axes at a place given in inches from the figure's top left corner."""
    full_width, full_height = figure.get_size_inches()
    return figure.add_axes(
        (left / full_width, 1 - (top + height) / full_height, width / full_width, height / full_height)
    )


def add_text(figure: Figure, left: float, top: float, text: str, size: float = TEXT_SIZE, **style: Any) -> None:
    """Write text whose top left corner is given in inches from the figure's top left corner."""
    full_width, full_height = figure.get_size_inches()
    figure.text(left / full_width, 1 - top / full_height, text, size=size, va="top", ha="left", **style)


def save_figure(figure: Figure, path: Path, dots_per_inch: float = DOTS_PER_INCH, make_folder: bool = True) -> None:
    """Write the figure to `path`, whole or not at all; the ending is the format: .png, .svg or .pdf.

    Equal figures become equal bytes.
    """
    buffer = io.BytesIO()  # on a full disk, matplotlib's own writing of a PDF ends in an AttributeError
    if path.suffix == ".png":
        _write_png(figure, buffer, dots_per_inch)
    else:
        # Without a date, and with ids in an SVG that are not random.
        metadata = {"CreationDate": None} if path.suffix == ".pdf" else {"Date": None}
        with figure_style(), matplotlib.rc_context({"svg.hashsalt": "digits"}):
            FigureCanvasAgg(figure).print_figure(buffer, format=path.suffix[1:], dpi=dots_per_inch, metadata=metadata)
    write_whole(path, buffer.getvalue(), make_folder)


def _write_png(figure: Figure, buffer: io.BytesIO, dots_per_inch: float) -> None:
    """Write the figure in 256 colours: a third of the bytes, in which a page of 20 runs is still opened quickly."""
    dpi = figure.get_dpi()
    try:
        figure.set_dpi(dots_per_inch)
        with figure_style():
            canvas = FigureCanvasAgg(figure)
            canvas.draw()  # type: ignore[no-untyped-call]
    finally:
        figure.set_dpi(dpi)
    pixels = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")  # type: ignore[no-untyped-call]
    colours = pixels.quantize(256, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
    colours.save(buffer, format="png", dpi=(dots_per_inch, dots_per_inch))
