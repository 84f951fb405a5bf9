"""Read a .npy file that may be damaged or forged: nothing is unpickled, no header decides what is allocated."""

from __future__ import annotations

import io
import math
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

    `np.load` allocates what the header asks for before it looks at the data, so the header is read apart and its shape
    is compared with the bytes that are there.

    Raises UserError naming the file: missing, too large, not .npy, another dtype or rank, more or fewer bytes than
    the header says, pickled objects.
    """
    data = read_bytes(path, LARGEST_FILE)
    stream = io.BytesIO(data)
    try:
        if np.lib.format.read_magic(stream) != (1, 0):
            raise ValueError("another version of the format")
        shape, fortran_order, found = np.lib.format.read_array_header_1_0(stream)
    except Exception as error:  # NumPy runs a small parser on the header; on arbitrary bytes it raises many types
        raise UserError(f"'{path}' is not a .npy file as np.save writes it ({_first_line(error)}).") from error
    if found.hasobject:
        raise UserError(f"'{path}' holds pickled Python objects, which are never loaded: they can run code.")
    wanted = np.dtype(dtype)
    if found != wanted:
        raise UserError(f"'{path}' holds {_shorten(found)} numbers, where {wanted} is wanted.")
    if len(shape) != ndim:
        raise UserError(f"'{path}' has {len(shape)} dimensions, where {ndim} are wanted.")
    body = len(data) - stream.tell()
    if min(shape) < 0 or math.prod(shape) * wanted.itemsize != body:
        raise UserError(f"'{path}' is damaged: its header tells of shape {_shorten(shape)}, but {body} bytes follow.")
    flat = np.frombuffer(data, wanted, offset=stream.tell())
    return flat.reshape(shape, order="F" if fortran_order else "C")


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


def _first_line(error: Exception) -> str:
    return _shorten(str(error).split("\n", 1)[0])


def _shorten(value: object) -> str:
    text = str(value)
    return text if len(text) <= 80 else text[:77] + "..."
