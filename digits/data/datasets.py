"""Datasets as the rest of the project sees them: four NumPy arrays, verified as they are read."""

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from digits.data.catalogue import CATALOGUE, Entry, IdxFile, check_array
from digits.data.idx import parse_idx
from digits.data.own import find_own, own_names
from digits.data.writers import read_writers
from digits.errors import UserError
from digits.files import MANIFEST, read_bytes, read_manifest
from digits.names import command_text

DATA_DIR = Path("mnist_data")


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
    train_writers: NDArray[np.int32] | None = None  # (N, 2): who wrote each image, and that writer's series
    test_writers: NDArray[np.int32] | None = None  # (both None where that is not known)


def load_dataset(name: str, data_dir: Path = DATA_DIR) -> Dataset:
    """Return a dataset that download_mnist.py has put into data_dir, the user's own included, every byte verified.

    UserError where the name is unknown, the dataset was not downloaded, or a file of it is damaged.
    """
    return read_dataset(find_dataset(name, data_dir), data_dir)


def find_dataset(name: str, data_dir: Path) -> Entry:
    """Return what is known of the dataset, downloaded or not; UserError where the name is unknown."""
    entry = CATALOGUE.get(name) or find_own(name, data_dir)
    if entry is None:
        raise UserError(f"there is no dataset {name!r}; choose from {', '.join([*CATALOGUE, *own_names(data_dir)])}.")
    return entry


def read_dataset(entry: Entry, data_dir: Path) -> Dataset:
    """Return the entry's dataset from data_dir, with the errors of load_dataset."""
    folder = data_dir / entry.folder
    command = download_command(entry, data_dir)
    if not folder.exists():
        raise UserError(f"{entry.name} is not in '{data_dir}' yet: run '{command}'.")
    try:
        sums = read_manifest(folder)
        # Threads, because reading and hashing run outside Python's global lock.
        with ThreadPoolExecutor(len(entry.files)) as pool:
            parts = list(pool.map(lambda file: _read_verified(file, entry, folder, sums), entry.files))
        writers = read_writers(entry, folder)
    except UserError as error:
        raise UserError(f"{error} The dataset is damaged: run '{command}' to fix it.") from None
    (train_images, train_labels, test_images, test_labels), digests = zip(*parts, strict=True)
    arrays = (train_images, train_labels, test_images, test_labels)
    return Dataset(entry.name, *arrays, entry.class_names, fingerprint(digests), *writers)


def fingerprint(digests: Sequence[str]) -> str:
    """Return the SHA-256 over those of the four IDX files: training images and labels, test images and labels.

    An IDX file's header holds its array's type and shape, so that equal fingerprints mean equal arrays.
    """
    return hashlib.sha256(b"".join(bytes.fromhex(digest) for digest in digests)).hexdigest()


def download_command(entry: Entry, data_dir: Path) -> str:
    """Return the command that downloads or fixes the dataset, as one would type it."""
    where = "" if data_dir == DATA_DIR else f" --data-dir {command_text([str(data_dir)])}"
    what = f"{entry.made_by} --name {entry.name}" if entry.made_by else f"--dataset {entry.name}"
    return f"python download_mnist.py {what}{where}"


def _read_verified(file: IdxFile, entry: Entry, folder: Path, sums: dict[str, str]) -> tuple[NDArray[np.uint8], str]:
    """Return the file's array and its SHA-256; UserError where catalogue or manifest have another one."""
    path = folder / file.path
    data = read_bytes(path, file.size)
    digest = hashlib.sha256(data).hexdigest()
    listed = sums.get(file.path)
    if digest != (file.sha256 or listed):
        raise UserError(f"'{path}' does not have the SHA-256 of {entry.name}'s file.")
    if digest != listed:
        raise UserError(f"'{folder / MANIFEST}' does not list the SHA-256 of {file.path}.")
    array = parse_idx(data, str(path))
    check_array(array, file, entry, str(path))
    return array, digest
