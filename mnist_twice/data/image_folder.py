"""Datasets as folders of image files: {label}_{index}.png, or a folder for each class; read and written."""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from tqdm import tqdm

from mnist_twice.data.catalogue import Arrays
from mnist_twice.data.datasets import Dataset
from mnist_twice.data.form import FAINT, Changes, four_arrays, in_order, number_classes
from mnist_twice.errors import UserError
from mnist_twice.files import writing_folder
from mnist_twice.machine import cores
from mnist_twice.names import AS_IS, few, percent, plain
from mnist_twice.photos import as_is, find_digit, is_image, is_named_image, read_pages
from mnist_twice.processes import spread

NAME = re.compile(r"(?P<label>.+)_(?P<index>\d+)\.\w+")
SAFE = re.compile(r"[^\W_][\w-]{0,49}")  # class names with which a file's name may begin on any system
SIDE = 28
CHUNK = 16  # files that a process reads at a time
FEW = 100  # up to which no processes are started, which takes a second
MOST_LOST = 0.03  # of all pictures, that --convert may leave out


def read_image_folder(
    folder: Path, note: Callable[[str], None], changes: Changes, convert: bool = False, allow_lost: bool = False
) -> tuple[Arrays, tuple[str, ...]]:
    """Return training images uint8 (N, 28, 28) and labels (N,), test images and labels, and the class names.

    `folder` has train/ and test/ (or training/ and testing/), or else its images are split: one in seven for testing,
    of each class the same share. Classes are numbered in the order of their names; 2 comes before 10. UserError names
    the file that is wrong. `note` receives sentences on files and subfolders that are not read.

    Pictures of other sizes and in colour are taken as they are (as_is in mnist_twice/photos/preprocess.py), and a
    sentence says so. With `convert`, the digit in each is found, by the code with which predict_digit.py reads photos;
    `note` receives a sentence on each one that fails, and one that counts them by class, and the others make the
    dataset, unless more than MOST_LOST of all are lost: that is a UserError without `allow_lost`.
    """
    parts = [folder]
    named = {entry.name.lower(): entry for entry in folder.glob("*") if entry.is_dir()}
    for names in (("train", "test"), ("training", "testing")):
        if not named.keys().isdisjoint(names):
            parts = [named.get(name, folder / name) for name in names]
    listed = [list_images(part, note) for part in parts]
    numbers = number_classes([list(files.values()) for files in listed], parts)
    found = [_read_images(list(files), note, changes, convert) for files in listed]
    labels = [[files[path] for path in images] for files, images in zip(listed, found, strict=True)]
    if convert:
        had = [Counter(files.values()) for files in listed]
        _check_lost(parts, had, list(map(Counter, labels)), note, allow_lost)
    turned = Changes(transpose=changes.transpose)  # the others were made before
    images = [turned.apply(np.array(list(images.values())).reshape(-1, SIDE, SIDE)) for images in found]
    return four_arrays(images, labels, numbers, folder), tuple(numbers)


def list_images(folder: Path, note: Callable[[str], None]) -> dict[Path, str]:
    """Return the image files of a folder, whatever their format, and the label of each.

    First those in a folder for each class, by name; then the others, by their index: the order of write_image_folder.
    `note` receives sentences on what is not read. Raises UserError if there are no such files, or a name is wrong.
    """
    found: dict[Path, str] = {}
    by_index: list[tuple[int, Path, str]] = []
    others, empty = [], []
    for entry in sorted(folder.glob("[!.]*")):
        inside = sorted(entry.rglob("[!.]*")) if entry.is_dir() else [entry]
        files = [path for path in inside if path.is_file() and "/." not in path.relative_to(folder).as_posix()]
        images = {path: None for path in files if is_named_image(path.name) or is_image(path)}
        others += [path.relative_to(folder) for path in files if path not in images]
        if entry.is_dir():
            found |= dict.fromkeys(images, entry.name)
            empty += [entry.name] * (not images)
        elif images:
            match = NAME.fullmatch(entry.name)
            if match is None:
                raise UserError(f"'{entry}': its name does not give its class; call it LABEL_INDEX.png: 7_1.png.")
            by_index.append((int(match["index"]), entry, match["label"]))
    if others:
        note(f"not read in '{folder}': {few(others, 'file')} not in an image format.")
    if empty:
        note(f"'{folder}' has {few(empty, 'folder')} without any image; the dataset lacks these classes.")
    found |= {path: label for _, path, label in sorted(by_index)}
    if not found:
        layouts = "image files called LABEL_INDEX.png, or with a folder of them for each class"
        raise UserError(f"'{folder}' is not a folder with {layouts}.")
    return found


def write_image_folder(dataset: Dataset, folder: Path) -> None:
    """Write the dataset as train/{label}_{index}.png and test/{label}_{index}.png; `folder` must not exist yet.

    read_image_folder gives the same arrays again. The label is that of labels_for_files.
    """
    names = labels_for_files(dataset.class_names)
    with writing_folder(folder, replace=False) as hidden:
        for part in ("train", "test"):
            (hidden / part).mkdir()
            images, labels = getattr(dataset, f"{part}_images"), getattr(dataset, f"{part}_labels")
            digits = len(str(len(images) - 1))
            for i, (image, label) in enumerate(zip(images, labels, strict=True)):
                Image.fromarray(image).save(hidden / part / f"{names[label]}_{i:0{digits}}.png")


