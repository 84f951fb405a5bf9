"""What all figures share: style, text that fits its place, titles, and how a figure becomes a file."""

from __future__ import annotations

import io
import os
import re
import secrets
from bisect import bisect_right
from contextlib import AbstractContextManager
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO, Literal

import matplotlib
import matplotlib.style
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.textpath import text_to_path
from PIL import Image

from digits.runs import Run, run_name

FONT = "DejaVu Sans"  # comes with matplotlib, so that a figure looks the same on every machine
INK = "#1f2328"
PALE_INK = "#57606a"
TITLE_SIZE, TEXT_SIZE, SMALL_SIZE = 15.0, 11.0, 10.0  # points
DOTS_PER_INCH = 150
MARGIN, LINE = 0.3, 0.24  # inches

# Okabe and Ito's colours, which colour-blind readers can tell apart too.
BLUE, ORANGE, GREEN, RED, GREY = "#0072b2", "#e08214", "#00805c", "#c8391c", "#8b949e"
GRID_GREY = "#dde1e5"
FRAMEWORK_COLOURS = {"pytorch": RED, "tensorflow": ORANGE, "ensemble": BLUE}

SPELLING = {
    "mnist": "MNIST",
    "fashion-mnist": "Fashion-MNIST",
    "kmnist": "KMNIST",
    "mnist-sample": "MNIST sample",
    "cnn": "CNN",
    "cnn-wide": "wide CNN",
    "mlp": "MLP",
    "lenet5": "LeNet-5",
    "fashion-cnn": "Fashion CNN",
    "deep-cnn": "deep CNN",
    "vgg": "VGG",
    "resnet": "ResNet",
    "vit": "ViT",
    "pytorch": "PyTorch",
    "tensorflow": "TensorFlow",
}


def figure_style() -> AbstractContextManager[None]:
    """Return the context to draw in: our settings over matplotlib's own, whatever the user's matplotlibrc says.

    Names of runs and classes are data: a '$' in one must not start a formula.
    """
    ours: dict[Any, Any] = {
        "font.family": FONT,
        "font.size": TEXT_SIZE,
        "text.color": INK,
        "text.parse_math": False,
        "axes.labelcolor": PALE_INK,
        "axes.labelsize": TEXT_SIZE,
        "axes.titlesize": TEXT_SIZE,
        "axes.titlelocation": "left",
        "xtick.color": INK,
        "ytick.color": INK,
        "xtick.labelsize": SMALL_SIZE,
        "ytick.labelsize": SMALL_SIZE,
    }
    return matplotlib.style.context(["default", ours])


def save_figure(figure: Figure, path: Path, dots_per_inch: float = DOTS_PER_INCH) -> None:
    """Write the figure under a hidden name and rename it to `path`: who opens `path` sees a whole picture.

    The ending of `path` is the format: .png, .svg or .pdf. Equal figures become equal bytes.
    """
    buffer = io.BytesIO()  # on a full disk, Matplotlib's own writing of a PDF ends in an AttributeError
    if path.suffix == ".png":
        _write_png(figure, buffer, dots_per_inch)
    else:
        # Without a date, and with ids in an SVG that are not random.
        metadata = {"CreationDate": None} if path.suffix == ".pdf" else {"Date": None}
        with figure_style(), matplotlib.rc_context({"svg.hashsalt": "digits"}):
            FigureCanvasAgg(figure).print_figure(buffer, format=path.suffix[1:], dpi=dots_per_inch, metadata=metadata)
    unfinished = path.with_name(f".{path.name}-{secrets.token_hex(4)}")
    try:
        unfinished.write_bytes(buffer.getbuffer())
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)


def _write_png(figure: Figure, file: BinaryIO, dots_per_inch: float) -> None:
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
    colours.save(file, format="png", dpi=(dots_per_inch, dots_per_inch))


