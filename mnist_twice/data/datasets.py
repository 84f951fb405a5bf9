"""Datasets as the rest of the project sees them: four NumPy arrays, verified as they are read.

Beside those of the catalogue, the data folder holds the user's own, which are accepted by name wherever they are:

<data_dir>/<name>/raw/train-images-idx3-ubyte and three more
<data_dir>/<name>/dataset.json       class names, how many images, and the options that made it
<data_dir>/<name>/SHA256SUMS         the checksums of the four
"""

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mnist_twice.data.catalogue import CATALOGUE, FILES, Arrays, Entry
from mnist_twice.data.idx import idx_bytes, parse_idx
from mnist_twice.errors import UserError
from mnist_twice.files import MANIFEST, format_manifest, read_bytes, read_manifest, writing_folder
from mnist_twice.names import AS_IS, DIGITS, command_text, is_forbidden_on_windows

DATA_DIR = Path("mnist_data")
DESCRIPTION = "dataset.json"
FROM_IMAGES = "--from-images FOLDER"
NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
WRITER_COLUMNS = (2, 1)  # of QMNIST's eight: the writer and the series


@dataclass(frozen=True)
class Dataset:
    """Images uint8 (N, 28, 28), 0 is background and 255 is ink; labels uint8 (N,), each the number of a class name."""

    name: str
    train_images: NDArray[np.uint8]
    train_labels: NDArray[np.uint8]
    test_images: NDArray[np.uint8]
    test_labels: NDArray[np.uint8]
    class_names: tuple[str, ...]
    fingerprint: str  # see fingerprint(); writers are no part of it
    preprocessing: str = DIGITS  # of pictures that a network trained on it is to predict
    train_writers: NDArray[np.int32] | None = None  # (N, 2): who wrote each image, and that writer's series
    test_writers: NDArray[np.int32] | None = None  # (both None where that is not known)


def load_dataset(name: str, data_dir: Path = DATA_DIR) -> Dataset:
    """Return a dataset that download_mnist.py has put into data_dir, the user's own included, every byte verified.

    Raises UserError if the name is unknown, the dataset was not downloaded, or a file of it is damaged.
    """
    entry = CATALOGUE.get(name) or _find_own(name, data_dir)
    if entry is None:
        own = sorted(path.parent.name for path in data_dir.glob(f"*/{DESCRIPTION}"))
        raise UserError(f"there is no dataset {name!r}; choose from {', '.join([*CATALOGUE, *own])}.")
    return read_dataset(entry, data_dir)


def read_dataset(entry: Entry, data_dir: Path) -> Dataset:
    """Return the entry's dataset from data_dir, with the errors of load_dataset."""
    folder = data_dir / entry.folder
    where = "" if data_dir == DATA_DIR else f" --data-dir {command_text([str(data_dir)])}"
    what = f"{entry.made_by} --name {entry.name}" if entry.made_by else f"--dataset {entry.name}"
    command = f"python download_mnist.py {what}{where}"
    if not (folder / MANIFEST).exists():  # which is written last
        raise UserError(f"{entry.name} is not in '{data_dir}' yet: run '{command}'.")
    try:
        (train_images, train_labels, test_images, test_labels), digests = _read_verified(entry, folder)
        for images, labels in ((train_images, train_labels), (test_images, test_labels)):
            if images.shape != (len(labels), 28, 28) or labels.max() >= len(entry.class_names):
                raise UserError(f"'{folder}' has images, labels and class names that do not match.")
        writers = []
        if entry.writers and all((folder / path).exists() for path in entry.writers.paths):
            tables, _ = _read_verified(entry.writers, folder)
            for table, size in zip(tables, entry.sizes, strict=True):
                writers.append(table[:size, WRITER_COLUMNS].astype(np.int32))
    except UserError as error:
        raise UserError(f"{error} The dataset is damaged: run '{command}' to fix it.") from None
    arrays = train_images, train_labels, test_images, test_labels
    return Dataset(entry.name, *arrays, entry.class_names, fingerprint(digests), entry.preprocessing, *writers)


def fingerprint(digests: Sequence[str]) -> str:
    """Return the SHA-256 over those of the four IDX files: training images and labels, test images and labels.

    An IDX file's header holds its array's type and shape, so that equal fingerprints mean equal arrays.
    """
    return hashlib.sha256(b"".join(bytes.fromhex(digest) for digest in digests)).hexdigest()


def write_own(
    name: str, arrays: Arrays, class_names: Sequence[str], data_dir: Path, made_by: str = FROM_IMAGES
) -> Path:
    """Write the dataset into data_dir, whole or not at all, and return its folder. An earlier one of ours is replaced.

    made_by: the options that make it again. Raises UserError as check_name does.
    """
    from mnist_twice.photos.preprocess import preprocessing_of  # only here: trainings need no photos

    check_name(name, data_dir)
    folder, preprocessing = data_dir / name, preprocessing_of(arrays[0], made_by)
    sizes = {"train": len(arrays[1]), "test": len(arrays[3])}
    description = {"class_names": list(class_names), **sizes, "made_by": made_by, "preprocessing": preprocessing}
    with writing_folder(folder) as building:
        (building / "raw").mkdir()
        sums = {}
        for file, array in zip(FILES, arrays, strict=True):
            data = idx_bytes(array)
            (building / "raw" / file).write_bytes(data)
            sums[f"raw/{file}"] = hashlib.sha256(data).hexdigest()
        (building / DESCRIPTION).write_bytes(json.dumps(description, indent=2, ensure_ascii=False).encode())
        (building / MANIFEST).write_bytes(format_manifest(sums).encode())
    return folder


def check_name(name: str, data_dir: Path) -> None:
    """Raise UserError if the name is not allowed, is the catalogue's, or is that of something else in data_dir."""
    if not NAME.fullmatch(name) or is_forbidden_on_windows(name):
        raise UserError(
            f"'{name}' cannot name a dataset; use lower-case letters, digits and dashes, 40 at most, and "
            "not con, nul or another name that Windows reserves."
        )
    taken = {*CATALOGUE, "all", *(entry.folder.lower() for entry in CATALOGUE.values())}
    if name in taken or ((data_dir / name).exists() and not (data_dir / name / DESCRIPTION).is_file()):
        raise UserError(f"the name '{name}' is taken in '{data_dir}'; choose another --name.")


def _find_own(name: str, data_dir: Path) -> Entry | None:
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
    preprocessing = found.get("preprocessing", DIGITS if names == Entry.class_names else AS_IS)
    return Entry(name, name, name, sizes, "", names, made_by=made_by, preprocessing=preprocessing)


def _read_verified(entry: Entry, folder: Path) -> tuple[list[NDArray[Any]], list[str]]:
    """Return the arrays in the entry's files and their SHA-256; raises UserError if that is not the one in the
    catalogue or, if the catalogue has none, in SHA256SUMS."""
    arrays, digests = [], []
    listed = {} if entry.sha256 else read_manifest(folder)
    for number, name in enumerate(entry.paths):
        data = read_bytes(folder / name, entry.max_bytes)
        digests.append(hashlib.sha256(data).hexdigest())
        if digests[-1] != (entry.sha256[number] if entry.sha256 else listed.get(name)):
            raise UserError(f"'{folder / name}' does not have the expected SHA-256.")
        arrays.append(parse_idx(data))
    return arrays, digests
