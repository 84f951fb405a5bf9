"""A hidden folder, to build in it what must be seen whole or not at all; a killed process leaves none for good."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from digits.files.writing import naming


@contextmanager
def hidden_folder(path: Path) -> Iterator[Path]:
    """Give an empty folder `.<name>-<random>` beside `path`, to be renamed or emptied; what is left of it then goes.

    Those that killed processes left beside the same `path` are deleted first. Living processes hold a lock on theirs.
    """
    sweep(path)
    folder, lock = _make_locked(path)
    try:
        yield folder
    except OSError as error:  # with the name that the file was to have; this folder is about to go
        error.filename = str(error.filename or path).replace(str(folder), str(path))
        raise
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if lock is not None:
            os.close(lock)


def hidden_name(path: Path) -> Path:
    """Return a fresh name `.<name>-<random>` beside `path`."""
    return path.with_name(f".{path.name}-{secrets.token_hex(4)}")


def sweep(path: Path, suffix: str = "") -> None:
    """Delete the hidden folders (with `suffix` behind their names) that killed processes left beside `path`."""
    for folder in leftovers(path, suffix):
        with suppress(OSError):  # a living process has it, or it has gone meanwhile, or it is not ours to open
            lock = _lock(folder)
            if lock is not None:
                shutil.rmtree(folder, ignore_errors=True)
                os.close(lock)


def leftovers(path: Path, suffix: str = "") -> list[Path]:
    """Return the hidden folders beside `path` with `suffix` behind their names, those in use included."""
    name = re.compile(re.escape(f".{path.name}-") + "[0-9a-f]{8}" + re.escape(suffix))
    return [entry for entry in path.parent.iterdir() if name.fullmatch(entry.name)]


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


def _make_locked(path: Path) -> tuple[Path, int | None]:
    while True:
        folder = hidden_name(path)
        folder.mkdir()
        # Before it is locked, another process may take it for a leftover and sweep it away: then another one.
        with suppress(BlockingIOError, FileNotFoundError):
            lock = _lock(folder)
            if folder.exists():
                return folder, lock
            if lock is not None:
                os.close(lock)


def _lock(folder: Path) -> int | None:
    """Return a descriptor that locks the folder until it is closed or this process ends; None where there are no locks.

    BlockingIOError where another process has it, FileNotFoundError where the folder has gone.
    """
    if sys.platform == "win32":
        return None  # a leftover stays until somebody deletes it
    import fcntl

    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise
    except OSError:  # some network file systems have none
        os.close(descriptor)
        return None
    return descriptor
