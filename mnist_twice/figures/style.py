"""What all figures share: sizes, colours, and matplotlib's settings."""

from contextlib import AbstractContextManager
from typing import Any, Literal

import matplotlib
import matplotlib.style
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb

FONT = "DejaVu Sans"  # comes with matplotlib, so that a figure looks the same on every machine
FONTS = [FONT]
"""With those that fonts.py has found for characters that the first one lacks."""
INK = "#1f2328"
PALE_INK = "#57606a"
TITLE_SIZE, TEXT_SIZE, SMALL_SIZE = 15.0, 11.0, 10.0  # points
WIDE, NARROW = 11.8, 4.2  # inches: every figure is plotted in both widths, for files and screens, and for phones

# Okabe and Ito's colours, which colour-blind readers can distinguish too.
BLUE, ORANGE, GREEN, RED, GREY = "#0072b2", "#e08214", "#00805c", "#c8391c", "#8b949e"
PURPLE = "#7b3f98"
GRID_GREY = "#dde1e5"
FRAMEWORK_COLOURS = {"pytorch": PURPLE, "tensorflow": ORANGE, "ensemble": BLUE}
DASHED = (0, (4, 3))


def figure_style() -> AbstractContextManager[None]:
    """Return the context to plot in: our settings over matplotlib's own, whatever the user's matplotlibrc says.

    Names of runs and classes are data: a '$' in one must not start a formula.
    """
    ours: dict[Any, Any] = {
        "font.family": FONTS,
        "font.size": TEXT_SIZE,
        "text.color": INK,
        "text.parse_math": False,
        "axes.labelcolor": PALE_INK,
        "axes.labelsize": TEXT_SIZE,
        "axes.titlesize": TEXT_SIZE,
        "axes.titlelocation": "left",
        "axes.titlepad": 8,
        "xtick.color": INK,
        "ytick.color": INK,
        "xtick.labelsize": SMALL_SIZE,
        "ytick.labelsize": SMALL_SIZE,
        "legend.fontsize": SMALL_SIZE,
        "legend.frameon": False,
    }
    return matplotlib.style.context(["default", ours])


def tidy_axes(axes: Axes, grid: Literal["x", "y", "both"] = "y") -> None:
    """Leave of the axes what is read: labels and pale grid lines, no frame."""
    for side in ("top", "right", "left", "bottom"):
        axes.spines[side].set(visible=side == "bottom", color=GRID_GREY)
    axes.grid(axis=grid, color=GRID_GREY, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(which="both", length=0, pad=5)


def plot_interval(axes: Axes, ends: tuple[list[float], list[float]], middle: tuple[float, float], colour: str) -> None:
    """Plot a dot at `middle` (x, y) on a broad pale line between two ends (both x, both y)."""
    axes.plot(*ends, color=colour, alpha=0.4, linewidth=4, solid_capstyle="round")
    axes.plot(*middle, "o", color=colour, markersize=8)


def ink_on(rgba: tuple[float, float, float, float]) -> str:
    """Return black or white, whichever stands out more; the contrast is then at least 4.5 (WCAG 2.1, 1.4.3)."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(rgba)]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return "black" if (luminance + 0.05) ** 2 > 0.05 * 1.05 else "white"
