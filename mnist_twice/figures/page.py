"""A figure as a page: a header in words, room for plots below it, and how it becomes files that are made only once."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from mnist_twice.figures.style import NARROW, PALE_INK, TEXT_SIZE, TITLE_SIZE, WIDE, figure_style
from mnist_twice.figures.text import fit_text, wrap_text
from mnist_twice.files import write_whole

DOTS_PER_INCH, PHONE_DOTS_PER_INCH = 150, 180
MARGIN, LINE, TITLE_LINE = 0.3, 0.24, 0.32  # inches

PagePart = dict[str, Any]
"""A figure as part of report.html: the path of its PNG, its key, its words, and the PNG without its header in Base64,
"wide" for screens and "narrow" for phones."""


class Page(Figure):
    """A figure that knows its header."""

    words: dict[str, str]
    """The title: the answer that the figure gives, with its number; the explanation: what else there is to know about
    these results; the reading: how any figure of this kind is read."""
    header: float  # inches that it takes


@contextmanager
def new_figure(
    title: str, subject: str, explanation: str = "", reading: str = "", *, height: float, width: float = WIDE
) -> Iterator[Page]:
    """Yield a figure with a header and `height` inches below it, in which matplotlib finds the places of all axes.

    The texts are those of `words`; subject: which run or dataset it is about. Until the block ends, everything is
    plotted in our style.
    """
    margin = MARGIN if width > NARROW else 0.05  # the page on a phone has margins of its own
    room = width - 2 * margin
    with figure_style():
        titles = wrap_text(title, TITLE_SIZE, room, "bold")
        lines = wrap_text(f"{explanation} {reading}".strip(), TEXT_SIZE, room)
        below_title = margin + TITLE_LINE * (1 + titles.count("\n")) + 0.06
        header = below_title + LINE * (1 + len(lines.splitlines())) + 0.15
        full = header + height + margin
        figure = Page(figsize=(width, full))
        place = (margin / width, margin / full, room / width, height / full)
        figure.set_layout_engine(ConstrainedLayoutEngine(rect=place, h_pad=0.08))
        figure.words = {"title": title, "explanation": explanation, "reading": reading}
        figure.header = header

        style: dict[str, Any] = {"va": "top", "ha": "left", "linespacing": 1.33}
        figure.text(margin / width, 1 - margin / full, titles, size=TITLE_SIZE, weight="bold", **style)
        figure.text(margin / width, 1 - below_title / full, fit_text(subject, TEXT_SIZE, room), color=PALE_INK, **style)
        figure.text(margin / width, 1 - (below_title + LINE) / full, lines, **style)
        yield figure
        figure.draw_without_rendering()
        figure.set_layout_engine("none")
        for axes in figure.axes:  # the solver's last digits differ from call to call; equal figures become equal bytes
            axes.set_position(tuple(np.round(axes.get_position(original=True).bounds, 5)))


def save_figure(figure: Figure, path: Path, key: str = "", make_folder: bool = True) -> None:
    """Write the figure to `path`, whole or not at all; the ending is the format: .png, .svg or .pdf.

    Equal figures become equal bytes, in which the key stands.
    """
    buffer = io.BytesIO()  # on a full disk, matplotlib's own writing of a PDF ends in an AttributeError
    if path.suffix == ".png":
        information = PngInfo()
        information.add_text("key", key)
        draw_pixels(figure).save(buffer, format="png", dpi=(DOTS_PER_INCH, DOTS_PER_INCH), pnginfo=information)
    else:
        # Without a date, and with ids in an SVG that are not random.
        metadata: dict[str, Any] = {"CreationDate" if path.suffix == ".pdf" else "Date": None, "Keywords": key}
        with figure_style(), matplotlib.rc_context({"svg.hashsalt": "digits"}):
            figure.savefig(buffer, format=path.suffix[1:], dpi=DOTS_PER_INCH, metadata=metadata)
    write_whole(path, buffer.getvalue(), make_folder)


def is_current(path: Path, key: str) -> bool:
    """Return whether there is a file in which the figure's key stands."""
    return path.is_file() and key.encode() in path.read_bytes()


def part_of(path: Path) -> Path:
    """Return where the figure of the PNG at `path` is kept as part of a page: in a folder beside it."""
    return path.parent / ".page" / f"{path.stem}.json"


def save_part(path: Path, key: str, wide: Page, narrow: Page) -> None:
    """Keep the figure of the PNG at `path` as part of a page. Raises OSError."""
    part: PagePart = {"key": key, **wide.words}
    for name, figure, dots in (("wide", wide, DOTS_PER_INCH), ("narrow", narrow, PHONE_DOTS_PER_INCH)):
        buffer = io.BytesIO()
        draw_pixels(figure, dots, without=figure.header - 0.08).save(buffer, format="png", optimize=True)
        part[name] = base64.b64encode(buffer.getvalue()).decode()
    part_of(path).parent.mkdir(exist_ok=True)
    write_whole(part_of(path), json.dumps(part))


def read_part(path: Path) -> PagePart:
    """Return the figure of the PNG at `path`, which was kept as part of a page."""
    return {"path": path, **json.loads(part_of(path).read_text())}


def draw_pixels(figure: Figure, dots_per_inch: float = DOTS_PER_INCH, without: float = 0.0) -> Image.Image:
    """Return the figure in 256 colours: a third of the bytes, in which a page of 20 runs is still opened quickly.

    without: how many inches of it are left out at the top.
    """
    dpi = figure.get_dpi()
    try:
        figure.set_dpi(dots_per_inch)
        with figure_style():
            canvas = FigureCanvasAgg(figure)
            canvas.draw()  # type: ignore[no-untyped-call]
    finally:
        figure.set_dpi(dpi)
    pixels = np.asarray(canvas.buffer_rgba())[round(without * dots_per_inch) :, :, :3]  # type: ignore[no-untyped-call]
    image = Image.fromarray(np.ascontiguousarray(pixels))
    return image.quantize(256, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
