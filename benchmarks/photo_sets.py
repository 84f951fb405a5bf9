"""What benchmarks/photo_accuracy.py measures with: photographs, real ones and made ones, and what stands on them."""

from __future__ import annotations

import csv
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.synthetic_photos import photograph
from digits.data import Dataset
from digits.photos import read_photo

SIDES = range(20, 401)
"""Sides, in pixels, that a digit is enlarged to."""
KEPT_ASIDE = ("image2003", "image2005", "Cases/7.jpg", "Cases/11.jpg")
"""Sheets among the real photographs that nothing was looked at, chosen or adjusted by. Of the exam's boxes, every
second one is."""


class Photo(NamedTuple):
    """One photograph: pixels uint8 (H, W) or (H, W, 3), its digits in reading order, whether it is a page of them."""

    pixels: NDArray[Any]
    label: str
    is_page: bool = False


def made(dataset: Dataset, count: int, strength: str, seed: list[int]) -> Iterator[Photo]:
    """Yield a photograph of each of the first test digits."""
    for i, digit in enumerate(dataset.test_images[:count]):
        pixels = photograph([[digit]], strength, np.random.default_rng([*seed, i]))
        yield Photo(pixels, str(dataset.test_labels[i]))


def enlarged(dataset: Dataset, count: int, inverted: bool) -> Iterator[Photo]:
    """Yield test digits enlarged bicubically to each of the SIDES in turn, black on white or as they are."""
    for i, side in zip(range(count), itertools.cycle(SIDES), strict=False):
        digit = dataset.test_images[i % len(dataset.test_images)]
        large = cv2.resize(digit, (side, side), interpolation=cv2.INTER_CUBIC)
        yield Photo(large if inverted else 255 - large, str(dataset.test_labels[i % len(dataset.test_labels)]))


def real(folder: Path) -> dict[tuple[str, bool], list[Photo]]:
    """Return the labelled photographs of the folder by set and by whether they were kept aside; none without it.

    labels.csv has the columns file, label, page (1 for several digits) and source.
    """
    sets: dict[tuple[str, bool], list[Photo]] = {}
    if not (folder / "labels.csv").is_file():
        return sets
    with open(folder / "labels.csv", newline="") as file:
        for row in csv.DictReader(file):
            is_page = row["page"] == "1"
            name = f"{row['file'].split('/')[0]}{' pages' if is_page else ''}"
            aside = any(sheet in row["source"] for sheet in KEPT_ASIDE)
            photo = Photo(read_photo(folder / row["file"], shrink=True).pixels, row["label"], is_page)
            sets.setdefault((name, aside), []).append(photo)
    boxes = folder / "nsysu-digits.npz"
    if boxes.is_file():
        with np.load(boxes) as arrays:
            photos = [Photo(image, str(label)) for image, label in zip(arrays["I"], arrays["y"], strict=True)]
        sets["exam boxes", False], sets["exam boxes", True] = photos[::2], photos[1::2]
    return sets
