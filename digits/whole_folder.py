"""Write a folder whole or not at all: whatever happens, `path` is the earlier folder or the new one, never half."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
import shutil
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from digits.errors import UserError


@contextmanager
def writing_folder(path: Path) -> Iterator[Path]:
    """Yield an empty hidden folder beside `path`, and put it in the place of `path` when the block ends cleanly.

    After an exception (Ctrl-C included) the hidden folder is deleted and what was at `path` is untouched. What killed
    processes left behind for the same `path` is mended and swept first; a folder that a live process is filling stays.

    Raises UserError where `path` cannot be written.
    """
    check_place(path)
    _mend_and_sweep(path)
    folder, lock = _make_locked_folder(path)
    try:
        yield folder
        _flush_to_disk(folder)
        _swap_in(folder, path)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    finally:
        if lock is not None:
            os.close(lock)


def check_place(path: Path) -> None:
    """Raise UserError where a folder cannot be written at `path`; makes the folder above it if that is missing."""
    with contextlib.suppress(OSError):
        # One look, not two: another process may be swapping the folder at this moment. A link is no folder here.
        if not stat.S_ISDIR(path.lstat().st_mode):
            raise UserError(f"'{path}' is in the way: a folder goes there; move or delete it, then run again.")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Only trying tells: permission bits say nothing about read-only disks, quotas, or names that are too long.
        probe = _hidden_name(path)
        probe.mkdir()
        with contextlib.suppress(FileNotFoundError):  # another process swept it
            probe.rmdir()
    except OSError as error:
        raise UserError(
            f"cannot write to '{path}' ({error.strerror or error}); choose another folder or mend its permissions."
        ) from error


def _hidden_name(path: Path) -> Path:
    return path.with_name(f".{path.name}-{secrets.token_hex(4)}")


def _make_locked_folder(path: Path) -> tuple[Path, int | None]:
    """Make a hidden folder and hold a lock on it: the lock dies with this process, so that others know it is gone."""
    while True:
        folder = _hidden_name(path)
        folder.mkdir()
        # Between making and locking it, a sweep by another process may take it for a leftover: then make another.
        with contextlib.suppress(BlockingIOError, FileNotFoundError):
            lock = _lock(folder)
            if folder.is_dir():
                return folder, lock
            if lock is not None:
                os.close(lock)


def _lock(folder: Path) -> int | None:
    """Return a descriptor that holds the folder's lock, None where the file system has no locks.

    Raises BlockingIOError while another descriptor holds it, FileNotFoundError where the folder is gone.
    """
    if sys.platform == "win32":
        return None  # what a killed process left stays there until somebody deletes it
    import fcntl

    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        if isinstance(error, BlockingIOError):
            raise
        return None
    return descriptor


def _mend_and_sweep(path: Path) -> None:
    """Bring back an earlier folder that a kill left renamed aside, and delete the leftovers of killed processes."""
    hidden = re.compile(re.escape(f".{path.name}-") + r"[0-9a-f]{8}(\.old)?")
    leftovers = [entry for entry in path.parent.iterdir() if hidden.fullmatch(entry.name)]
    for aside in leftovers:
        if aside.name.endswith(".old") and not path.exists():
            with contextlib.suppress(OSError):  # another process may be mending the same place: either will do
                os.rename(aside, path)
    for leftover in leftovers:
        with contextlib.suppress(OSError):  # a live process holds it, or another one is sweeping too
            lock = _lock(leftover)
            if lock is not None:
                shutil.rmtree(leftover, ignore_errors=True)
                os.close(lock)


def _swap_in(folder: Path, path: Path) -> None:
    """Put `folder` in the place of `path`: the old one steps aside, the new one goes in, the old one is deleted."""
    asides = []
    try:
        while True:
            with contextlib.suppress(FileNotFoundError):
                aside = _hidden_name(path)
                aside = aside.with_name(aside.name + ".old")
                asides.append(aside)
                os.rename(path, aside)
            try:
                os.rename(folder, path)
                break
            except OSError as error:
                # Another process put its own folder there between the two renames: set that aside as well.
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                    raise
    except BaseException:
        if asides and not path.exists() and asides[-1].exists():
            os.rename(asides[-1], path)
        raise
    finally:
        for aside in asides:
            shutil.rmtree(aside, ignore_errors=True)
    _flush(path.parent)


def _flush_to_disk(folder: Path) -> None:
    """Have all files on the disk before the folder gets its name, or a power cut leaves the name with empty files."""
    for entry in [*folder.rglob("*"), folder]:
        _flush(entry)


def _flush(path: Path) -> None:
    if os.name == "nt" and path.is_dir():
        return  # Windows cannot open a folder
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
