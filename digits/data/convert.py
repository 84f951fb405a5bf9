"""Pictures of any size and colour as images of MNIST's form, by the code with which predict_digit.py reads photos."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from digits.data.form import FAINT
from digits.errors import UserError
from digits.machine import cores
from digits.names import plain
from digits.photos import find_digit, read_pages
from digits.processes import spread

CHUNK = 16  # pictures that a process converts at a time
FEW = 100  # up to which no processes are started, which takes half a second

Labelled = tuple[Path, str]


def convert_pictures(
    pictures: Sequence[Labelled], report: Callable[[str], None], full: float = 255
) -> tuple[NDArray[np.uint8], list[Labelled]]:
    """Return the images, uint8 (N, 28, 28), of the pictures' digits, and the pictures that have them, in order.

    `report` receives a sentence on each picture that cannot be read, or has no digit. full: the largest pixel value.
    """
    chunks = [list(pictures[start : start + CHUNK]) for start in range(0, len(pictures), CHUNK)]
    results: Iterable[tuple[list[Labelled], list[NDArray[np.uint8] | str] | None]]
    if len(pictures) > FEW and cores() > 1:
        results = spread(partial(_convert, full), chunks, cores())
    else:
        results = ((chunk, _convert(full, chunk)) for chunk in chunks)
    images, kept = [], []
    with tqdm(total=len(pictures), unit=" pictures", disable=None, leave=False, ncols=100) as bar:
        for chunk, found in results:
            for picture, image in zip(
                chunk, found or ["reading it ended the process; it may be damaged."], strict=True
            ):
                if isinstance(image, str):
                    report(f"'{plain(picture[0])}': {image}")
                else:
                    images.append(image)
                    kept.append(picture)
            bar.update(len(chunk))
    return np.array(images, np.uint8).reshape(-1, 28, 28), kept


def _convert(full: float, pictures: list[Labelled]) -> list[NDArray[np.uint8] | str]:
    """Return the image of each picture's digit, or why there is none."""
    cv2.setNumThreads(1)
    found: list[NDArray[np.uint8] | str] = []
    for path, _ in pictures:
        try:
            page, photo = next(read_pages(path, shrink=True))
            if isinstance(photo, UserError):
                raise photo
            if page:
                raise UserError("it has several pages; save each page as a file of its own.")
            pixels = photo.pixels
            if full != 255:
                pixels = np.rint(np.minimum(pixels * (255 / full), 255)).astype(np.uint8)
            digit = find_digit(pixels, size=photo.size)
            hint = f"; its brightest pixel is {pixels.max()}, so try --scale" * bool(pixels.max() <= FAINT)
            found.append(digit.image if digit else f"no digit found{hint}.")
        except UserError as error:
            found.append(str(error))
    return found
