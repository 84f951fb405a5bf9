"""What a dataset holds: how many images of each class, forty of them, and what augmentation makes of some."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from digits.data import Dataset
from digits.evaluation import MANY_CLASSES
from digits.figures.image_grid import (
    CELL,
    COLUMNS,
    IMAGE,
    Captioned,
    grid_height,
    plot_grid,
    plot_image_page,
    row_height,
)
from digits.figures.page import add_axes, add_text, new_figure
from digits.figures.style import BLUE, GREY, INK, MARGIN, SMALL_SIZE, tidy_axes
from digits.figures.text import fit_text, text_width
from digits.names import spelled
from digits.recipes import Augmentation
from digits.training.augment import augment
from digits.training.pens import imitate_pens

ROWS = 4
SEED = 2003  # which images are shown
SHOWN = 25  # most frequent classes, and as many of the rarest, of more than MANY_CLASSES
CUTOUT = 10  # side of the square that the figure shows erased, pixels: without --cutout, none is


def plot_class_distribution(dataset: Dataset) -> Figure:
    """Return how many training and test images each class has; of many classes, the most frequent and the rarest."""
    num_classes = len(dataset.class_names)
    counts = [np.bincount(labels, minlength=num_classes) for labels in (dataset.train_labels, dataset.test_labels)]
    most, least = int(counts[0].argmax()), int(counts[0].argmin())
    title = (
        f"{len(dataset.train_labels):,} training and {len(dataset.test_labels):,} test images in {num_classes} classes"
    )
    explanation = (
        "All classes have equally many training images."
        if counts[0][most] == counts[0][least]
        else f"The most frequent class in training, '{dataset.class_names[most]}', has "
        f"{counts[0][most] / max(counts[0][least], 1):.2f} times as many images as the rarest, "
        f"'{dataset.class_names[least]}'."
    )
    shown = list(range(num_classes))
    if num_classes > MANY_CLASSES:
        by_count = np.argsort(-counts[0], kind="stable").tolist()
        shown = by_count[:SHOWN] + by_count[-SHOWN:]
        explanation += f" Shown: the {SHOWN} most frequent classes in training and the {SHOWN} rarest."
    names = [fit_text(dataset.class_names[number], SMALL_SIZE, 1.6) for number in shown]
    left = max(text_width(name, SMALL_SIZE) for name in names) + 0.15
    width, height = 9.2, max(0.34 * len(shown), 1.0)
    panel = (width - 2 * MARGIN - left) / 2 - 0.5
    with new_figure(title, spelled(dataset.name), explanation, width, height + 0.6) as (figure, top):
        for number, (part, values) in enumerate(zip(("Training", "Test"), (c[shown] for c in counts), strict=True)):
            axes = add_axes(figure, MARGIN + left + number * (panel + 0.6), top + 0.25, panel, height)
            axes.barh(range(len(shown)), values, color=(BLUE, GREY)[number], height=0.72)
            for row, value in enumerate(values):
                axes.text(value, row, f" {value:,}", va="center", ha="left", size=SMALL_SIZE, color=INK)
            axes.set_title(f"{part} images", pad=8)
            axes.set(xlim=(0, 1.16 * max(values.max(), 1)), ylim=(len(shown) - 0.5, -0.5))
            axes.set_yticks(range(len(shown)), names if number == 0 else [""] * len(shown))
            axes.locator_params(axis="x", nbins=4)
            axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
            tidy_axes(axes, "x")
    return figure


def plot_sample_images(dataset: Dataset) -> Figure:
    """Return 40 training images with their classes: a column for each class where there are at most ten."""
    images, labels, names = dataset.train_images, dataset.train_labels, dataset.class_names
    cells = [Captioned(images[i], [(names[labels[i]], INK)]) for i in _sample_indices(labels, len(names))]
    height, width = images.shape[1:]
    title = f"{len(cells)} of {len(labels):,} training images"
    explanation = f"Chosen at random. Each has {height} x {width} grey-scale pixels; ink is stored bright."
    return plot_image_page(title, spelled(dataset.name), explanation, cells, min(COLUMNS, len(names)))


def plot_augmentation(dataset: Dataset) -> Figure:
    """Return eight training images (fewer of few classes), each kind of change alone, and all of them combined."""
    num_classes = len(dataset.class_names)
    indices = _sample_indices(dataset.train_labels, num_classes)[: min(8, num_classes)]
    images, labels = dataset.train_images[indices], dataset.train_labels[indices]
    amount = replace(Augmentation(), cutout=CUTOUT)
    everything = {"rotation", "shift", "scale", "shear", "elastic"}
    kinds: dict[str, set[str]] = {
        "original": set(),
        f"rotated, up to {amount.rotation:g}°": {"rotation"},
        f"shifted, up to {amount.shift:g} pixels": {"shift"},
        f"scaled, up to {100 * amount.scale:g} %": {"scale"},
        f"sheared, up to {amount.shear:g}": {"shear"},
        f"elastic, alpha {amount.elastic:g}": {"elastic"},
        **{f"all combined, sample {number}": everything for number in (1, 2, 3)},
        f"all, and --cutout {CUTOUT}": {*everything, "cutout"},
    }
    generator = np.random.default_rng(SEED)
    rows = {kind: augment(images, generator, _only(amount, kept)) if kept else images for kind, kept in kinds.items()}
    if list(dataset.class_names) == list("0123456789"):
        rows["other pens, sample 1"] = imitate_pens(images, labels, generator, 1)
        rows["other pens, sample 2"] = imitate_pens(images, labels, generator, 1)
    cells = [Captioned(image) for row in rows.values() for image in row]
    beside = 2.3
    title = f"{len(rows) - 1} variants of each image: augmentation at its default strength"
    explanation = (
        "How much an image is changed is chosen at random, within these limits, so that its class stays readable; "
        "--augment trains on new variants in every epoch. Off by default are --flip, as most digits have no valid "
        "mirror image, and --cutout, which erases a square. --pens replaces digits by what other hands and pens write."
    )
    size = (beside + len(images) * CELL + 2 * MARGIN, grid_height(cells, len(images)))
    with new_figure(title, spelled(dataset.name), explanation, *size) as (figure, top):
        for number, kind in enumerate(rows):
            add_text(figure, MARGIN, top + number * row_height(cells) + IMAGE / 2 - 0.09, kind)
        plot_grid(figure, MARGIN + beside, top, cells, len(images))
    return figure


def _only(amount: Augmentation, kept: set[str]) -> Augmentation:
    """Return the augmentation with only these kinds of change."""
    others = {field.name for field in fields(amount)} - kept - {"smoothness"}
    return replace(amount, **dict.fromkeys(others, 0))


def _sample_indices(labels: NDArray[np.uint8], num_classes: int) -> list[int]:
    """Return the indices of at most 40 images: classes in turn, each time another image of the class."""
    generator = np.random.default_rng(SEED)
    columns = [generator.permutation(np.flatnonzero(labels == label))[:ROWS] for label in range(num_classes)]
    indices = [int(column[row]) for row in range(ROWS) for column in columns if row < len(column)]
    return indices[: COLUMNS * ROWS]
