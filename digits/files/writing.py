"""Writing to a disk that may be full: the error names the file, as Python's own errors do only where opening fails."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt


def write_file(path: Path, data: bytes | bytearray | memoryview) -> None:
    """Write the bytes to `path`; an OSError names it."""
    with naming(path):
        path.write_bytes(data)


def write_npy(path: Path, array: npt.NDArray[np.generic]) -> None:
    """Write the array as np.save does, which says of a full disk only how many items it has written."""
    buffer = io.BytesIO()
    np.save(buffer, array)
    write_file(path, buffer.getbuffer())


@contextmanager
def naming(path: str | os.PathLike[str]) -> Iterator[None]:
    """Have an OSError of the block that names no file name `path`."""
    try:
        yield
    except OSError as error:
        error.filename = error.filename or os.fspath(path)
        raise
