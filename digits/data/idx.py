"""The IDX format, in which MNIST and its relatives are published, for uint8 arrays.

An IDX file is a header and then the values, nothing else: two zero bytes, one byte for the type of the values
(0x08: uint8), one for the number of axes, each axis's length as a big-endian uint32, and the values in C order.
Source: 'The IDX file format', on Yann LeCun's MNIST page, http://yann.lecun.com/exdb/mnist/.

Type and shape are in the header, so the SHA-256 of the file is a fingerprint of the array as well.
"""

from __future__ import annotations

import math
import struct

import numpy as np
from numpy.typing import NDArray

from digits.errors import UserError

UINT8 = 0x08
OTHER_TYPES = {0x09: "int8", 0x0B: "int16", 0x0C: "int32", 0x0D: "float32", 0x0E: "float64"}
MAX_AXES = 3  # MNIST's kind has one (labels) or three (images)


def parse_idx(data: bytes | bytearray, name: str) -> NDArray[np.uint8]:
    """Return the array in an IDX file's bytes; it shares their memory, so it is writable where they are.

    UserError, which calls the data `name`, where they are something else.
    """
    if len(data) < 4:
        raise UserError(f"{name}: {len(data)} bytes are too few for an IDX file.")
    zeros, kind, axes = struct.unpack_from(">HBB", data)
    if zeros != 0 or (kind != UINT8 and kind not in OTHER_TYPES):
        raise UserError(f"{name}: not an IDX file; it begins with the bytes {bytes(data[:4]).hex(' ')}.")
    if kind != UINT8:
        raise UserError(f"{name}: its values are {OTHER_TYPES[kind]}, where uint8 is expected.")
    if not 1 <= axes <= MAX_AXES:
        raise UserError(f"{name}: it has {axes} axes, where 1 to {MAX_AXES} are expected.")
    start = idx_size((0,) * axes)
    if len(data) < start:
        raise UserError(f"{name}: it ends within its header.")
    shape = struct.unpack_from(f">{axes}I", data, 4)
    if len(data) != idx_size(shape):
        raise UserError(
            f"{name}: its header says {idx_size(shape):,} bytes for shape {shape}, but it has {len(data):,}."
        )
    return np.frombuffer(data, dtype=np.uint8, offset=start).reshape(shape)


def idx_bytes(array: NDArray[np.uint8]) -> bytes:
    """Return the IDX file of the array, uint8 with 1 to 3 axes. ValueError for any other array."""
    if array.dtype != np.uint8 or not 1 <= array.ndim <= MAX_AXES:
        raise ValueError(f"IDX files here hold uint8 arrays of 1 to {MAX_AXES} axes, not {array.dtype} {array.shape}")
    header = struct.pack(f">HBB{array.ndim}I", 0, UINT8, array.ndim, *array.shape)
    return header + array.tobytes()


def idx_size(shape: tuple[int, ...]) -> int:
    """Return how many bytes the IDX file of a uint8 array with this shape has."""
    return 4 + 4 * len(shape) + math.prod(shape)
