"""Training curves: how loss and accuracy went from epoch to epoch, and which epoch was the best."""

from __future__ import annotations

import math

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from digits.figures import (
    BLUE,
    MARGIN,
    ORANGE,
    PALE_INK,
    SMALL_SIZE,
    add_axes,
    figure_style,
    percent,
    run_title,
    start_figure,
    tidy_axes,
)
from digits.runs import Run

SERIES = {"train": ("training", BLUE, "o"), "validation": ("validation", ORANGE, "D")}
WIDTH, HEIGHT = 10.6, 3.6  # inches; the height of one panel


def draw_training_curves(run: Run) -> Figure:
    """Return loss and accuracy over the epochs, training and validation, with the best epoch marked.

    The run's history must have at least one row. What it does not record (validation, where none was held out) is left
    out.
    """
    epochs = _column(run, "epoch")
    best = _best_epoch(run)
    explanation = "Loss is the cross-entropy in nats an image."
    if best is not None:
        explanation += (
            " Training values are means over an epoch in which the weights still changed, with dropout where the "
            "network has it; validation is measured after the epoch, without dropout, and can so be the better one."
        )
    with figure_style():
        figure, top = start_figure(_title(run, best), run_title(run), explanation, WIDTH, HEIGHT + 0.95)
        panel = (WIDTH - 2 * MARGIN - 0.7) / 2 - 0.55
        for number, (quantity, title) in enumerate([("loss", "Loss"), ("accuracy", "Accuracy, %")]):
            axes = add_axes(figure, MARGIN + 0.6 + number * (panel + 1.0), top + 0.3, panel, HEIGHT)
            for key, (name, colour, marker) in SERIES.items():
                values = _column(run, f"{key}_{quantity}")
                if any(map(math.isfinite, values)):
                    shown = [100 * value for value in values] if quantity == "accuracy" else values
                    style = {"marker": marker, "markersize": 6.0} if len(epochs) <= 30 else {}
                    axes.plot(epochs, shown, color=colour, linewidth=2, label=name, **style)  # type: ignore[arg-type]
            _finish_axes(axes, title, epochs, best)
    return figure


def _finish_axes(axes: Axes, title: str, epochs: list[float], best: int | None) -> None:
    axes.set_title(title, pad=10)
    axes.set_xlabel("Epoch")
    tidy_axes(axes)
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True, min_n_ticks=1))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.set_xlim(min(epochs) - 0.5, max(epochs) + 0.5) if len(epochs) <= 30 else None
    if best is not None:
        axes.axvline(best, color=PALE_INK, linestyle=(0, (4, 3)), linewidth=1, label="best epoch", zorder=0)
    if axes.lines:
        # Below the axis label, so that no line is ever covered.
        axes.legend(
            loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=3, frameon=False, fontsize=SMALL_SIZE, borderpad=0
        )


def _title(run: Run, best: int | None) -> str:
    number = len(run.history)
    epochs = f"{number} epoch{'s' if number > 1 else ''}"
    if best is not None:
        accuracy = next(row["validation_accuracy"] for row in run.history if row.get("epoch") == best)
        return f"Validation accuracy reached {percent(accuracy)} in epoch {best} of {number}"
    last = run.history[-1].get("train_accuracy", math.nan)
    if math.isfinite(last):
        return f"Training accuracy {percent(last)} after {epochs}; nothing was held out for validation"
    return f"Training of {epochs}"


def _best_epoch(run: Run) -> int | None:
    """Return the first epoch of the highest validation accuracy, None where none was recorded."""
    rows = [row for row in run.history if math.isfinite(row.get("validation_accuracy", math.nan))]
    best = max(rows, key=lambda row: row["validation_accuracy"], default=None)
    return None if best is None or not math.isfinite(best.get("epoch", math.nan)) else int(best["epoch"])


def _column(run: Run, name: str) -> list[float]:
    """Return the history's column, nan where it has no finite number; epochs count from 1 where none are recorded."""
    values = [
        row.get(name, row_number if name == "epoch" else math.nan) for row_number, row in enumerate(run.history, 1)
    ]
    return [value if math.isfinite(value) else math.nan for value in values]
