"""How well each class is recognised, and whether the probabilities can be trusted: charts of one evaluated run."""

from __future__ import annotations

from mnist_twice.evaluation import MANY_CLASSES, Evaluation
from mnist_twice.figures.page import Page, new_figure
from mnist_twice.figures.style import BLUE, DASHED, GREY, ORANGE, PALE_INK, SMALL_SIZE, WIDE, plot_interval, tidy_axes
from mnist_twice.figures.text import class_labels, fit_text, run_title
from mnist_twice.metrics import wilson_interval
from mnist_twice.names import percent, percent_text

ROW = 0.34  # inches for a class
LONGEST_NAME = 1.6
SHOWN = 50  # of more than MANY_CLASSES


def plot_per_class_accuracy(evaluation: Evaluation, _: object = None, width: float = WIDE) -> Page:
    """Return each class's recall with its 95 % interval, in the order of the classes; of many, the lowest."""
    run, on = evaluation.run, evaluation.run.evaluated_on
    scores = list(zip(class_labels(run.class_names), evaluation.per_class, strict=True))
    with_images = [one for one in scores if one[1].support]
    worst_name, worst = min(with_images, key=lambda one: one[1].recall)
    explanation = f"Accuracy over all classes: {percent(evaluation.accuracy)}."
    if len(scores) > MANY_CLASSES:
        scores = sorted(with_images, key=lambda one: one[1].recall)[:SHOWN]
        explanation += f" Shown: the {len(scores)} of {len(with_images):,} classes with the lowest recall."
    title = (
        f"All {on} images of {len(with_images)} classes classified correctly"
        if worst.recall == 1
        else f"Lowest recall: class '{fit_text(worst_name, SMALL_SIZE, LONGEST_NAME)}', {percent(worst.recall)} of "
        f"{worst.support:,} images"
    )
    reading = (
        f"Dots: recall, the fraction of a class's {on} images that were classified correctly, with its 95 % "
        f"{'Wilson interval' if evaluation.writers is None else 'interval over writers'}. Dashed line: the accuracy "
        "over all classes."
    )
    height = max(ROW * len(scores), 1.0) + 0.5
    with new_figure(title, run_title(run), explanation, reading, height=height, width=min(width, 9.4)) as figure:
        axes = figure.subplots()
        axes.axvline(100 * evaluation.accuracy, color=PALE_INK, linestyle=DASHED, linewidth=1, zorder=1)
        lowest = 100.0
        for row, (_, score) in enumerate(scores):
            text = f"no {on} images"
            if score.recall_interval_95:
                low, high = (100 * end for end in score.recall_interval_95)
                lowest = min(lowest, low)
                colour = ORANGE if score is worst and worst.recall < 1 else BLUE
                plot_interval(axes, ([low, high], [row, row]), (100 * score.recall, row), colour)
                wrong = score.support - round(score.recall * score.support)
                text = f"{percent_text(100 * score.recall):>5} %"
                if width == WIDE:
                    text += f"   {wrong:,} of {score.support:,} wrong" if wrong else "   none wrong"
            axes.text(1.03, row, text, transform=axes.get_yaxis_transform(), va="center", size=SMALL_SIZE)
        axes.set(xlim=(max(0.0, lowest - 0.06 * (100 - lowest)), 100 + 0.03 * (100 - lowest)))
        axes.set(ylim=(len(scores) - 0.5, -0.5), xlabel="Recall, %")
        axes.set_yticks(range(len(scores)), [fit_text(name, SMALL_SIZE, LONGEST_NAME) for name, _ in scores])
        axes.locator_params(axis="x", nbins=9 if width == WIDE else 4)
        tidy_axes(axes, "x")
    return figure


def plot_calibration(evaluation: Evaluation, _: object = None, width: float = WIDE) -> Page:
    """Return accuracy against confidence in 15 bins, and below it how many images lie in each bin."""
    found = evaluation.calibration
    over, error = found.overconfidence, found.standard_error
    title = f"Mean confidence {percent(evaluation.accuracy + over)}, accuracy {percent(evaluation.accuracy)}"
    verdict = "neither over- nor underconfident"
    if abs(over) > 1.96 * error:
        verdict = "overconfident" if over > 0 else "underconfident"
    explanation = (
        f"{100 * abs(over):.2f} points apart (standard error {100 * error:.2f}): on average the network is {verdict}. "
        f"Expected calibration error: {percent(found.error)}; a perfectly calibrated network would have about "
        f"{percent(found.error_by_chance)} by chance."
    )
    reading = (
        "The expected calibration error (Guo et al. 2017) is the mean distance from the diagonal, each bin weighted by "
        "its images. Bars: 95 % Wilson intervals."
    )
    words = (title, run_title(evaluation.run), explanation, reading)
    with new_figure(*words, height=6.5 if width == WIDE else 4.9, width=min(width, 8.2)) as figure:
        axes, below = figure.subplots(2, 1, sharex=True, height_ratios=[4.6, 1.2])
        axes.plot([0, 100], [0, 100], color=GREY, linestyle=DASHED, linewidth=1.2)
        axes.text(100, 1, "below the diagonal: overconfident", color=PALE_INK, size=SMALL_SIZE, ha="right")
        for one in found.bins:
            x, interval = 100 * one.confidence, wilson_interval(round(one.accuracy * one.count), one.count)
            plot_interval(axes, ([x, x], [100 * end for end in interval]), (x, 100 * one.accuracy), BLUE)
        axes.set(xlim=(-1, 102), ylim=(-3, 103), ylabel="Accuracy, %")
        tidy_axes(axes, "both")
        edges, heights = [100 * one.low for one in found.bins], [one.count for one in found.bins]
        width_of_bin = 100 * (found.bins[0].high - found.bins[0].low)
        below.bar(edges, heights, width=width_of_bin, align="edge", color=BLUE, edgecolor="white", linewidth=1)
        below.set(yscale="log", ylim=(0.6, 3 * max(heights)), ylabel="Images (log)")
        below.set(xlabel="Confidence: probability of the predicted class, %" if width == WIDE else "Confidence, %")
        tidy_axes(below, "y")
        below.set_yticks([n for n in (1, 10, 100, 1_000, 10_000, 100_000) if n < 3 * max(heights)])
        below.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    return figure
