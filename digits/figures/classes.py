"""How well each class is recognised, and whether the probabilities can be trusted: charts of one evaluated run."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from digits.evaluation import MANY_CLASSES, Evaluation
from digits.figures.page import add_axes, new_figure
from digits.figures.style import (
    BLUE,
    GREY,
    GRID_GREY,
    MARGIN,
    ORANGE,
    PALE_INK,
    SMALL_SIZE,
    TITLE_SIZE,
    plot_interval,
    tidy_axes,
)
from digits.figures.text import fit_text, run_title, text_width
from digits.metrics import wilson_interval
from digits.names import percent, percent_text

ROW = 0.34  # inches for a class
LONGEST_NAME = 1.6
SHOWN = 50  # of more than MANY_CLASSES


def plot_per_class_accuracy(evaluation: Evaluation) -> Figure:
    """Return each class's recall with its 95 % interval, in the order of the classes; of many, the lowest."""
    scores, on = evaluation.per_class, evaluation.run.evaluated_on
    with_images = [score for score in scores if score.support]
    worst = min(with_images, key=lambda score: score.recall)
    explanation = f"Accuracy over all classes: {percent(evaluation.accuracy)}."
    if len(scores) > MANY_CLASSES:
        scores = sorted(with_images, key=lambda score: score.recall)[:SHOWN]
        explanation += f" Shown: the {len(scores)} of {len(with_images):,} classes with the lowest recall."
    names = [fit_text(score.name, SMALL_SIZE, LONGEST_NAME) for score in scores]
    title = (
        f"All {on} images of {len(with_images)} classes classified correctly"
        if worst.recall == 1
        else f"Lowest recall: class '{fit_text(worst.name, TITLE_SIZE, 2.5)}', {percent(worst.recall)} of "
        f"{worst.support:,} images"
    )
    reading = (
        f"Dots: recall, the fraction of a class's {on} images that were classified correctly, with its 95 % "
        f"{'Wilson interval' if evaluation.writers is None else 'interval over writers'}. Dashed line: the accuracy "
        "over all classes."
    )
    left = max(text_width(name, SMALL_SIZE) for name in names) + 0.15
    column, width, height = 2.2, 9.4, max(ROW * len(scores), 1.0)
    with new_figure(title, run_title(evaluation.run), explanation, width, height + 0.5, reading) as (figure, top):
        axes = add_axes(figure, MARGIN + left, top, width - 2 * MARGIN - left - column, height)
        axes.axvline(100 * evaluation.accuracy, color=PALE_INK, linestyle=(0, (4, 3)), linewidth=1, zorder=1)
        lowest = 100.0
        for row, score in enumerate(scores):
            text = f"no {on} images"
            if score.recall_interval_95:
                low, high = (100 * end for end in score.recall_interval_95)
                lowest = min(lowest, low)
                colour = ORANGE if score is worst and worst.recall < 1 else BLUE
                plot_interval(axes, ([low, high], [row, row]), (100 * score.recall, row), colour)
                wrong = score.support - round(score.recall * score.support)
                text = f"{percent_text(100 * score.recall):>5} %   "
                text += f"{wrong:,} of {score.support:,} wrong" if wrong else "none wrong"
            axes.text(1.03, row, text, transform=axes.get_yaxis_transform(), va="center", ha="left", size=SMALL_SIZE)
        axes.set(xlim=(max(0.0, lowest - 0.06 * (100 - lowest)), 100 + 0.03 * (100 - lowest)))
        axes.set(ylim=(len(scores) - 0.5, -0.5), xlabel="Recall, %")
        axes.set_yticks(range(len(scores)), names)
        tidy_axes(axes, "x")
    return figure


def plot_calibration(evaluation: Evaluation) -> Figure:
    """Return accuracy against confidence in 15 bins, and below it how many images lie in each bin."""
    confidence = float(evaluation.run.probabilities.max(axis=1).mean())
    title = f"Mean confidence {percent(confidence)}, accuracy {percent(evaluation.accuracy)}"
    explanation = (
        f"On average the network is {'under' if confidence < evaluation.accuracy else 'over'}confident. Expected "
        f"calibration error: {percent(evaluation.expected_calibration_error)}."
    )
    reading = (
        "The expected calibration error (Guo et al. 2017) is the mean distance from the diagonal, each bin weighted by "
        "its images. Bars: 95 % Wilson intervals, long where a bin has few images."
    )
    width, side, counts = 8.2, 4.6, 1.2
    size = (width, side + counts + 0.7)
    with new_figure(title, run_title(evaluation.run), explanation, *size, reading) as (figure, top):
        left = MARGIN + 0.75
        axes = add_axes(figure, left, top + 0.05, width - left - MARGIN - 0.1, side)
        axes.plot([0, 100], [0, 100], color=GREY, linestyle=(0, (4, 3)), linewidth=1.2)
        axes.text(100, 1, "below the diagonal: overconfident", color=PALE_INK, size=SMALL_SIZE, ha="right")
        for one in evaluation.calibration:
            if one.confidence is not None and one.accuracy is not None:
                x, interval = 100 * one.confidence, wilson_interval(round(one.accuracy * one.count), one.count)
                plot_interval(axes, ([x, x], [100 * end for end in interval]), (x, 100 * one.accuracy), BLUE)
        axes.set(xlim=(-1, 102), ylim=(-3, 103), ylabel="Accuracy, %")
        axes.set_xticks(range(0, 101, 20), [])
        tidy_axes(axes, "both")
        below = add_axes(figure, left, top + 0.05 + side + 0.15, width - left - MARGIN - 0.1, counts)
        edges = [100 * one.low for one in evaluation.calibration] + [100.0]
        heights = [one.count for one in evaluation.calibration]
        below.bar(edges[:-1], heights, width=np.diff(edges), align="edge", color=BLUE, edgecolor="white", linewidth=1)
        below.set(xlim=(-1, 102), yscale="log", ylim=(0.6, 3 * max(heights)))
        below.set(xlabel="Confidence: probability of the predicted class, %", ylabel="Images (log)")
        tidy_axes(below, "y")
        below.tick_params(which="minor", length=0)
        below.set_yticks([n for n in (1, 10, 100, 1_000, 10_000, 100_000) if n < 3 * max(heights)])
        below.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
        for edge in (axes, below):
            edge.spines["bottom"].set_color(GRID_GREY)
        figure.align_ylabels([axes, below])
    return figure
