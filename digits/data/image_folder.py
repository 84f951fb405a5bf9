"""Datasets as folders of image files: {label}_{index}.png, or a folder for each class; read and written."""

import os
import re
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from tqdm import tqdm

from digits.data.catalogue import Arrays
from digits.data.datasets import Dataset
from digits.data.form import FAINT, Changes
from digits.data.own import four_arrays, in_order, number_classes
from digits.errors import UserError
from digits.files import naming, new_folder
from digits.machine import cores
from digits.names import few, percent, plain
from digits.photos import find_digit, is_image, is_named_image, read_pages, read_photo
from digits.processes import spread

NAME = re.compile(r"(?P<label>.+)_(?P<index>\d+)\.\w+")
SAFE = re.compile(r"[^\W_][\w-]{0,49}")  # class names with which a file's name may begin on any system
SIDE = 28
CHUNK = 16  # pictures that a process converts at a time
MOST_LOST = 0.03  # of all pictures, that --convert may leave out
MOST_LOST_OF_CLASS = 0.1  # of a class's pictures, which are not reported

Labelled = tuple[Path, str]


def read_image_folder(
    folder: Path,
    note: Callable[[str], None],
    changes: Changes = Changes(),  # noqa: B008 (frozen)
    convert: bool = False,
    allow_lost: bool = False,
) -> tuple[Arrays, tuple[str, ...]]:
    """Return training images uint8 (N, 28, 28) and labels (N,), test images and labels, and the class names.

    `folder` has train/ and test/ (or training/ and testing/), or else its images are split: one in seven for testing,
    of each class the same share. Classes are numbered in the order of their names; 2 comes before 10. UserError names
    the file that is wrong. `note` receives sentences on files and subfolders that are not read.

    With `convert`, pictures of any size and colour are converted, by the code with which predict_digit.py reads photos;
    `note` receives a sentence on each one that fails and on each class that loses many, and the others make the
    dataset, unless more than MOST_LOST of all are lost: that is a UserError without `allow_lost`.
    """
    parts = [folder / "train", folder / "test"]
    if (folder / "training").is_dir() and (folder / "testing").is_dir():
        parts = [folder / "training", folder / "testing"]
    if not any(part.is_dir() for part in parts):
        parts = [folder]
    for part in parts:
        if not part.is_dir():
            raise UserError(f"'{part}' is not a folder; give one with images, or one with both train/ and test/.")
    listed = [list_images(part, note) for part in parts]
    numbers = number_classes([[label for _, label in files] for files in listed], parts)
    images = []
    if convert:
        kept = []
        for files in listed:
            found, left = _convert_pictures(files, note, changes.scale or 255)
            images.append(replace(changes, scale=None).apply(found))  # pictures were scaled before
            kept.append(left)
        _check_lost(parts, listed, kept, note, allow_lost)
        listed = kept
    else:
        for files in listed:
            with ThreadPoolExecutor(os.cpu_count()) as pool:
                read = pool.map(partial(_read_image, changes.scale or 255), [path for path, _ in files])
                images.append(changes.apply(np.stack(list(read))))
    return four_arrays(images, [[label for _, label in files] for files in listed], numbers, folder), tuple(numbers)


def list_images(folder: Path, note: Callable[[str], None]) -> list[Labelled]:
    """Return the image files of a folder with their labels, whatever their format.

    First those in a folder for each class, by name; then the others, by their index: the order of write_image_folder.
    `note` receives sentences on what is not read. UserError where there are no such files, or a name is wrong.
    """
    found: list[Labelled] = []
    by_index: list[tuple[int, Path, str]] = []
    others, empty = [], []
    for entry in sorted(folder.glob("[!.]*")):
        inside = sorted(entry.rglob("[!.]*")) if entry.is_dir() else [entry]
        files = [path for path in inside if path.is_file() and "/." not in path.relative_to(folder).as_posix()]
        images = {path: None for path in files if is_named_image(path.name) or is_image(path)}
        others += [path.relative_to(folder) for path in files if path not in images]
        if entry.is_dir():
            found += [(path, entry.name) for path in images]
            empty += [entry.name] * (not images)
        elif images:
            match = NAME.fullmatch(entry.name)
            if match is None:
                raise UserError(f"'{entry}': its name does not say its class; call it LABEL_INDEX.png, as 7_1.png.")
            by_index.append((int(match["index"]), entry, match["label"]))
    if others:
        note(f"not read in '{folder}': {few(others, 'file')} not in an image format.")
    if empty:
        note(f"'{folder}' has {few(empty, 'folder')} without any image; the dataset lacks these classes.")
    found += [(path, label) for _, path, label in sorted(by_index)]
    if not found:
        raise UserError(f"'{folder}' has no image files, neither LABEL_INDEX.png nor in a folder for each class.")
    return found


