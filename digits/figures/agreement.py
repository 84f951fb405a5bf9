"""Two runs image by image: how often they agree, on which images they differ, and which both get wrong."""

import numpy as np
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from digits.evaluation import PairComparison, known_label_errors
from digits.figures.image_grid import Captioned, plot_image_page
from digits.figures.page import add_axes, new_figure
from digits.figures.predictions import MOST, WRONG_LABELS
from digits.figures.style import BLUE, GREEN, GREY, INK, MARGIN, ORANGE, PALE_INK, RED, TEXT_SIZE
from digits.figures.text import fit_text, pair_titles
from digits.names import percent
from digits.runs import Run

Images = NDArray[np.uint8]


def plot_agreement(pair: PairComparison) -> Figure:
    """Return how many images both runs, one of them, or neither got right, with the verdict of McNemar's test."""
    differing = pair.only_a_right + pair.only_b_right
    title = (
        f"Only one of the two is correct on {percent(differing / pair.n)} of {pair.n:,} {pair.a.evaluated_on} images"
    )
    cell_width, cell_height = 2.7, 1.25
    a, b = _short_names(pair)
    with new_figure(title, _subject(pair), pair.verdict, 9.2, 2 * cell_height + 0.45) as (figure, top):
        axes = add_axes(figure, MARGIN + 1.9, top + 0.4, 2 * cell_width, 2 * cell_height)
        axes.set(xlim=(0, 2), ylim=(2, 0))
        axes.set_axis_off()
        for x, y, count, what, colour in (
            (0, 0, pair.both_right, "both correct", GREEN),
            (1, 0, pair.only_a_right, f"only {a} correct", BLUE),
            (0, 1, pair.only_b_right, f"only {b} correct", ORANGE),
            (1, 1, pair.both_wrong, "both wrong", GREY),
        ):
            axes.add_patch(Rectangle((x, y), 1, 1, facecolor=to_rgba(colour, 0.16), edgecolor="white", linewidth=4))
            axes.text(x + 0.5, y + 0.4, f"{count:,}", size=24, ha="center", va="center", color=INK)
            text = f"{fit_text(what, TEXT_SIZE, 1.85)}, {percent(count / pair.n)}"
            axes.text(x + 0.5, y + 0.74, text, size=TEXT_SIZE, ha="center", va="center", color=INK)
        for position, word in enumerate(("correct", "wrong")):
            axes.text(position + 0.5, -0.06, f"{b} {word}", size=TEXT_SIZE, ha="center", va="bottom", color=PALE_INK)
            axes.text(-0.03, position + 0.5, f"{a} {word}", size=TEXT_SIZE, ha="right", va="center", color=PALE_INK)
    return figure


def plot_disagreements(pair: PairComparison, images: Images) -> Figure:
    """Return the images for which the two predict different classes, at most 40, the most confident ones first.

    images: those that both were evaluated on, uint8 (N, 28, 28).
    """
    indices = pair.disagreements
    title = f"The two predict different classes for {len(indices):,} of {pair.n:,} {pair.a.evaluated_on} images"
    return _plot_images(pair, images, title, indices)


def plot_both_wrong(pair: PairComparison, images: Images) -> Figure:
    """Return the images that both get wrong, at most 40, the most confident ones first; images: as above."""
    indices = pair.both_wrong_images
    same = int((pair.a.predictions[indices] == pair.b.predictions[indices]).sum())
    on = pair.a.evaluated_on
    title = f"Both misclassify {len(indices):,} of {pair.n:,} {on} images, {same:,} of them as the same class"
    return _plot_images(pair, images, title, indices)


def _subject(pair: PairComparison) -> str:
    a, b, common = pair_titles(pair)
    return " · ".join([*common, f"{', '.join(a)} and {', '.join(b)}"])


def _short_names(pair: PairComparison) -> list[str]:
    """Return the first thing that distinguishes each of the two, for which a cell has room."""
    return [fit_text(alone[0], TEXT_SIZE, 1.25) for alone in pair_titles(pair)[:2]]


def _plot_images(pair: PairComparison, images: Images, title: str, indices: NDArray[np.int64]) -> Figure:
    short = max(map(len, pair.a.class_names)) <= 2
    unit, word = (" %", "label ") if short else ("", "")  # long names leave no room for these
    known = set(known_label_errors(pair.a).tolist())
    cells = []
    for i in indices[:MOST].tolist():
        label = word + pair.a.class_names[pair.a.labels[i]] + (" ✗" if i in known else "")
        answers = [_answer(pair.a, i, unit), _answer(pair.b, i, unit)]
        cells.append(Captioned(images[i], [*answers, (label, INK)], i in known))
    a, b = _short_names(pair)
    reading = (
        f"Below each image: the predictions of {a} and {b} with their probabilities in % (blue: correct, red: wrong), "
        "then the label."
        if cells
        else ""
    )
    explanation = f"Shown: the {len(cells)} most confident ones." if len(cells) < len(indices) else ""
    if marked := len(known & set(indices.tolist())):
        explanation += f" The label of {marked} of all {len(indices):,} is known to be wrong."
        reading += f" {WRONG_LABELS}"
    return plot_image_page(title, _subject(pair), explanation.strip(), cells, reading=reading)


def _answer(run: Run, index: int, unit: str) -> tuple[str, str]:
    predicted = int(run.predictions[index])
    # Never 100 %: no network is certain.
    probability = min(99, round(100 * float(run.probabilities[index].max())))
    return f"{run.class_names[predicted]} {probability}{unit}", BLUE if predicted == run.labels[index] else RED
