"""Two runs image by image: how often they agree, on which images they differ, and which both get wrong."""

import numpy as np
from matplotlib.colors import to_rgba
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from mnist_twice.evaluation import PairComparison, disputed_labels
from mnist_twice.figures.image_grid import Captioned, Images, plot_image_page
from mnist_twice.figures.page import Page, new_figure
from mnist_twice.figures.predictions import DISPUTED, MOST
from mnist_twice.figures.style import BLUE, GREEN, GREY, INK, ORANGE, PALE_INK, PURPLE, RED, TEXT_SIZE, WIDE
from mnist_twice.figures.text import class_labels, fit_text, pair_titles, wrap_text
from mnist_twice.names import percent
from mnist_twice.runs import Run


def plot_agreement(pair: PairComparison, _: object = None, width: float = WIDE) -> Page:
    """Return how many images both runs, one of them, or neither got right, with the verdict of the test."""
    differing = pair.only_a_right + pair.only_b_right
    title = (
        f"Only one of the two is correct on {percent(differing / pair.n)} of {pair.n:,} {pair.a.evaluated_on} images"
    )
    a, b = _short_names(pair)
    room = 2.7 if width == WIDE else 1.3  # for a text in a cell
    with new_figure(title, _subject(pair), pair.verdict, height=2.95, width=min(width, 9.2)) as figure:
        axes = figure.subplots()
        for x, y, count, what, colour in (
            (0, 0, pair.both_right, "both correct", GREEN),
            (1, 0, pair.only_a_right, f"only {a} correct", PURPLE),
            (0, 1, pair.only_b_right, f"only {b} correct", ORANGE),
            (1, 1, pair.both_wrong, "both wrong", GREY),
        ):
            axes.add_patch(Rectangle((x, y), 1, 1, facecolor=to_rgba(colour, 0.16), edgecolor="white", linewidth=4))
            axes.text(x + 0.5, y + 0.33, f"{count:,}", size=24, ha="center", va="center")
            text = wrap_text(f"{what}, {percent(count / pair.n)}", TEXT_SIZE, room)
            axes.text(x + 0.5, y + 0.74, text, size=TEXT_SIZE, ha="center", va="center")
        axes.set(xlim=(0, 2), ylim=(2, 0))
        rows = [wrap_text(f"{a} {word}", TEXT_SIZE, 2.0 if width == WIDE else 0.9) for word in ("correct", "wrong")]
        axes.set_xticks([0.5, 1.5], [f"{b} correct", f"{b} wrong"], size=TEXT_SIZE, color=PALE_INK)
        axes.set_yticks([0.5, 1.5], rows, size=TEXT_SIZE, color=PALE_INK)
        axes.tick_params(length=0, top=True, labeltop=True, labelbottom=False)
        axes.spines[:].set_visible(False)
    return figure


def plot_disagreements(pair: PairComparison, images: Images | None, width: float = WIDE) -> Page | None:
    """Return the images for which the two predict different classes, at most 40, the most confident ones first."""
    indices = pair.disagreements
    title = f"The two predict different classes for {len(indices):,} of {pair.n:,} {pair.a.evaluated_on} images"
    return _plot_images(pair, images, title, indices, width)


def plot_both_wrong(pair: PairComparison, images: Images | None, width: float = WIDE) -> Page | None:
    """Return the images that both get wrong, at most 40, the most confident ones first."""
    indices = pair.both_wrong_images
    same = int((pair.a.predictions[indices] == pair.b.predictions[indices]).sum())
    on = pair.a.evaluated_on
    title = f"Both misclassify {len(indices):,} of {pair.n:,} {on} images, {same:,} of them as the same class"
    return _plot_images(pair, images, title, indices, width)


def _subject(pair: PairComparison) -> str:
    a, b, common = pair_titles(pair)
    return " · ".join([*common, f"{', '.join(a)} and {', '.join(b)}"])


def _short_names(pair: PairComparison) -> list[str]:
    """Return the first thing that distinguishes each of the two, for which a cell has room."""
    return [fit_text(alone[0], TEXT_SIZE, 1.25) for alone in pair_titles(pair)[:2]]


def _plot_images(
    pair: PairComparison, images: Images | None, title: str, indices: NDArray[np.int64], width: float
) -> Page | None:
    if images is None:
        return None
    names = class_labels(pair.a.class_names)
    short = max(map(len, names)) <= 2
    unit, word = (" %", "label ") if short else ("", "")  # long names leave no room for these
    disputed = set(disputed_labels(pair.a).tolist())
    cells = []
    for i in indices[:MOST].tolist():
        label = word + names[pair.a.labels[i]] + (" ?" if i in disputed else "")
        answers = [_answer(run, i, names, unit) for run in (pair.a, pair.b)]
        cells.append(Captioned(images[i], [*answers, (label, INK)], i in disputed))
    a, b = _short_names(pair)
    reading = (
        f"Below each image: the predictions of {a} and {b} with their probabilities in % (blue: correct, red: wrong), "
        "then the label."
        if cells
        else ""
    )
    explanation = f"Shown: the {len(cells)} most confident ones." if len(cells) < len(indices) else ""
    if marked := len(disputed & set(indices.tolist())):
        explanation += f" The label of {marked} of all {len(indices):,} is disputed."
        reading += f" {DISPUTED}"
    return plot_image_page(title, _subject(pair), explanation.strip(), reading, cells, width)


def _answer(run: Run, index: int, names: list[str], unit: str) -> tuple[str, str]:
    predicted = int(run.predictions[index])
    # Never 100 %: no network is certain.
    probability = min(99, round(100 * float(run.probabilities[index].max())))
    return f"{names[predicted]} ({probability}{unit})", BLUE if predicted == run.labels[index] else RED
