"""Training curves: loss, accuracy and learning rate from epoch to epoch, and which epoch was the best."""

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from mnist_twice.evaluation import Evaluation
from mnist_twice.figures.page import Page, new_figure
from mnist_twice.figures.style import BLUE, DASHED, GREEN, ORANGE, PALE_INK, WIDE, tidy_axes
from mnist_twice.figures.text import run_title
from mnist_twice.names import percent
from mnist_twice.training import best_epoch

SERIES = {"train": ("training", BLUE, "o"), "validation": ("validation", ORANGE, "D")}


def plot_training_curves(evaluation: Evaluation, _: object = None, width: float = WIDE) -> Page | None:
    """Return loss and accuracy over the epochs, training and validation, with the best epoch marked, and below them the
    learning rate where it changed; None of a run without history.

    Without validation images, the history has no columns of theirs.
    """
    run, history = evaluation.run, evaluation.run.history
    if not history:
        return None
    epochs = [row["epoch"] for row in history]
    best = best_epoch(history) if "validation_accuracy" in history[0] else None
    explanation, reading = "", "Loss: mean cross-entropy per image, in nats."
    if best is None:
        number = f"{len(history)} epoch{'s' if len(history) > 1 else ''}"
        title = f"Training accuracy {percent(history[-1]['train_accuracy'])} after {number}; no validation images"
    else:
        accuracy = history[best - 1]["validation_accuracy"]
        title = f"Best validation accuracy {percent(accuracy)}, in epoch {best} of {len(history)}"
        reading += (
            " Training values are means over the epoch, while the weights change, with dropout where the network has "
            "it; validation values are measured after the epoch, without dropout, and can therefore be better."
        )
        if run.recipe:
            kept = "best" if run.recipe.get("keep_best") is True else "last"
            explanation = f"The weights of the {kept} epoch are kept."
    rates = [row.get("learning_rate", 0.0) for row in history]
    places, heights = ([["loss", "accuracy"]], [4.7]) if width == WIDE else ([["loss"], ["accuracy"]], [3.4, 3.4])
    if len(set(rates)) > 1:
        places, heights = [*places, ["rate"] * len(places[0])], [*heights, 1.9]
    size = 6.0 if len(epochs) <= 30 else 0.0  # markers of many epochs would hide the lines
    with new_figure(title, run_title(run), explanation, reading, height=sum(heights), width=min(width, 10.6)) as figure:
        panels = figure.subplot_mosaic(places, height_ratios=heights)  # type: ignore[arg-type]
        for quantity, name, unit in [("loss", "Loss", 1), ("accuracy", "Accuracy, %", 100)]:
            axes = panels[quantity]
            for key, (label, colour, marker) in SERIES.items():
                if f"{key}_{quantity}" in history[0]:
                    values = [unit * row[f"{key}_{quantity}"] for row in history]
                    axes.plot(epochs, values, color=colour, linewidth=2, label=label, marker=marker, markersize=size)
            _finish_axes(axes, name, epochs, best)
        if "rate" in panels:
            axes = panels["rate"]
            axes.plot(epochs, rates, color=GREEN, linewidth=2, clip_on=False, marker="s", markersize=size)
            axes.set_ylim(bottom=0)
            axes.locator_params(axis="y", nbins=4)
            _finish_axes(axes, "Learning rate at the end of each epoch", epochs, best)
        figure.legend(*panels["loss"].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


def _finish_axes(axes: Axes, title: str, epochs: list[float], best: int | None) -> None:
    axes.set(title=title, xlabel="Epoch")
    tidy_axes(axes)
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True, min_n_ticks=1))
    axes.ticklabel_format(axis="y", style="plain", useOffset=False)
    axes.set_xlim(min(epochs) - 0.5, max(epochs) + 0.5) if len(epochs) <= 30 else None
    if best is not None:
        axes.axvline(best, color=PALE_INK, linestyle=DASHED, linewidth=1, label="best epoch", zorder=0)
