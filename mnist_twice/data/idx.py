"""The IDX format, in which MNIST and its relatives are published.

An IDX file is a header and then the values, nothing else: two zero bytes, one byte for the type of the values
(0x08: uint8), one for the number of axes, each axis's length as a big-endian uint32, and the values in C order.
Source: 'The IDX file format', on Yann LeCun's MNIST page, http://yann.lecun.com/exdb/mnist/.

Type and shape are in the header, so the SHA-256 of the file is a fingerprint of the array as well.
"""

import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

TYPES = {0x08: "u1", 0x0C: ">i4"}  # of the files here: images and labels, and who wrote them


def parse_idx(data: bytes | bytearray) -> NDArray[Any]:
    """Return the array in an IDX file's bytes, whose checksum was right; it is writable where they are."""
    _, kind, axes = struct.unpack_from(">HBB", data)
    shape = struct.unpack_from(f">{axes}I", data, 4)
    return np.frombuffer(data, TYPES[kind], offset=4 + 4 * axes).reshape(shape)


def idx_bytes(array: NDArray[np.uint8]) -> bytes:
    """Return the IDX file of the array, uint8."""
    return struct.pack(f">HBB{array.ndim}I", 0, 0x08, array.ndim, *array.shape) + array.tobytes()
