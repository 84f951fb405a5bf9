"""Images of the user's own and MNIST's form: the changes that bring them into it, and signs that they lack it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from digits.data.catalogue import Arrays

FAINT = 128
"""Images have their brightest pixel above this in MNIST's form, where ink is 255."""
MOST, SOME = 0.9, 0.02
"""Shares of images with a light background: one mistake was made for all, or for some. Fashion-MNIST has none."""
INSET = 2  # pixels from the edge to where a frame has ended
MEAN_DIGITS = (
    "0000000003cd4002cbab007c25c10a93b8005ff9100011000",
    "00000000006710000a700000f200003e10001691000000000",
    "0001100017ca200145b300148b2005dfb5104a86400000000",
    "0000000028da200149c20007fc200223c4005bda200022000",
    "000000000224300295a4005e9f30037cb2000275100001100",
    "0000000004ab7101cd85102ee9200347c4004dfa200022100",
    "0002200003a610018921002dac7002fed60006b6100000000",
    "0000000012331005ccf400233d20001a810004a3000045100",
    "0000000003a9300198a60017f910019b71002ac7100012100",
    "0000000001651002b9c3003caf20015a91000285100023200",
)
"""The mean of each digit's training images in MNIST: the means of 7x7 blocks, one hexadecimal number each."""
FEWEST_DIGITS = 5
"""Classes named by a digit from which on transposed images are looked for."""


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