def start_figure(
    title: str, subject: str, explanation: str, width: float, height: float, *, below: float = 0.0
) -> tuple[Figure, float]:
    """Return a figure with a header and `height` inches free under it, and at how many inches from the top these begin.

    title: the answer that the figure gives, with its number; subject: which run or dataset it is about; explanation:
    what else to know. The three in words become the figure's label, which is its alternative text on a page.
    below: inches left free at the foot besides the margin.
    """
    room = width - 2 * MARGIN
    titles = wrap_text(title, TITLE_SIZE, room, "bold")
    lines = wrap_text(explanation, TEXT_SIZE, room)
    top = MARGIN + 0.32 * len(titles) + 0.06 + LINE * (1 + len(lines)) + 0.18
    figure = Figure(figsize=(width, top + height + below + MARGIN))
    for number, line in enumerate(titles):
        add_text(figure, MARGIN, MARGIN + 0.32 * number, line, size=TITLE_SIZE, weight="bold")
    under = MARGIN + 0.32 * len(titles) + 0.06
    add_text(figure, MARGIN, under, fit_text(subject, TEXT_SIZE, room), color=PALE_INK)
    for number, line in enumerate(lines):
        add_text(figure, MARGIN, under + LINE * (1 + number), line)
    figure.set_label(f"{printable(title)}. {printable(subject)}. {printable(explanation)}".strip())
    return figure, top


def tidy_axes(axes: Axes, grid: Literal["x", "y", "both"] = "y") -> None:
    """Leave of the axes what is read: labels and pale grid lines, no frame."""
    for side in ("top", "right", "left", "bottom"):
        axes.spines[side].set(visible=side == "bottom", color=GRID_GREY)
    axes.grid(axis=grid, color=GRID_GREY, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(length=0, pad=5)


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


def text_width(text: str, size: float, weight: str = "normal") -> float:
    """Return the width of one line of text in inches."""
    width, _, _ = text_to_path.get_text_width_height_descent(
        text, FontProperties(family=FONT, size=size, weight=weight), False
    )
    return float(width) / 72


def fit_text(text: str, size: float, width: float, weight: str = "normal") -> str:
    """Return the text as it can be drawn in `width` inches: unprintable characters replaced, its middle cut if long."""
    # However long: of more than 400 characters the middle is never seen.
    text = printable(text if len(text) <= 400 else text[:200] + text[-200:])

    def cut(keep: int) -> str:
        return text[:keep] + "…" + text[-keep:]

    if text_width(text, size, weight) <= width:
        return text
    fitting = bisect_right(range(1, len(text) // 2), width, key=lambda keep: text_width(cut(keep), size, weight))
    return cut(max(1, fitting))


def wrap_text(text: str, size: float, width: float, weight: str = "normal") -> list[str]:
    """Return the text in lines of at most `width` inches, broken at spaces."""
    lines = [""]
    for word in re.split(" +(?!%)", printable(text)):  # a number keeps its '%' beside it
        longer = f"{lines[-1]} {word}".strip()
        if text_width(longer, size, weight) <= width:
            lines[-1] = longer
        else:
            lines.append(fit_text(word, size, width, weight))
    return [line for line in lines if line]


def printable(text: str) -> str:
    """Return the text with every character that our font cannot draw (or that is a control character) as a box."""
    return "".join(character if character.isprintable() and _has_glyph(character) else "□" for character in text)


@cache
def _has_glyph(character: str) -> bool:
    return get_font(findfont(FONT)).get_char_index(ord(character)) != 0


def run_title(run: Run) -> str:
    """Return 'MNIST · CNN · PyTorch', with the seed where it is not 0, with 'parity' after --parity, and with the
    folder's name where that is not the one its training gave it: two such runs would else look the same."""
    parts = [SPELLING.get(part, part) for part in (run.dataset, run.model, run.framework)]
    if run.seed:
        parts.append(f"seed {run.seed}")
    if run.parity:
        parts.append("parity")
    if run.name != run_name(run.dataset, run.model, run.framework, run.seed, run.parity):
        parts.append(f"'{run.name}'")
    return " · ".join(parts)


def percent(share: float, digits: int = 2) -> str:
    """Return '98.81 %'."""
    return f"{100 * share:.{digits}f} %"


def percent_text(share: float) -> str:
    """Return '98.8' for a share in per cent; one error never becomes '0.0', and only all of a class is '100.0'."""
    return "<0.1" if 0 < share < 0.05 else f"{share if share == 100 else min(share, 99.9):.1f}"


def ink_on(rgba: tuple[float, float, float, float]) -> str:
    """Return black or white, whichever stands out more; the contrast is then at least 4.5 (WCAG 2.1, 1.4.3)."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(rgba)]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return "black" if (luminance + 0.05) ** 2 > 0.05 * 1.05 else "white"