def labels_for_files(class_names: Sequence[str]) -> list[str]:
    """Return for each class what a file's name begins with, so that read_image_folder numbers the classes so too.

    That is the class's name, or its number where the names are not sorted or not allowed in file names.
    """
    names = list(class_names)
    if names != sorted(names, key=in_order) or not all(SAFE.fullmatch(name) for name in names):
        names = [str(number) for number in range(len(names))]
    return names


def _read_images(
    paths: list[Path], note: Callable[[str], None], changes: Changes, convert: bool
) -> dict[Path, NDArray[np.uint8]]:
    """Return the image, uint8 (28, 28), in each file, scaled and inverted.

    UserError names the first file without one; with `convert`, all of these are noted and left out.
    """
    chunks = [paths[start : start + CHUNK] for start in range(0, len(paths), CHUNK)]
    work = partial(_read_chunk, changes, convert)
    in_turn = ((chunk, work(chunk)) for chunk in chunks)
    images: dict[Path, NDArray[np.uint8]] = {}
    made: list[Path] = []
    with tqdm(total=len(paths), unit=" images", disable=None, leave=False, ncols=100) as bar:
        for chunk, found in spread(work, chunks, cores()) if len(paths) > FEW else in_turn:
            died = ["reading it crashed; it may be damaged."]
            for path, image in zip(chunk, found or died, strict=True):
                if not isinstance(image, str):
                    images[path], is_made = image
                    made += [path] * is_made
                elif convert:
                    note(f"left out: '{plain(path)}': {image}")
                else:
                    raise UserError(f"'{plain(path)}': {image}")
            bar.update(len(chunk))
    if made:
        note(
            f"{len(made):,} of the {len(paths):,} pictures, such as '{plain(made[0])}', were in colour or not of 28x28 "
            "pixels; each was made grey as a whole, resized, and padded with black if it is not square. For "
            "photographs of digits use --convert, which finds the digit in each."
        )
    return images


def _read_chunk(changes: Changes, convert: bool, paths: list[Path]) -> list[tuple[NDArray[np.uint8], bool] | str]:
    """Return the image in each file and whether it was made of a larger, smaller or coloured one; or why there is
    none."""
    cv2.setNumThreads(1)
    found: list[tuple[NDArray[np.uint8], bool] | str] = []
    for path in paths:
        try:
            found.append(_read_image(path, changes, convert))
        except UserError as error:
            found.append(str(error))
    return found


def _read_image(path: Path, changes: Changes, convert: bool) -> tuple[NDArray[np.uint8], bool]:
    page, photo = next(read_pages(path, shrink=True))
    if isinstance(photo, UserError):
        raise photo
    if page:
        raise UserError("it has several pages; save each page as a file of its own.")
    pixels, full = photo.pixels, changes.scale or 255
    if not convert:
        if pixels.max() > full:
            raise UserError(f"it has a pixel of {pixels.max()}, above --scale {full:g}; give a larger one.")
        is_colour = pixels.ndim == 3 and bool((pixels != pixels[:, :, :1]).any())
        return as_is(pixels, f"{AS_IS}{changes}", anew=False), is_colour or pixels.shape[:2] != (SIDE, SIDE)
    pixels = np.rint(np.minimum(pixels * (255 / full), 255)).astype(np.uint8)
    digit = find_digit(pixels, size=photo.size)
    if digit is None:
        hint = f"; its brightest pixel is {pixels.max()}, so try --scale" * bool(pixels.max() <= FAINT)
        raise UserError(f"no digit found{hint}.")
    return digit.image, False


def _check_lost(
    parts: list[Path], had: list[Counter[str]], has: list[Counter[str]], note: Callable[[str], None], allow_lost: bool
) -> None:
    """Note how many of each class are lost; raises UserError if one has none left, or many of all are lost."""
    for part, before, after in zip(parts, had, has, strict=True):
        for label in before:
            if not after[label] and (part == parts[0] or not after):
                raise UserError(
                    f"'{part}' has no picture of class '{label}' that can be converted; add some, or remove the class."
                )
    every, left = sum(had, Counter[str]()), sum(has, Counter[str]())
    total, lost = every.total(), every.total() - left.total()
    by_class = ", ".join(
        f"{count - left[label]:,} of {count:,} of class '{plain(label)}'"
        for label, count in sorted(every.items(), key=lambda item: in_order(item[0]))
        if count > left[label]
    )
    if lost:
        note(f"left out: {lost:,} of the {total:,} pictures: {by_class}.")
    if lost > MOST_LOST * total and not allow_lost:
        raise UserError(
            f"{lost:,} of the {total:,} pictures ({percent(lost / total, 1)}) could not be converted, each named "
            "above; nothing was written. Fix or remove them, or make the dataset without them with --allow-lost."
        )
