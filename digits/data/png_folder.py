"""Datasets as folders of image files: {label}_{index}.png, or a folder for each class; read and written."""

import os
import re
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from digits.data.catalogue import Arrays
from digits.data.convert import Labelled, convert_pictures
from digits.data.datasets import Dataset
from digits.data.form import Changes
from digits.data.list_images import list_images
from digits.data.split import split_indices
from digits.errors import UserError
from digits.files import naming, new_folder
from digits.names import percent
from digits.photos import read_photo

SAFE = re.compile(r"[^\W_][\w-]{0,49}")  # class names with which a file's name may begin on any system
SIDE = 28
TEST_FRACTION = 1 / 7  # of a folder that is not split: MNIST's own share of test images
MOST_LOST = 0.03  # of all pictures, that --convert may leave out
MOST_LOST_OF_CLASS = 0.1  # of a class's pictures, which are not reported
MAX_CLASSES = 256  # labels are stored in a byte


def read_png_folder(
    folder: Path,
    report: Callable[[str], None] | None = None,
    note: Callable[[str], None] = print,
    changes: Changes = Changes(),  # noqa: B008 (frozen)
    allow_lost: bool = False,
) -> tuple[Arrays, tuple[str, ...]]:
    """Return training images uint8 (N, 28, 28) and labels (N,), test images and labels, and the class names.

    `folder` has train/ and test/ (or training/ and testing/), or else its images are split: one in seven for testing,
    of each class the same share. Classes are numbered in the order of their names; 2 comes before 10. UserError names
    the file that is wrong.

    With `report`, pictures of any format, size and colour are converted (digits/data/convert.py); it receives a
    sentence on each one that fails and on each class that loses many, and the others make the dataset, unless more than
    MOST_LOST of all are lost: that is a UserError without `allow_lost`. Pictures are scaled before.
    `note` receives sentences on files and subfolders that are not read.
    """
    parts = [folder / "train", folder / "test"]
    if (folder / "training").is_dir() and (folder / "testing").is_dir():
        parts = [folder / "training", folder / "testing"]
    if not any(part.is_dir() for part in parts):
        parts = [folder]
    for part in parts:
        if not part.is_dir():
            raise UserError(f"'{part}' is not a folder; give one with images, or one with both train/ and test/.")
    listed = [list_images(part, bool(report), note) for part in parts]
    class_names = sorted({label for _, label in listed[0]}, key=_in_order)
    if not 2 <= len(class_names) <= MAX_CLASSES:
        count = "one class only" if len(class_names) == 1 else f"{len(class_names)} classes"
        raise UserError(f"'{parts[0]}' has images of {count}, where 2 to {MAX_CLASSES} are expected.")
    for path, label in listed[-1]:
        if label not in class_names:
            raise UserError(f"'{path}' is of class '{label}', of which '{parts[0]}' has no image.")
    number = {name: i for i, name in enumerate(class_names)}
    arrays, kept = [], []
    for files in listed:
        if report:
            images, files = convert_pictures(files, report, changes.scale or 255)
            kept.append(files)
        else:
            with ThreadPoolExecutor(os.cpu_count()) as pool:
                images = np.stack(list(pool.map(_read_image, [path for path, _ in files])))
            over = np.flatnonzero(images.max(axis=(1, 2)) > (changes.scale or 255))
            if len(over):
                path, largest = files[over[0]][0], images[over[0]].max()
                raise UserError(f"'{path}' has a pixel of {largest}, more than --scale {changes.scale:g}.")
        arrays.append((replace(changes, scale=None) if report else changes).apply(images))
        arrays.append(np.array([number[label] for _, label in files], np.uint8))
    if report:
        _check_lost(parts, listed, kept, report, allow_lost)
    if len(parts) == 1:
        images, labels = arrays
        train, test = split_indices(labels, TEST_FRACTION, seed=0)
        if not len(test):
            raise UserError(f"'{folder}' has too few images to be split into training and test images; add some.")
        arrays = [images[train], labels[train], images[test], labels[test]]
    return (arrays[0], arrays[1], arrays[2], arrays[3]), tuple(class_names)


