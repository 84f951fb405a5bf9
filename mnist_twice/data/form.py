"""Images of the user's own and MNIST's form: what brings them into it, and signs that they lack it."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mnist_twice.data.catalogue import Arrays, stratified_sample
from mnist_twice.data.split import split_indices
from mnist_twice.errors import UserError

FAINT = 128
"""Images have their brightest pixel above this in MNIST's form, where ink is 255."""
MOST, SOME = 0.9, 0.02
"""Shares of images with a light background: one mistake was made for all, or for some. Fashion-MNIST has none."""
INSET = 2  # pixels from the edge to where a frame has ended
MAX_CLASSES = 256  # labels are stored in a byte
TEST_FRACTION = 1 / 7  # of images that are not split: MNIST's own share of test images
NUMBERED = " (are these the numbers of the images, instead of their labels?)"
AGAIN = "make the dataset again"


@dataclass(frozen=True)
class Changes:
    """What is done to all images, in this order."""

    scale: float | None = None  # the value of full ink, which becomes 255
    invert: bool = False
    transpose: bool = False

    def apply(self, images: NDArray[Any]) -> NDArray[np.uint8]:
        """Return the changed images, uint8 (N, 28, 28); no pixel may be above the scale."""
        if self.scale is not None:
            images = np.rint(images * (255 / self.scale)).astype(np.uint8)
        if self.invert:
            images = 255 - images
        return np.ascontiguousarray(images.transpose(0, 2, 1) if self.transpose else images)

    def __str__(self) -> str:
        """Return the options as they are typed, each after a space."""
        scale = "" if self.scale is None else f" --scale {self.scale:g}"
        return scale + " --invert" * self.invert + " --transpose" * self.transpose


def number_classes(labels: Sequence[Sequence[str]], sources: Sequence[Path]) -> dict[str, int]:
    """Return each class's number, in the order of their names, where 2 comes before 10.

    labels: of the training images, and those of the test images unless these are to be split off; sources: where each
    part is from. Raises UserError if there are too few or too many classes, or one that only test images have.
    """
    names = sorted(set(labels[0]), key=in_order)
    if not 2 <= len(names) <= MAX_CLASSES:
        count = "one class only" if len(names) == 1 else f"{len(names):,} classes{NUMBERED}"
        raise UserError(f"'{sources[0]}' has images of {count}; a dataset needs 2 to {MAX_CLASSES} classes.")
    if strange := sorted(set(labels[-1]) - set(names), key=in_order):
        raise UserError(f"'{sources[-1]}' has images of class '{strange[0]}'{NUMBERED}, '{sources[0]}' has none.")
    return {name: number for number, name in enumerate(names)}


def four_arrays(
    images: Sequence[NDArray[np.uint8]], labels: Sequence[Sequence[str]], numbers: dict[str, int], source: Path
) -> Arrays:
    """Return a dataset's arrays; where there is only one part, one in seven images of each class is for testing.

    Raises UserError, which names the source, if there are too few for that.
    """
    train_labels, *others = [np.array([numbers[label] for label in part], np.uint8) for part in labels]
    if others:
        return images[0], train_labels, images[1], others[0]
    train, test = split_indices(train_labels, TEST_FRACTION, seed=0)
    if not len(test):
        few = ", ".join(f"{name}: {count}" for name, count in Counter(labels[0]).items() if count < 2)
        raise UserError(f"'{source}' needs at least 2 images per class, to split off a test set; it has {few}.")
    return images[0][train], train_labels[train], images[0][test], train_labels[test]


