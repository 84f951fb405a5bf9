"""What a dataset holds: how many images of each class, forty of them, and what augmentation makes of some."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from mnist_twice.data import Dataset
from mnist_twice.evaluation import MANY_CLASSES
from mnist_twice.figures.image_grid import COLUMNS, Captioned, plot_image_page
from mnist_twice.figures.page import Page, new_figure
from mnist_twice.figures.style import BLUE, GREY, INK, SMALL_SIZE, WIDE, tidy_axes
from mnist_twice.figures.text import class_labels, fit_text
from mnist_twice.names import spelled
from mnist_twice.recipes import Augmentation
from mnist_twice.training.augment import augment
from mnist_twice.training.degrade import degrade
from mnist_twice.training.pens import imitate_pens

ROWS = 4
SEED = 2003  # which images are shown
SHOWN = 25  # most frequent classes, and as many of the rarest, of more than MANY_CLASSES
CUTOUT = 10  # side of the square that the figure shows erased, pixels: without --cutout, none is


def plot_class_distribution(dataset: Dataset, width: float = WIDE) -> Page:
    """Return how many training and test images each class has; of many classes, the most frequent and the rarest."""
    names = class_labels(dataset.class_names)
    training = np.bincount(dataset.train_labels, minlength=len(names))
    test = np.bincount(dataset.test_labels, minlength=len(names))
    most, least = int(training.argmax()), int(training.argmin())
    title = f"{training.sum():,} training and {test.sum():,} test images in {len(names)} classes"
    explanation = (
        "Every class has the same number of training images."
        if training[most] == training[least]
        else f"The most frequent class in training, '{names[most]}', has "
        f"{training[most] / max(training[least], 1):.2f} times as many images as the rarest, '{names[least]}'."
    )
    shown = list(range(len(names)))
    if len(names) > MANY_CLASSES:
        by_count = np.argsort(-training, kind="stable").tolist()
        shown = by_count[:SHOWN] + by_count[-SHOWN:]
        explanation += f" Shown: the {SHOWN} most frequent classes in training and the {SHOWN} rarest."
    labels = [fit_text(names[number], SMALL_SIZE, 1.6) for number in shown]
    shape = (1, 2) if width == WIDE else (2, 1)
    height = shape[0] * (max(0.34 * len(shown), 1.0) + 0.6)
    with new_figure(title, spelled(dataset.name), explanation, height=height, width=min(width, 9.2)) as figure:
        panels = figure.subplots(*shape)
        parts = (("Training", training[shown], BLUE), ("Test", test[shown], GREY))
        for axes, (part, values, colour) in zip(panels, parts, strict=True):
            bars = axes.barh(range(len(shown)), values, color=colour, height=0.72)
            axes.bar_label(bars, fmt="{:,.0f}", padding=3, size=SMALL_SIZE)
            axes.set(title=f"{part} images", xlim=(0, 1.16 * max(values.max(), 1)), ylim=(len(shown) - 0.5, -0.5))
            axes.set_yticks(range(len(shown)), labels)
            axes.locator_params(axis="x", nbins=4)
            axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
            tidy_axes(axes, "x")
    return figure


def plot_sample_images(dataset: Dataset, width: float = WIDE) -> Page:
    """Return 40 training images with their classes: a column for each class where there are at most ten."""
    images, labels, names = dataset.train_images, dataset.train_labels, class_labels(dataset.class_names)
    cells = [Captioned(images[i], [(names[labels[i]], INK)]) for i in _sample_indices(labels, len(names))]
    rows, columns = images.shape[1:]
    title = f"{len(cells)} of {len(labels):,} training images"
    explanation = (
        f"Chosen at random. Each has {rows} x {columns} grey-scale pixels, stored white on black, shown inverted."
    )
    shape = (min(COLUMNS, len(names)), min(5, len(names)))
    return plot_image_page(title, spelled(dataset.name), explanation, "", cells, width, shape)


def plot_augmentation(dataset: Dataset, width: float = WIDE) -> Page:
    """Return eight training images (fewer of few classes), each kind of change alone, and all of them combined."""
    num_classes = len(dataset.class_names)
    indices = _sample_indices(dataset.train_labels, num_classes)[: min(8, num_classes)]
    images, labels = dataset.train_images[indices], dataset.train_labels[indices]
    usual, none = Augmentation(), Augmentation(rotation=0, shift=0, scale=0, shear=0, elastic=0)
    kinds = {
        f"rotated, up to {usual.rotation:g}°": replace(none, rotation=usual.rotation),
        f"shifted, up to {usual.shift:g} pixels": replace(none, shift=usual.shift),
        f"scaled, up to {100 * usual.scale:g} %": replace(none, scale=usual.scale),
        f"sheared, up to {usual.shear:g}": replace(none, shear=usual.shear),
        f"elastic, alpha {usual.elastic:g}": replace(none, elastic=usual.elastic),
        **dict.fromkeys([f"all combined, sample {number}" for number in (1, 2, 3)], usual),
        f"all, and --cutout {CUTOUT}": replace(usual, cutout=CUTOUT),
    }
    generator = np.random.default_rng(SEED)
    rows = {"original": images} | {kind: augment(images, generator, amount) for kind, amount in kinds.items()}
    if list(dataset.class_names) == list("0123456789"):
        rows["other pens, sample 1"] = imitate_pens(images, labels, generator, 1)
        rows["other pens, sample 2"] = imitate_pens(images, labels, generator, 1)
    rows |= {f"degraded, sample {number}": degrade(images, generator, 1) for number in (1, 2)}
    title = f"{len(rows) - 1} variants of each image: augmentation at its default strength"
    explanation = (
        "Each image is changed by random amounts within these limits, so that its class stays readable; "
        "--augment trains on new variants in every epoch. Off by default are --flip, as most digits have no valid "
        "mirror image, --cutout, which erases a square, and --degrade, which adds noise, blur, lines and backgrounds. "
        "--pens replaces some digits with ones in other handwriting and pens."
    )
    columns = (len(images), min(4, len(images)))
    cells = [Captioned(image) for row in rows.values() for image in row[: columns[width != WIDE]]]
    return plot_image_page(title, spelled(dataset.name), explanation, "", cells, width, columns, list(rows))


def _sample_indices(labels: NDArray[np.uint8], num_classes: int) -> list[int]:
    """Return the indices of at most 40 images: classes in turn, each time another image of the class."""
    generator = np.random.default_rng(SEED)
    columns = [generator.permutation(np.flatnonzero(labels == label))[:ROWS] for label in range(num_classes)]
    indices = [int(column[row]) for row in range(ROWS) for column in columns if row < len(column)]
    return indices[: COLUMNS * ROWS]
