"""Writing to a disk that may be full: the error names the file, as Python's own errors do only where opening fails."""

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt

Bytes = bytes | bytearray | memoryview


def write_file(path: Path, data: Bytes) -> None:
    """Write the bytes to `path`; an OSError names it."""
    with naming(path):
        path.write_bytes(data)


def write_npy(path: Path, array: npt.NDArray[np.generic]) -> None:
    """Write the array as np.save does, whose error on a full disk is only how many items it has written."""
    buffer = io.BytesIO()
    np.save(buffer, array)
    write_file(path, buffer.getbuffer())


def flush(path: Path) -> None:
    """Put the file, or the folder's list of names, on the disk itself, where a power cut cannot undo it."""
    if sys.platform == "win32" and path.is_dir():
        return  # folders cannot be opened there
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        with naming(path):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def naming(path: str | os.PathLike[str]) -> Iterator[None]:
    """Have an OSError of the block that names no file name `path`."""
    try:
        yield
    except OSError as error:
        error.filename = error.filename or os.fspath(path)
        raise
