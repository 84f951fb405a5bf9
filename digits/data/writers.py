"""Who wrote each image of a dataset, where that is known: of MNIST, by the labels of QMNIST.

Yadav and Bottou (2019), 'Cold case: the lost MNIST digits', arXiv 1905.10498.
"""

import hashlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from digits.data.catalogue import Entry, check_array
from digits.data.idx import parse_idx
from digits.errors import UserError
from digits.files import read_bytes

SERIES = {0: "census staff", 4: "high-school students"}
"""The series of forms ('hsf') in NIST's Special Database 19 that MNIST is from, and who filled them in."""
COLUMNS = (2, 1)
"""Of QMNIST's eight columns, the writer and the series."""


def read_writers(entry: Entry, folder: Path) -> tuple[NDArray[np.int32] | None, NDArray[np.int32] | None]:
    """Return who wrote each training and each test image, int32 (N, 2): the number of the writer, and of the series.

    `folder` is the dataset's. None, None where nobody knows, or the files were not downloaded. UserError where a file
    is damaged.
    """
    if not entry.writers or not all((folder / file.path).exists() for file in entry.writers.files):
        return None, None
    parts: list[NDArray[np.int32]] = []
    for file, count in zip(entry.writers.files, entry.sizes, strict=True):
        path = folder / file.path
        data = read_bytes(path, file.size)
        if hashlib.sha256(data).hexdigest() != file.sha256:
            raise UserError(f"'{path}' does not have the SHA-256 of {entry.writers.name}'s file.")
        table = parse_idx(data, str(path), file.dtype)
        check_array(table, file, entry.writers, str(path))
        parts.append(table[:count, COLUMNS].astype(np.int32))
    return parts[0], parts[1]
