"""Datasets of the user's own in the data folder, beside those of the catalogue: accepted by name wherever they are.

<data_dir>/<name>/raw/train-images-idx3-ubyte and three more
<data_dir>/<name>/dataset.json       class names, how many images, and the options that made it
<data_dir>/<name>/SHA256SUMS         the checksums of the four
"""

import hashlib
import json
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from digits.data.catalogue import CATALOGUE, FILES, Arrays, Entry
from digits.data.idx import idx_bytes
from digits.data.split import split_indices
from digits.errors import UserError
from digits.files import MANIFEST, format_manifest, write_file, writing_folder
from digits.names import is_forbidden_on_windows

DESCRIPTION = "dataset.json"
FROM_IMAGES = "--from-images FOLDER"
MAX_CLASSES = 256  # labels are stored in a byte
NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
TEST_FRACTION = 1 / 7  # of images that are not split: MNIST's own share of test images
NUMBERED = " (are these the numbers of the images, where their labels are expected?)"


def write_own(
    name: str, arrays: Arrays, class_names: Sequence[str], data_dir: Path, made_by: str = FROM_IMAGES
) -> Path:
    """Write the dataset into data_dir, whole or not at all, and return its folder. An earlier one of ours is replaced.

    made_by: the options that make it again. UserError as in check_name.
    """
    check_name(name, data_dir)
    folder = data_dir / name
    description = {
        "class_names": list(class_names),
        "train": len(arrays[1]),
        "test": len(arrays[3]),
        "made_by": made_by,
    }
    with writing_folder(folder) as building:
        (building / "raw").mkdir()
        sums = {}
        for file, array in zip(FILES, arrays, strict=True):
            data = idx_bytes(array)
            write_file(building / "raw" / file, data)
            sums[f"raw/{file}"] = hashlib.sha256(data).hexdigest()
        write_file(building / DESCRIPTION, json.dumps(description, indent=2, ensure_ascii=False).encode())
        write_file(building / MANIFEST, format_manifest(sums).encode())
    return folder


def check_name(name: str, data_dir: Path) -> None:
    """Raise UserError where the name is not allowed, is the catalogue's, or is that of something else in data_dir."""
    if not NAME.fullmatch(name) or is_forbidden_on_windows(name):
        raise UserError(
            f"'{name}' cannot name a dataset; use lower-case letters, digits and dashes, 40 at most, and "
            "not con, nul or another name that Windows keeps for a device."
        )
    taken = {*CATALOGUE, "all", *(entry.folder.lower() for entry in CATALOGUE.values())}
    if name in taken or ((data_dir / name).exists() and not (data_dir / name / DESCRIPTION).is_file()):
        raise UserError(f"the name '{name}' is taken in '{data_dir}'; choose another --name.")


def own_names(data_dir: Path) -> list[str]:
    """Return the names of the user's own datasets in data_dir."""
    return sorted(path.parent.name for path in data_dir.glob(f"*/{DESCRIPTION}") if NAME.fullmatch(path.parent.name))


def find_own(name: str, data_dir: Path) -> Entry | None:
    """Return the entry of the user's own dataset of that name, None where there is none; UserError if it is damaged."""
    path = data_dir / name / DESCRIPTION
    if not NAME.fullmatch(name) or not path.is_file():
        return None
    try:
        found = json.loads(path.read_bytes())
        names, sizes = tuple(map(str, found["class_names"])), (int(found["train"]), int(found["test"]))
    except (ValueError, KeyError, TypeError):
        raise UserError(f"'{path}' is damaged; make the dataset again with --from-images or --from-csv.") from None
    made_by = found.get("made_by", FROM_IMAGES)
    return Entry(name, name, name, sizes, licence="", class_names=names, made_by=made_by)


def number_classes(labels: Sequence[Sequence[str]], sources: Sequence[Path]) -> dict[str, int]:
    """Return each class's number, in the order of their names, where 2 comes before 10.

    labels: of the training images, and those of the test images unless these are to be split off; sources: where each
    part is from. UserError where there are too few or too many classes, or one of the test images has no other.
    """
    names = sorted(set(labels[0]), key=in_order)
    hint = NUMBERED * numbered(labels[0])
    if not 2 <= len(names) <= MAX_CLASSES:
        count = "one class only" if len(names) == 1 else f"{len(names):,} classes"
        raise UserError(f"'{sources[0]}' has images of {count}, where 2 to {MAX_CLASSES} are expected{hint}.")
    if strange := sorted(set(labels[-1]) - set(names), key=in_order):
        hint = NUMBERED * numbered(labels[-1])
        raise UserError(f"'{sources[-1]}' has images of class '{strange[0]}', '{sources[0]}' has none of it{hint}.")
    return {name: number for number, name in enumerate(names)}


def four_arrays(
    images: Sequence[NDArray[np.uint8]], labels: Sequence[Sequence[str]], numbers: dict[str, int], source: Path
) -> Arrays:
    """Return a dataset's arrays; where there is only one part, one in seven images of each class is for testing.

    UserError, which names the source, where there are too few for that.
    """
    train_labels, *others = [np.array([numbers[label] for label in part], np.uint8) for part in labels]
    if others:
        return images[0], train_labels, images[1], others[0]
    train, test = split_indices(train_labels, TEST_FRACTION, seed=0)
    if not len(test):
        hint = NUMBERED * numbered(labels[0])
        raise UserError(f"'{source}' has too few images to be split into training and test images; add some{hint}.")
    return images[0][train], train_labels[train], images[0][test], train_labels[test]


def numbered(labels: Sequence[str]) -> bool:
    """Return whether the labels look like the numbers of the images: nearly as many classes as images."""
    return 2 * len(set(labels)) > len(labels) > 2


def in_order(label: str) -> tuple[list[tuple[int, str]], str]:
    """Return the key that sorts labels with their numbers as numbers, and equal numbers (1, 01) by their spelling."""
    parts = [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", label) if part]
    return parts, label
