"""Read a .npy file that may be damaged or forged: nothing is unpickled, and no header fills the memory."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from digits.errors import UserError

LARGEST_FILE = 1 << 30
"""Bytes. A test set of 10,000 images and 10 classes takes 400 kB; whatever is larger than this is not one of ours."""


def read_npy(path: Path, dtype: npt.DTypeLike, ndim: int) -> npt.NDArray[Any]:
    """Return the array in `path`, of exactly this dtype and number of dimensions.

    Raises UserError naming the file: missing, too large, not .npy, another dtype or rank, more or fewer bytes than
    the header says, pickled objects.
    """
    stream = io.BytesIO(read_bytes(path, LARGEST_FILE))
    try:
        array: npt.NDArray[Any] = np.lib.format.read_array(stream, allow_pickle=False)
        if stream.read(1):
            raise ValueError("bytes follow after the array")
    except Exception as error:  # NumPy runs a small parser on the header; on arbitrary bytes it raises many types
        reason = _shorten(str(error).split("\n", 1)[0])
        raise UserError(f"'{path}' is not a whole .npy file of plain numbers ({reason}).") from error
    wanted = np.dtype(dtype)
    if array.dtype != wanted:
        raise UserError(f"'{path}' holds {_shorten(array.dtype)} numbers, where {wanted} is expected.")
    if array.ndim != ndim:
        raise UserError(f"'{path}' has {array.ndim} dimensions, where {ndim} are expected.")
    return array


def read_bytes(path: Path, limit: int) -> bytes:
    """Return the file's bytes. Raises UserError: missing, not a plain file, unreadable, or more than `limit` bytes."""
    if not os.path.isfile(path):  # also says no to a pipe or a device, which would be waited on for ever
        raise UserError(f"'{path}' is missing.")
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1) if path.stat().st_size <= limit else None
    except OSError as error:
        raise UserError(f"'{path}' cannot be read ({error.strerror or error}).") from error
    if data is None or len(data) > limit:
        raise UserError(f"'{path}' is larger than {limit:,} bytes, which no file of a run is.")
    return data


def _shorten(value: object) -> str:
    text = str(value)
    return text if len(text) <= 80 else text[:77] + "..."
