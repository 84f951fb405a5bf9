"""What a dataset holds: how many images of each class, forty of them, and what augmentation makes of some."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from digits.data import Dataset
from digits.figures.image_grid import CELL, IMAGE, Captioned, grid_height, plot_grid
from digits.figures.style import (
    BLUE,
    GREY,
    INK,
    MARGIN,
    SMALL_SIZE,
    SPELLING,
    add_axes,
    add_text,
    figure_style,
    fit_text,
    start_figure,
    text_width,
    tidy_axes,
)
from digits.training import Augmentation
from digits.training.augment import augment

COLUMNS, ROWS = 10, 4
SEED = 2003  # which images are shown


def plot_class_distribution(dataset: Dataset) -> Figure:
    """Return how many training and test images each class has."""
    num_classes = len(dataset.class_names)
    counts = [np.bincount(labels, minlength=num_classes) for labels in (dataset.train_labels, dataset.test_labels)]
    most, least = int(counts[0].argmax()), int(counts[0].argmin())
    title = (
        f"{len(dataset.train_labels):,} training and {len(dataset.test_labels):,} test images in {num_classes} classes"
    )
    explanation = (
        "Every class has as many training images as any other."
        if counts[0][most] == counts[0][least]
        else f"The most frequent class in training, '{dataset.class_names[most]}', has "
        f"{counts[0][most] / max(counts[0][least], 1):.2f} times as many images as the rarest, "
        f"'{dataset.class_names[least]}'."
    )
    names = [fit_text(name, SMALL_SIZE, 1.6) for name in dataset.class_names]
    left = max(text_width(name, SMALL_SIZE) for name in names) + 0.15
    width, height = 9.2, max(0.34 * num_classes, 1.0)
    panel = (width - 2 * MARGIN - left) / 2 - 0.5
    with figure_style():
        figure, top = start_figure(title, _title(dataset), explanation, width, height + 0.6)
        for number, (part, values) in enumerate(zip(("Training", "Test"), counts, strict=True)):
            axes = add_axes(figure, MARGIN + left + number * (panel + 0.6), top + 0.25, panel, height)
            axes.barh(range(num_classes), values, color=(BLUE, GREY)[number], height=0.72)
            for row, value in enumerate(values):
                axes.text(value, row, f" {value:,}", va="center", ha="left", size=SMALL_SIZE, color=INK)
            axes.set_title(f"{part} images", pad=8)
            axes.set(xlim=(0, 1.16 * max(values.max(), 1)), ylim=(num_classes - 0.5, -0.5))
            axes.set_yticks(range(num_classes), names if number == 0 else [""] * num_classes)
            axes.locator_params(axis="x", nbins=4)
            axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
            tidy_axes(axes, "x")
    return figure


def plot_sample_images(dataset: Dataset) -> Figure:
    """Return 40 training images with their classes: a column for each class where there are at most ten."""
    rows = _sample_rows(dataset.train_labels, len(dataset.class_names))
    cells = [
        Captioned(dataset.train_images[row], [(dataset.class_names[dataset.train_labels[row]], INK)]) for row in rows
    ]
    columns = min(COLUMNS, len(dataset.class_names)) if len(dataset.class_names) <= COLUMNS else COLUMNS
    height, width = dataset.train_images.shape[1:]
    title = f"{len(cells)} of {len(dataset.train_labels):,} training images"
    explanation = f"Drawn by lot. Each has {height} x {width} grey pixels; ink is drawn dark here and stored bright."
    with figure_style():
        figure, top = start_figure(
            title, _title(dataset), explanation, COLUMNS * CELL + 2 * MARGIN, grid_height(cells, columns)
        )
        plot_grid(figure, MARGIN, top, cells, columns)
    return figure


def plot_augmentation(dataset: Dataset) -> Figure:
    """Return six training images, what each kind of change alone makes of them, and three draws of all changes."""
    num_classes = len(dataset.class_names)
    images = dataset.train_images[_sample_rows(dataset.train_labels, num_classes)[: min(8, num_classes)]]
    amount = Augmentation()
    kinds = {
        "as stored": None,
        f"rotated, up to {amount.rotation:g}°": {"rotation"},
        f"shifted, up to {amount.shift:g} pixels": {"shift"},
        f"scaled, up to {100 * amount.scale:g} %": {"scale"},
        f"sheared, up to {amount.shear:g}": {"shear"},
        f"elastic, alpha {amount.elastic:g}": {"elastic"},
        "all of it, first draw": {"rotation", "shift", "scale", "shear", "elastic"},
        "second draw": {"rotation", "shift", "scale", "shear", "elastic"},
        "third draw": {"rotation", "shift", "scale", "shear", "elastic"},
    }
    generator = np.random.default_rng(SEED)
    cells = [
        Captioned(image)
        for kept in kinds.values()
        for image in (images if kept is None else augment(images, generator, _only(amount, kept)))
    ]
    labels = 2.3
    step = grid_height(cells[: 2 * len(images)], len(images)) - grid_height(cells[: len(images)], len(images))
    title = f"{len(kinds) - 1} other forms of each image: what augmentation does at its default strength"
    explanation = (
        "Each change is drawn by lot for each image; --augment trains on such images, made anew in each epoch. The "
        "class must stay readable: that is what limits the strength. Mirroring (--flip) is off by default, since it "
        "would spoil digits."
    )
    with figure_style():
        figure, top = start_figure(
            title,
            _title(dataset),
            explanation,
            labels + len(images) * CELL + 2 * MARGIN,
            grid_height(cells, len(images)),
        )
        for number, kind in enumerate(kinds):
            add_text(figure, MARGIN, top + number * step + IMAGE / 2 - 0.09, kind)
        plot_grid(figure, MARGIN + labels, top, cells, len(images))
    return figure


def _only(amount: Augmentation, kept: set[str]) -> Augmentation:
    """Return the augmentation with only these kinds of change."""
    others = {field.name for field in fields(amount)} - kept - {"smoothness"}
    return replace(amount, **dict.fromkeys(others, 0.0))


def _sample_rows(labels: NDArray[np.uint8], num_classes: int) -> list[int]:
    """Return the rows of at most 40 images: classes in turn, each time another image of the class."""
    generator = np.random.default_rng(SEED)
    columns = [generator.permutation(np.flatnonzero(labels == label))[:ROWS] for label in range(num_classes)]
    rows = [int(column[row]) for row in range(ROWS) for column in columns if row < len(column)]
    return rows[: COLUMNS * ROWS]


def _title(dataset: Dataset) -> str:
    return SPELLING.get(dataset.name, dataset.name)