def write_png_folder(dataset: Dataset, folder: Path) -> None:
    """Write the dataset as train/{label}_{index}.png and test/{label}_{index}.png; `folder` must not exist yet.

    read_png_folder gives the same arrays again. The label is that of labels_for_files.
    """
    names = labels_for_files(dataset.class_names)
    with new_folder(folder) as hidden:
        for part in ("train", "test"):
            (hidden / part).mkdir()
            images, labels = getattr(dataset, f"{part}_images"), getattr(dataset, f"{part}_labels")
            digits = len(str(len(images) - 1))
            for i, (image, label) in enumerate(zip(images, labels, strict=True)):
                path = hidden / part / f"{names[label]}_{i:0{digits}}.png"
                with naming(path):
                    Image.fromarray(image).save(path)


def labels_for_files(class_names: Sequence[str]) -> list[str]:
    """Return for each class what a file's name begins with, so that read_png_folder numbers the classes in this order.

    That is the class's name, or its number where the names are not sorted or not allowed in file names.
    """
    names = list(class_names)
    if names != sorted(names, key=_in_order) or not all(SAFE.fullmatch(name) for name in names):
        names = [str(number) for number in range(len(names))]
    return names


def count_leaks(arrays: Arrays) -> int:
    """Return how many test images are, byte for byte, training images too."""
    train = {image.tobytes() for image in arrays[0]}
    return sum(image.tobytes() in train for image in arrays[2])


def _check_lost(
    parts: Sequence[Path],
    listed: Sequence[Sequence[Labelled]],
    kept: Sequence[Sequence[Labelled]],
    report: Callable[[str], None],
    allow_lost: bool,
) -> None:
    """Report each class that lost many of its pictures; UserError where one has none left, or many of all are lost."""
    lost = 0
    for part, before, after in zip(parts, listed, kept, strict=True):
        had, has = (Counter(label for _, label in files) for files in (before, after))
        lost += len(before) - len(after)
        for label, count in sorted(had.items(), key=lambda item: _in_order(item[0])):
            if count - has[label] > MOST_LOST_OF_CLASS * count:
                report(f"{count - has[label]:,} of the {count:,} pictures of class '{label}' in '{part}'.")
        gone = [label for label in sorted(had, key=_in_order) if not has[label]]
        if gone and (part == parts[0] or not after):
            raise UserError(
                f"'{part}' has no picture of class '{gone[0]}' that can be converted; add some, or remove the class."
            )
    total = sum(map(len, listed))
    if lost > MOST_LOST * total and not allow_lost:
        raise UserError(
            f"{lost:,} of the {total:,} pictures ({percent(lost / total, 1)}) could not be converted, each named "
            "above; nothing was written. Correct or remove them, or make the dataset of the others with --allow-lost."
        )
    if lost:
        report(f"{lost:,} of the {total:,} pictures in all.")


def _read_image(path: Path) -> NDArray[np.uint8]:
    """Return a file's image, uint8 (28, 28); UserError where it has another size or colours."""
    try:
        pixels = read_photo(path).pixels
    except UserError as error:
        raise UserError(f"'{path}': {error}") from None
    if pixels.shape[:2] != (SIDE, SIDE):
        raise UserError(
            f"'{path}' has {pixels.shape[1]} x {pixels.shape[0]} pixels, not {SIDE} x {SIDE}; use --convert."
        )
    if pixels.ndim == 3:
        if (pixels != pixels[:, :, :1]).any():
            raise UserError(f"'{path}' is in colour, where shades of grey are expected; use --convert.")
        pixels = pixels[:, :, 0]
    return np.ascontiguousarray(pixels)


def _in_order(label: str) -> tuple[list[tuple[int, str]], str]:
    """Return the key that sorts labels with their numbers as numbers, and equal numbers (1, 01) by their spelling."""
    parts = [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", label) if part]
    return parts, label
