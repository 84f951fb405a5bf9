"""Datasets as CSV tables: a label and 784 pixels in each row, with the header that Kaggle's Digit Recognizer has."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from tqdm import tqdm

from digits.data.catalogue import Entry
from digits.data.datasets import download_command
from digits.data.idx import idx_header, parse_idx
from digits.errors import UserError
from digits.files import naming, new_folder, read_bytes, read_manifest, sha256_of

PIXELS = 28 * 28
HEADER = ",".join(["label", *(f"pixel{i}" for i in range(PIXELS))]) + "\n"
BATCH = 1_000  # images that are in memory
CELLS = [str(value) for value in range(256)]


def write_csv_folder(entry: Entry, data_dir: Path, folder: Path) -> bool:
    """Write the dataset as train.csv and test.csv into `folder`, which must not exist yet; of any number of images.

    Return whether the labels are the classes' names, since those are whole numbers, and not the classes' numbers.
    UserError where the dataset is missing or damaged.
    """
    source = data_dir / entry.folder
    named = all(name in CELLS for name in entry.class_names)
    named = named and list(entry.class_names) == sorted(entry.class_names, key=int)
    names = entry.class_names if named else CELLS
    with new_folder(folder) as hidden:
        _verify(entry, source, download_command(entry, data_dir))
        for part, (images, labels) in zip(("train", "test"), (entry.files[:2], entry.files[2:]), strict=True):
            table = hidden / f"{part}.csv"
            with naming(table), table.open("w", encoding="utf-8", newline="") as file:
                file.write(HEADER)
                numbers = parse_idx(read_bytes(source / labels.path, labels.size), labels.name).tolist()
                rows = _images(source / images.path, len(images.shape))
                for label, row in tqdm(
                    zip(numbers, rows, strict=True), total=len(numbers), desc=part, disable=None, leave=False, ncols=100
                ):
                    file.write(f"{names[label]},{','.join([CELLS[value] for value in row])}\n")
    return named


def _verify(entry: Entry, source: Path, command: str) -> None:
    """UserError where a file of the dataset is not what the catalogue or SHA256SUMS says."""
    if not source.exists():
        raise UserError(f"{entry.name} is not in '{source.parent}' yet: run '{command}'.")
    sums = read_manifest(source)
    for file in entry.files:
        if sha256_of(source / file.path) != (file.sha256 or sums.get(file.path)):
            raise UserError(f"'{source / file.path}' is damaged: run '{command}' to fix it.")


def _images(path: Path, axes: int) -> Iterator[bytes]:
    """Yield the pixels of each image in an IDX file."""
    with path.open("rb") as file:
        file.seek(len(idx_header((0,) * axes)))
        while block := file.read(BATCH * PIXELS):
            yield from (row.tobytes() for row in np.frombuffer(block, np.uint8).reshape(-1, PIXELS))