def in_order(label: str) -> tuple[list[tuple[int, str]], str]:
    """Return the key that sorts labels with their numbers as numbers, and equal numbers (1, 01) by their spelling."""
    parts = [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", label) if part]
    return parts, label


def look_at(arrays: Arrays, class_names: Sequence[str], changes: Changes) -> list[str]:
    """Return sentences on what is not as in MNIST; changes: what was done to the images before."""
    images, labels = np.concatenate(arrays[::2]), np.concatenate(arrays[1::2])
    count, peaks, borders = len(images), images.max(axis=(1, 2)), _ring(images)
    full, low = int(peaks.max()), int(np.median(images.min(axis=(1, 2))))
    if full == 0:
        return ["all pixels of all images are 0; check the files."]
    found = []
    if 2 * len(class_names) > len(arrays[1]):
        found.append(f"there are {len(class_names)} classes for {len(arrays[1])} training images{NUMBERED}.")
    train = {image.tobytes() for image in arrays[0]}
    if leaks := sum(image.tobytes() in train for image in arrays[2]):
        found.append(f"{leaks:,} of the test images are also training images, so the test accuracy will be too high.")
    faint, light = int((peaks <= FAINT).sum()), int((borders > full // 2).sum())
    framed = (borders > full // 2) != (_ring(images[:, INSET:-INSET, INSET:-INSET]) > full // 2)
    # Scaling keeps the ratio of paper and ink, and comes before the inversion: it is no remedy for these.
    is_grey = 3 * low > full
    pale = full <= FAINT if changes.invert else is_grey and full - low <= FAINT
    uneven = {}
    if pale or (is_grey and light < SOME * count):
        found.append(
            f"pixels range from {low} to {full}, but the background should be 0 and full ink 255; stretch them to that "
            "range, or let --from-images --convert do it, and make the dataset again."
        )
    elif full <= FAINT:
        scale = full * (changes.scale or 255) / 255
        scale = np.ceil(scale) if scale > 1 else scale
        found.append(f"the images have no pixel above {full}, but full ink is 255; {AGAIN} with --scale {scale:g}.")
    else:
        uneven[f"no pixel above {FAINT}"] = faint
    if framed.mean() > 0.5:
        found.append("the images have a frame that is lighter or darker than the background; crop it off.")
    elif light >= MOST * count and not pale:  # inverted or not, pale ones have to be stretched first
        option = f"{'without' if changes.invert else 'with'} --invert"
        found.append(f"the images have a light background, but MNIST has light ink on black; {AGAIN} {option}.")
    elif not pale:
        uneven["a light background"] = light
    for sign, number in uneven.items():
        if number > SOME * count:
            found.append(
                f"{number:,} of the {count:,} images have {sign}, but all should be light ink, 255, on black; fix "
                f"these, or let --from-images --convert do it, and {AGAIN}."
            )
    if _is_transposed(255 - images if light > count / 2 else images, labels, class_names):
        option = f"{'without' if changes.transpose else 'with'} --transpose"
        found.append(
            f"the images look transposed (rows for columns), as EMNIST's are; look at some, and {AGAIN} {option}."
        )
    return found


def _ring(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return for each image the value that 3/4 of its outermost pixels reach; images: (N, height, width)."""
    edges = np.concatenate([images[:, 0], images[:, -1], images[:, 1:-1, 0], images[:, 1:-1, -1]], axis=1)
    return np.partition(edges, quarter := edges.shape[1] // 4, axis=1)[:, quarter]


def _is_transposed(images: NDArray[np.uint8], labels: NDArray[np.uint8], names: Sequence[str]) -> bool:
    """Return whether the classes called 0 to 9 look like MNIST's digits with rows for columns; light ink on dark.

    The mean image of each class is compared with those of MNIST's digits. Of 200 transposed samples of MNIST each, 158
    of 20 images were noticed, 199 of 50, and all of 200; none of 1,600 others, upright ones and Fashion-MNIST's.
    """
    there = set(labels.tolist())
    digits = {int(name): label for label, name in enumerate(names) if re.fullmatch("[0-9]", name) and label in there}
    if len(digits) < 5:  # too few to tell
        return False
    known_images, known_labels, *_ = stratified_sample()
    known, own = _means(known_images, known_labels, range(10)), _means(images, labels, digits.values())

    def recognised(means: NDArray[np.float64]) -> float:
        with np.errstate(invalid="ignore"):  # blank images correlate with nothing
            correlations = np.corrcoef(means.reshape(-1, 49), known.reshape(-1, 49))[: len(digits), len(digits) :]
        return float((correlations.argmax(axis=1) == list(digits)).mean())

    return recognised(own.transpose(0, 2, 1)) >= 0.8 and recognised(own) <= 0.4


def _means(images: NDArray[np.uint8], labels: NDArray[np.uint8], classes: Iterable[int]) -> NDArray[np.float64]:
    """Return the mean image of each class, in blocks of 4x4 pixels, (K, 7, 7)."""
    means = np.stack([images[labels == label].mean(axis=0) for label in classes])
    blocks: NDArray[np.float64] = means.reshape(-1, 7, 4, 7, 4).mean(axis=(2, 4))
    return blocks
