"""The IDX format, in which MNIST and its relatives are published.

An IDX file is a header and then the values, nothing else: two zero bytes, one byte for the type of the values
(0x08: uint8), one for the number of axes, each axis's length as a big-endian uint32, and the values in C order.
Source: 'The IDX file format', on Yann LeCun's MNIST page, http://yann.lecun.com/exdb/mnist/.

Type and shape are in the header, so the SHA-256 of the file is a fingerprint of the array as well.
"""

import math
import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

from digits.errors import UserError

UINT8 = 0x08
TYPES = {UINT8: "uint8", 0x09: "int8", 0x0B: "int16", 0x0C: "int32", 0x0D: "float32", 0x0E: "float64"}
MAX_AXES = 3  # MNIST's kind has one (labels), two (writers) or three (images)


def parse_idx(data: bytes | bytearray, name: str, dtype: str = "uint8") -> NDArray[Any]:
    """Return the array of that type in an IDX file's bytes; it shares their memory, so it is writable where they are.

    UserError, which calls the data `name`, where they are something else. Larger types are big-endian.
    """
    if len(data) < 4:
        raise UserError(f"{name}: {len(data)} bytes are too few for an IDX file.")
    zeros, kind, axes = struct.unpack_from(">HBB", data)
    if zeros != 0 or kind not in TYPES:
        raise UserError(f"{name}: not an IDX file; it begins with the bytes {bytes(data[:4]).hex(' ')}.")
    if TYPES[kind] != dtype:
        raise UserError(f"{name}: its values are {TYPES[kind]}, where {dtype} is expected.")
    if not 1 <= axes <= MAX_AXES:
        raise UserError(f"{name}: it has {axes} axes, where 1 to {MAX_AXES} are expected.")
    values = np.dtype(dtype).newbyteorder(">")
    start = idx_size((0,) * axes)
    if len(data) < start:
        raise UserError(f"{name}: it ends within its header.")
    shape = struct.unpack_from(f">{axes}I", data, 4)
    if len(data) != (size := idx_size(shape, values.itemsize)):
        raise UserError(f"{name}: its header says {size:,} bytes for shape {shape}, but it has {len(data):,}.")
    return np.frombuffer(data, dtype=values, offset=start).reshape(shape)


def idx_bytes(array: NDArray[np.uint8]) -> bytes:
    """Return the IDX file of the array, uint8 with 1 to 3 axes. ValueError for any other array."""
    if array.dtype != np.uint8 or not 1 <= array.ndim <= MAX_AXES:
        raise ValueError(f"IDX files here hold uint8 arrays of 1 to {MAX_AXES} axes, not {array.dtype} {array.shape}")
    return idx_header(array.shape) + array.tobytes()


def idx_header(shape: tuple[int, ...]) -> bytes:
    """Return what stands before the values of a uint8 array with this shape."""
    return struct.pack(f">HBB{len(shape)}I", 0, UINT8, len(shape), *shape)


def idx_size(shape: tuple[int, ...], itemsize: int = 1) -> int:
    """Return how many bytes the IDX file of an array with this shape has, its values taking `itemsize` bytes each."""
    return 4 + 4 * len(shape) + itemsize * math.prod(shape)
