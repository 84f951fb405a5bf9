"""Read files that may be damaged or forged: nothing is unpickled, and no size or header fills the memory."""

import io
import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from digits.errors import UserError

LARGEST_ARRAY = 1 << 30  # bytes; the probabilities of 10,000 test images and 10 classes take 400 kB


def read_npy(path: Path, dtype: npt.DTypeLike, ndim: int) -> npt.NDArray[Any]:
    """Return the array in the .npy file `path`, of exactly this dtype and number of dimensions.

    Raises UserError naming the file: missing, too large, not .npy, another dtype or rank, more or fewer bytes than
    the header says, pickled objects. OSError where it cannot be read.
    """
    stream = io.BytesIO(read_bytes(path, LARGEST_ARRAY))
    try:
        array: npt.NDArray[Any] = np.lib.format.read_array(stream, allow_pickle=False)
        if stream.read(1):
            raise ValueError("bytes follow after the array")
    except Exception as error:  # NumPy runs a small parser on the header; on arbitrary bytes it raises many types
        reason = _shorten(str(error).split("\n", 1)[0])
        raise UserError(f"'{path}' is not a whole .npy file of plain numbers ({reason}).") from error
    expected = np.dtype(dtype)
    if array.dtype != expected:
        raise UserError(f"'{path}' holds {_shorten(array.dtype)} numbers, where {expected} is expected.")
    if array.ndim != ndim:
        raise UserError(f"'{path}' has {array.ndim} dimensions, where {ndim} are expected.")
    return array


def read_bytes(path: Path, limit: int) -> bytearray:
    """Return the file's bytes. UserError: missing, not a regular file, or more than `limit` bytes; or an OSError."""
    if not os.path.isfile(path):  # opening a pipe or a device would wait for ever
        raise UserError(f"'{path}' is {'not a regular file' if os.path.lexists(path) else 'missing'}.")
    size = path.stat().st_size
    if size > limit:
        raise UserError(f"'{path}' is larger than the {limit:,} bytes expected at most.")
    with path.open("rb") as file:
        data = bytearray(size)
        read = file.readinto(data)
    del data[read:]  # the file may have shrunk meanwhile
    return data


def _shorten(value: object) -> str:
    text = str(value)
    return text if len(text) <= 80 else text[:77] + "..."