def write_image_folder(dataset: Dataset, folder: Path) -> None:
    """Write the dataset as train/{label}_{index}.png and test/{label}_{index}.png; `folder` must not exist yet.

    read_image_folder gives the same arrays again. The label is that of labels_for_files.
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
    """Return for each class what a file's name begins with, so that read_image_folder numbers the classes so too.

    That is the class's name, or its number where the names are not sorted or not allowed in file names.
    """
    names = list(class_names)
    if names != sorted(names, key=in_order) or not all(SAFE.fullmatch(name) for name in names):
        names = [str(number) for number in range(len(names))]
    return names


def _read_image(full: float, path: Path) -> NDArray[np.uint8]:
    """Return a file's image, uint8 (28, 28), with pixels up to `full`; UserError where it is another one."""
    try:
        pixels = read_photo(path).pixels
    except UserError as error:
        raise UserError(f"'{path}': {error}") from None
    height, width = pixels.shape[:2]
    if (height, width) != (SIDE, SIDE):
        raise UserError(f"'{path}' has {width} x {height} pixels, not {SIDE} x {SIDE}; use --convert.")
    if pixels.ndim == 3:
        if (pixels != pixels[:, :, :1]).any():
            raise UserError(f"'{path}' is in colour, where shades of grey are expected; use --convert.")
        pixels = pixels[:, :, 0]
    if pixels.max() > full:
        raise UserError(f"'{path}' has a pixel of {pixels.max()}, more than --scale {full:g}.")
    return pixels


def _convert_pictures(
    pictures: Sequence[Labelled], note: Callable[[str], None], full: float
) -> tuple[NDArray[np.uint8], list[Labelled]]:
    """Return the images, uint8 (N, 28, 28), of the pictures' digits, and the pictures that have them, in order."""
    chunks = [list(pictures[start : start + CHUNK]) for start in range(0, len(pictures), CHUNK)]
    images, kept = [], []
    with tqdm(total=len(pictures), unit=" pictures", disable=None, leave=False, ncols=100) as bar:
        for chunk, found in spread(partial(_convert, full), chunks, cores()):
            died = ["reading it ended the process; it may be damaged."]
            for picture, image in zip(chunk, found or died, strict=True):
                if isinstance(image, str):
                    note(f"left out: '{plain(picture[0])}': {image}")
                else:
                    images.append(image)
                    kept.append(picture)
            bar.update(len(chunk))
    return np.array(images, np.uint8).reshape(-1, SIDE, SIDE), kept


def _convert(full: float, pictures: list[Labelled]) -> list[NDArray[np.uint8] | str]:
    """Return the image of each picture's digit, or why there is none; full: the largest pixel value."""
    cv2.setNumThreads(1)
    found: list[NDArray[np.uint8] | str] = []
    for path, _ in pictures:
        page, photo = next(read_pages(path, shrink=True))
        if isinstance(photo, UserError):
            found.append(str(photo))
        elif page:
            found.append("it has several pages; save each page as a file of its own.")
        else:
            pixels = np.rint(np.minimum(photo.pixels * (255 / full), 255)).astype(np.uint8)
            digit = find_digit(pixels, size=photo.size)
            hint = f"; its brightest pixel is {pixels.max()}, so try --scale" * bool(pixels.max() <= FAINT)
            found.append(digit.image if digit else f"no digit found{hint}.")
    return found


def _check_lost(
    parts: Sequence[Path],
    listed: Sequence[Sequence[Labelled]],
    kept: Sequence[Sequence[Labelled]],
    note: Callable[[str], None],
    allow_lost: bool,
) -> None:
    """Note each class that lost many of its pictures; UserError where one has none left, or many of all are lost."""
    had, has = (
        Counter((part, label) for part, files in zip(parts, lists, strict=True) for _, label in files)
        for lists in (listed, kept)
    )
    for (part, label), count in had.items():
        lost = count - has[part, label]
        if lost > MOST_LOST_OF_CLASS * count:
            note(f"left out: {lost:,} of the {count:,} pictures of class '{label}' in '{part}'.")
        if lost == count and (part == parts[0] or not kept[-1]):
            raise UserError(
                f"'{part}' has no picture of class '{label}' that can be converted; add some, or remove the class."
            )
    total = sum(map(len, listed))
    lost = total - sum(map(len, kept))
    if lost > MOST_LOST * total and not allow_lost:
        raise UserError(
            f"{lost:,} of the {total:,} pictures ({percent(lost / total, 1)}) could not be converted, each named "
            "above; nothing was written. Correct or remove them, or make the dataset of the others with --allow-lost."
        )
    if lost:
        note(f"left out: {lost:,} of the {total:,} pictures in all.")
