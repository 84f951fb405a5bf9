"""Training curves: loss, accuracy and learning rate from epoch to epoch, and which epoch was the best."""

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from digits.figures.page import add_axes, new_figure
from digits.figures.style import BLUE, GREEN, LARGEST_PLOTTED, MARGIN, ORANGE, PALE_INK, SMALL_SIZE, tidy_axes
from digits.figures.text import run_title
from digits.names import percent
from digits.runs import Run
from digits.training import best_epoch

SERIES = {"train": ("training", BLUE, "o"), "validation": ("validation", ORANGE, "D")}
WIDTH, HEIGHT, STRIP = 10.6, 3.6, 1.0  # inches; the height of a panel, and of that of the learning rate


def plot_training_curves(run: Run) -> Figure:
    """Return loss and accuracy over the epochs, training and validation, with the best epoch marked, and below them the
    learning rate where it changed.

    The run's history must have at least one row; without validation images it has no columns of theirs.
    """
    history = [
        {key: min(max(value, -LARGEST_PLOTTED), LARGEST_PLOTTED) for key, value in row.items()} for row in run.history
    ]
    epochs = [row["epoch"] for row in history]
    best = best_epoch(history) if "validation_accuracy" in history[0] else None
    explanation, reading = "", "Loss: mean cross-entropy per image, in nats."
    if best is None:
        number = f"{len(history)} epoch{'s' if len(history) > 1 else ''}"
        title = f"Training accuracy {percent(history[-1]['train_accuracy'])} after {number}; no validation images"
    else:
        value = history[best - 1]["validation_accuracy"]
        accuracy = percent(value) if abs(value) <= 1 else f"{100 * value:.3g} %"
        title = f"Best validation accuracy {accuracy}, in epoch {best} of {len(history)}"
        reading += (
            " Training values are means over the epoch, while the weights change, with dropout where the network has "
            "it; validation values are measured after the epoch, without dropout, and can therefore be better."
        )
        if run.recipe:
            explanation = (
                f"The weights of the {'best' if run.recipe.get('keep_best') is True else 'last'} epoch are kept."
            )
    if history != run.history:
        explanation += f" Values beyond {LARGEST_PLOTTED:g} are plotted as {LARGEST_PLOTTED:g}."
    rates = [row.get("learning_rate", 0.0) for row in history]
    changing = len(set(rates)) > 1
    size = 6.0 if len(epochs) <= 30 else 0.0  # markers of many epochs would hide the lines
    below = STRIP + 1.15 if changing else 0.0
    with new_figure(title, run_title(run), explanation, WIDTH, HEIGHT + 0.95 + below, reading) as (figure, top):
        panel = (WIDTH - 2 * MARGIN - 0.7) / 2 - 0.55
        for column, (quantity, name, unit) in enumerate([("loss", "Loss", 1), ("accuracy", "Accuracy, %", 100)]):
            axes = add_axes(figure, MARGIN + 0.6 + column * (panel + 1.0), top + 0.3, panel, HEIGHT)
            for key, (label, colour, marker) in SERIES.items():
                if f"{key}_{quantity}" in history[0]:
                    values = [unit * row[f"{key}_{quantity}"] for row in history]
                    axes.plot(epochs, values, color=colour, linewidth=2, label=label, marker=marker, markersize=size)
            _finish_axes(axes, name, epochs, best)
            # Below the axis label, so that no line is ever covered.
            style: dict[str, Any] = {"frameon": False, "fontsize": SMALL_SIZE, "borderpad": 0}
            axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=3, **style)
        if changing:
            axes = add_axes(figure, MARGIN + 0.6, top + HEIGHT + 1.7, 2 * panel + 1.0, STRIP)
            axes.plot(epochs, rates, color=GREEN, linewidth=2, clip_on=False, marker="s", markersize=size)
            axes.set_ylim(bottom=0)
            axes.locator_params(axis="y", nbins=4)
            _finish_axes(axes, "Learning rate at the end of each epoch", epochs, best)
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
