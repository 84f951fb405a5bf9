"""Parity: do both frameworks compute the same? The losses of two trainings with --parity, step by step."""

import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator
from numpy.typing import NDArray

from mnist_twice.evaluation import PairComparison
from mnist_twice.figures.page import Page, new_figure
from mnist_twice.figures.style import BLUE, DASHED, FRAMEWORK_COLOURS, GREEN, PALE_INK, TEXT_SIZE, WIDE, tidy_axes
from mnist_twice.figures.text import run_title, wrap_text
from mnist_twice.names import spelled

FIRST = 100  # steps whose largest difference the title gives: rounding errors grow as training goes on
ROUNDING = {"float64": 2.0**-53, "float32": 2.0**-24, "bfloat16": 2.0**-9}
"""The unit roundoff: by how much, relatively, one rounding changes a number at most."""


def plot_parity(pair: PairComparison, width: float = WIDE) -> Page | None:
    """Return both trainings' losses in one panel, and their relative difference in each step in another below.

    None unless both frameworks trained with --parity and the same settings, and recorded each step's loss.
    """
    alike = pair.a.framework != pair.b.framework and pair.a.settings == pair.b.settings
    a, b = pair.a.losses, pair.b.losses
    if not (pair.a.parity and alike) or a is None or b is None or not min(len(a), len(b)):
        return None
    differences = relative_differences(a, b)
    subject = f"{run_title(pair.a)}, and {spelled(pair.b.framework)}"
    text = _explanation(pair, differences, len(a) != len(b))
    with new_figure(_title(differences), subject, text, height=6.7, width=width) as figure:
        losses, below = figure.subplots(2, 1)
        # A broad pale curve for the first run, visible below the thin one of the second.
        for run, values, linewidth, alpha in ((pair.a, a, 5.0, 0.4), (pair.b, b, 1.2, 1.0)):
            style = {"color": FRAMEWORK_COLOURS.get(run.framework, BLUE), "linewidth": linewidth, "alpha": alpha}
            losses.plot(range(1, len(values) + 1), values, label=spelled(run.framework), **style)
        losses.set(title="Cross-entropy loss of each step", ylim=(0, None))
        losses.legend(loc="upper right")
        first, second, precision = spelled(pair.a.framework), spelled(pair.b.framework), pair.a.recipe.get("precision")
        title = f"Relative difference of the losses, |{first} - {second}| / {first}"
        if rounding := ROUNDING.get(str(precision)):
            title += f"; dashed: unit roundoff of {precision}"
        below.set_title(wrap_text(title, TEXT_SIZE, width - 1.2))
        _plot_differences(below, differences, rounding)
        for axes in (losses, below):
            axes.set_xlim(0, max(len(a), len(b)) + 1)
            axes.xaxis.set_major_locator(MaxNLocator(8, integer=True, min_n_ticks=1, steps=[1, 2, 5, 10]))
            tidy_axes(axes)
    return figure


def relative_differences(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return |a - b| / a of each step that both have; where a loss of a is 0, that of b is the divisor."""
    steps = min(len(a), len(b))
    a, b = a[:steps], b[:steps]
    divisor = np.where(a > 0, a, b)
    return np.divide(np.abs(a - b), divisor, out=np.zeros(steps), where=divisor > 0)


def _plot_differences(axes: Axes, differences: NDArray[np.float64], rounding: float | None) -> None:
    steps = np.arange(1, len(differences) + 1)
    some, none = differences > 0, differences == 0
    seen = [*differences[some].tolist(), *([rounding] if rounding else [])] or [1e-16]
    axes.set_yscale("log")
    # A free decade below, for the ticks of the steps without any difference.
    axes.set_ylim(10.0 ** (math.floor(math.log10(min(seen))) - 1), 10.0 ** math.ceil(math.log10(2 * max(seen))))
    axes.yaxis.set_major_locator(LogLocator(numticks=8))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0e}")
    axes.set_xlabel("Step")
    # Rasterized, so that an SVG of thousands of steps stays small.
    size = 3.5 if len(differences) <= 1000 else 2.0
    axes.plot(steps[some], differences[some], "o", color=BLUE, markersize=size, rasterized=True)
    foot, ticks = np.full(none.sum(), 0.03), axes.get_xaxis_transform()
    axes.plot(steps[none], foot, "|", color=GREEN, markersize=7.0, transform=ticks, rasterized=True)
    if rounding:
        axes.axhline(rounding, color=PALE_INK, linestyle=DASHED, linewidth=1)


def _title(differences: NDArray[np.float64]) -> str:
    first = differences[:FIRST]
    steps = f"{len(first)} step{'s' if len(first) > 1 else ''}"
    if not first.any():
        return f"No difference between the losses of the first {steps}"
    return f"Relative difference of the losses in the first {steps}: at most {_rounded_up(first.max())}"


def _explanation(pair: PairComparison, differences: NDArray[np.float64], unequal: bool) -> str:
    precision, optimizer, rate = (pair.a.recipe.get(key) for key in ("precision", "optimizer", "learning_rate"))
    text = (
        f"Computed in {precision}, optimizer {optimizer}, learning rate {rate}. With --parity, both start from equal "
        "weights, train on equal batches and use no dropout: only their rounding differs, and each rounding error "
        "carries over to all later steps."
    )
    if len(differences) > FIRST and differences.any():
        text += f" The largest difference of all {len(differences):,} steps is {_rounded_up(differences.max())}."
    if equal := int((differences == 0).sum()):
        steps = "1 step" if equal == 1 else f"{equal:,} steps"
        text += f" Green ticks mark {steps} without any difference, which a logarithmic axis cannot show."
    if unequal:
        text += " One training is shorter; only the steps of both are compared."
    return text


def _rounded_up(value: float) -> str:
    """Return '3.1e-12', rounded up, so that 'at most' stays true."""
    exponent = math.floor(math.log10(value))
    mantissa = math.ceil(value / 10.0**exponent * 10 - 1e-6) / 10
    return f"{mantissa * 10.0**exponent:.1e}"
