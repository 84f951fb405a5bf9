"""Training curves: how loss, accuracy and learning rate went from epoch to epoch, and which epoch was the best."""

from __future__ import annotations

import math
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from digits.figures.style import (
    BLUE,
    GREEN,
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
WIDTH, HEIGHT, STRIP = 10.6, 3.6, 1.0  # inches; the height of a panel, and of that of the learning rate


def plot_training_curves(run: Run) -> Figure:
    """Return loss and accuracy over the epochs, training and validation, with the best epoch marked, and below them the
    learning rate where it changed.

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
        if run.recipe:
            kept = "best" if run.recipe.get("keep_best") is True else "last"
            explanation += f" The weights kept are those of the {kept} epoch."
    rates = _column(run, "learning_rate")
    changing = len({rate for rate in rates if math.isfinite(rate)}) > 1
    with figure_style():
        below = STRIP + 1.15 if changing else 0.0
        figure, top = start_figure(_title(run, best), run_title(run), explanation, WIDTH, HEIGHT + 0.95 + below)
        panel = (WIDTH - 2 * MARGIN - 0.7) / 2 - 0.55
        for number, (quantity, title) in enumerate([("loss", "Loss"), ("accuracy", "Accuracy, %")]):
            axes = add_axes(figure, MARGIN + 0.6 + number * (panel + 1.0), top + 0.3, panel, HEIGHT)
            for key, (name, colour, marker) in SERIES.items():
                values = _column(run, f"{key}_{quantity}")
                if any(map(math.isfinite, values)):
                    shown = [100 * value for value in values] if quantity == "accuracy" else values
                    axes.plot(epochs, shown, color=colour, linewidth=2, label=name, **_markers(epochs, marker))
            _finish_axes(axes, title, epochs, best)
            if axes.lines:
                # Below the axis label, so that no line is ever covered.
                place, size = (0.5, -0.16), SMALL_SIZE
                axes.legend(
                    loc="upper center", bbox_to_anchor=place, ncols=3, frameon=False, fontsize=size, borderpad=0
                )
        if changing:
            axes = add_axes(figure, MARGIN + 0.6, top + HEIGHT + 1.7, 2 * panel + 1.0, STRIP)
            axes.plot(epochs, rates, color=GREEN, linewidth=2, clip_on=False, **_markers(epochs, "s"))
            axes.set_ylim(bottom=0)
            axes.locator_params(axis="y", nbins=4)
            _finish_axes(axes, "Learning rate of each epoch's last step", epochs, best)
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


def _markers(epochs: list[float], marker: str) -> dict[str, Any]:
    """Return the style that marks each epoch, where they are few enough for that."""
    return {"marker": marker, "markersize": 6.0} if len(epochs) <= 30 else {}


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
    """Return the epoch of the highest validation accuracy, of equal ones that of the lower loss, then the first one:
    that which --keep-best keeps. None where no accuracy was recorded."""
    rows = [row for row in run.history if math.isfinite(row.get("validation_accuracy", math.nan))]

    def score(row: dict[str, float]) -> tuple[float, float]:
        loss = row.get("validation_loss", math.inf)
        return row["validation_accuracy"], -loss if math.isfinite(loss) else -math.inf

    best = max(rows, key=score, default=None)
    return None if best is None or not math.isfinite(best.get("epoch", math.nan)) else int(best["epoch"])


def _column(run: Run, name: str) -> list[float]:
    """Return the history's column, nan where it has no finite number; epochs count from 1 where none are recorded."""
    values = [
        row.get(name, row_number if name == "epoch" else math.nan) for row_number, row in enumerate(run.history, 1)
    ]
    return [value if math.isfinite(value) else math.nan for value in values]