@dataclass
class Look:
    """What is remembered of the training images, or of the test images: a few bytes of each."""

    borders: list[NDArray[np.uint8]] = field(default_factory=list)  # what 3/4 of an image's outermost pixels reach
    insets: list[NDArray[np.uint8]] = field(default_factory=list)  # the same, INSET pixels from its edge
    peaks: list[NDArray[np.uint8]] = field(default_factory=list)  # its brightest pixel
    lows: list[NDArray[np.uint8]] = field(default_factory=list)  # its darkest pixel
    sums: NDArray[np.int64] = field(default_factory=lambda: np.zeros((256, 28, 28), np.int64))  # of each class

    def add(self, images: NDArray[np.uint8], labels: NDArray[np.uint8]) -> None:
        """Look at more images, uint8 (N, 28, 28), whose labels are (N,)."""
        self.borders.append(_ring(images))
        self.insets.append(_ring(images[:, INSET:-INSET, INSET:-INSET]))
        self.peaks.append(images.max(axis=(1, 2)))
        self.lows.append(images.min(axis=(1, 2)))
        for label in np.unique(labels):
            self.sums[label] += images[labels == label].sum(axis=0, dtype=np.int64)

    def signs(self, names: Sequence[str], changes: Changes) -> list[str]:
        """Return a sentence with its remedy, after the word 'images', on everything that is not as in MNIST.

        names: of the classes, by label. changes: what was done to the images before.
        """
        peaks, borders = np.concatenate(self.peaks), np.concatenate(self.borders)
        full = int(peaks.max())
        if full == 0:
            return ["have only pixels of 0; look at the files."]
        found = []
        faint = int((peaks <= FAINT).sum())
        low = int(np.median(np.concatenate(self.lows)))
        light = int((borders > full // 2).sum())
        framed = (borders > full // 2) != (np.concatenate(self.insets) > full // 2)
        # Scaling keeps the ratio of paper and ink, and comes before the inversion: it is no remedy for these.
        is_grey = 3 * low > full
        pale = full <= FAINT if changes.invert else is_grey and full - low <= FAINT
        if pale or (is_grey and light < SOME * len(borders)):
            found.append(
                f"have pixels from {low} to {full}, where the background is 0 and full ink 255; stretch them to that "
                "range, or let --from-images --convert do it, and make the dataset again."
            )
        elif full <= FAINT:
            scale = full * (changes.scale or 255) / 255
            scale = np.ceil(scale) if scale > 1 else scale
            found.append(
                f"have no pixel above {full}, where full ink is 255; make the dataset again with --scale {scale:g}."
            )
        elif faint > SOME * len(peaks):
            found.append(
                f"are uneven: {faint:,} of {len(peaks):,} have no pixel above {FAINT}, where full ink is 255; bring "
                "these to the values of the others, and make the dataset again."
            )
        if framed.mean() > 0.5:
            found.append("have a frame, which is lighter or darker than the background; cut it off.")
        elif pale:
            pass  # inverted or not, they have to be stretched first
        elif light >= MOST * len(borders):
            word = "without" if changes.invert else "with"
            found.append(
                "have a light background, where networks and photographs have light ink on black; make the dataset "
                f"again {word} --invert."
            )
        elif light > SOME * len(borders):
            found.append(
                f"are uneven: {light:,} of {len(borders):,} have a light background, where all must be light ink on "
                "black; invert these, or let --from-images --convert do it, and make the dataset again."
            )
        if _transposed(self.sums if light < len(borders) / 2 else -self.sums, names):
            word = "without" if changes.transpose else "with"
            found.append(
                "look transposed (rows for columns), as EMNIST's files are; look at some, and make the dataset again "
                f"{word} --transpose."
            )
        return found


def look_at(arrays: Arrays, class_names: Sequence[str], changes: Changes) -> list[str]:
    """Return sentences on what is not as in MNIST; changes: what was done to the images before."""
    looks = Look(), Look()
    looks[0].add(arrays[0], arrays[1])
    looks[1].add(arrays[2], arrays[3])
    found = []
    if numbered(arrays[1]):
        found.append(
            f"there are {len(class_names)} classes of {len(arrays[1])} training images; if these are the numbers of "
            "the images, put the label first in their names, as in 7_0001.png."
        )
    return found + warnings(*looks, class_names, changes)


def warnings(train: Look, test: Look, names: Sequence[str], changes: Changes) -> list[str]:
    """Return sentences on what is not as in MNIST, in both parts or one."""
    parts = {"training": train.signs(names, changes), "test": test.signs(names, changes)}
    found = dict.fromkeys([*parts["training"], *parts["test"]])
    return [f"the {' and '.join(part for part in parts if sign in parts[part])} images {sign}" for sign in found]


def numbered(labels: NDArray[np.uint8]) -> bool:
    """Return whether the labels (N,) look like the numbers of the rows: nearly as many classes as images."""
    return 2 * len(np.unique(labels)) > len(labels)


def is_id(header: str) -> bool:
    """Return whether a column of that name holds the numbers or names of rows: id, ImageId, index, Unnamed: 0, ..."""
    word = re.sub(r"[\W_]", "", header).lower()
    known = re.fullmatch(
        r"|.*(id|idx|index)|(file|path|level0|unnamed0).*|rows?|images?|(row|image)(no|nr|number)", word
    )
    return known is not None and not re.search("label|class|target|categor|digit", word)


def _ring(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return for each image the value that 3/4 of its outermost pixels reach; images: (N, height, width)."""
    edges = np.concatenate([images[:, 0], images[:, -1], images[:, 1:-1, 0], images[:, 1:-1, -1]], axis=1)
    return np.partition(edges, quarter := edges.shape[1] // 4, axis=1)[:, quarter]


def _transposed(sums: NDArray[np.int64], names: Sequence[str]) -> bool:
    """Return whether the classes called 0 to 9 look like MNIST's digits with rows for columns; sums: (256, 28, 28).

    The mean image of each class is compared with those of MNIST's digits. Of 2,000 samples of 20 to 1,000 images each,
    8 or more digits were recognised in transposed images of MNIST, but at most 4 upright, and at most 4 of
    Fashion-MNIST's classes either way.
    """
    digits = {int(name): sums[label] for label, name in enumerate(names) if re.fullmatch("[0-9]", name)}
    digits = {digit: total for digit, total in digits.items() if total.any()}
    if len(digits) < FEWEST_DIGITS:
        return False
    means = np.stack(list(digits.values())).reshape(-1, 7, 4, 7, 4).mean(axis=(2, 4))
    known = _centred(np.array([[int(value, 16) for value in digit] for digit in MEAN_DIGITS], float))
    upright, turned = (
        int(((_centred(view.reshape(-1, 49)) @ known.T).argmax(axis=1) == list(digits)).sum())
        for view in (means, means.transpose(0, 2, 1))
    )
    return turned >= 0.8 * len(digits) and upright <= 0.4 * len(digits)


def _centred(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the rows with a mean of 0 and a length of 1, whose products are correlations."""
    rows = rows - rows.mean(axis=1, keepdims=True)
    rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)
    return rows
