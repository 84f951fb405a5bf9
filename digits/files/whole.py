"""Write a file or a folder whole or not at all: whatever happens, its path has the earlier contents or the new ones.

All is written into a hidden folder `.<name>-<random>` beside the path, and renamed. A living process holds a lock on
its hidden folder; those of killed processes are deleted by the next writer of the same path.
"""

import errno
import os
import re
import secrets
import shutil
import stat
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from digits.errors import UserError
from digits.files.writing import Bytes, flush

ASIDE = ".old"  # ends the hidden name of an earlier folder that has made way for the new one


def write_whole(path: Path, data: Bytes | str | Iterable[str], make_folder: bool = True) -> None:
    """Write the file at `path`: bytes, or text (whole or in pieces) in UTF-8. An OSError names `path`.

    The folder above it is made where that is missing, unless `make_folder` is off.
    """
    if make_folder:
        path.parent.mkdir(parents=True, exist_ok=True)
    with hidden_folder(path) as folder:
        unfinished = folder / "file"
        try:
            with unfinished.open("wb") as file:
                for piece in [data] if isinstance(data, Bytes | str) else data:
                    file.write(piece.encode() if isinstance(piece, str) else piece)
            flush(unfinished)
            _retrying(os.replace, unfinished, path)
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(path)) from error


@contextmanager
def writing_folder(path: Path) -> Iterator[Path]:
    """Yield an empty hidden folder beside `path`, and put it in the place of `path` when the block ends cleanly.

    After an exception (Ctrl-C included) the hidden folder is deleted and what was at `path` is untouched. Raises
    UserError where `path` cannot be written.
    """
    check_place(path)
    for aside in leftovers(path, ASIDE):  # of a writer that was killed between the two renames of _swap_in
        if not path.exists():
            with suppress(OSError):  # another process may be restoring the same place: either will do
                os.rename(aside, path)
    sweep(path, ASIDE)
    with hidden_folder(path) as folder:
        yield folder
        # All files on the disk before the folder gets its name, or a power cut leaves the name with empty files.
        for entry in [*folder.rglob("*"), folder]:
            flush(entry)
        _swap_in(folder, path)


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Yield an empty hidden folder, which becomes `path` when the block ends cleanly. UserError where `path` exists."""
    fault = f"'{path}' already exists; choose another folder, or delete it first."
    if os.path.lexists(path):
        raise UserError(fault)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise UserError(f"'{path.parent}' is not a folder; choose another one.") from None
    with hidden_folder(path) as folder:
        yield folder
        try:
            os.rename(folder, path)
        except OSError:
            if os.path.lexists(path):  # another process has been quicker
                raise UserError(fault) from None
            raise


@contextmanager
def hidden_folder(path: Path) -> Iterator[Path]:
    """Yield an empty hidden folder beside `path`, to be renamed or emptied by the block; the rest is then deleted."""
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


def check_place(path: Path) -> None:
    """Raise UserError where a folder cannot be written at `path`; makes the folder above it if that is missing."""
    with suppress(OSError):
        # One look, not two: another process may be swapping the folder at this moment. A link is no folder here.
        if not stat.S_ISDIR(path.lstat().st_mode):
            raise UserError(f"'{path}' is not a folder; move or delete it, then run again.")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Only trying tells: permission bits say nothing about read-only disks, quotas, or names that are too long.
        probe = hidden_name(path)
        probe.mkdir()
        with suppress(FileNotFoundError):  # another process swept it
            probe.rmdir()
    except OSError as error:
        raise UserError(
            f"cannot write to '{path}' ({error.strerror or error}); choose another folder or fix its permissions."
        ) from error


def hidden_name(path: Path, suffix: str = "") -> Path:
    """Return a fresh name `.<name>-<random><suffix>` beside `path`."""
    return path.with_name(f".{path.name}-{secrets.token_hex(4)}{suffix}")


def leftovers(path: Path, suffix: str = "") -> list[Path]:
    """Return what has such a name beside `path`, in use or not."""
    name = re.compile(re.escape(f".{path.name}-") + "[0-9a-f]{8}" + re.escape(suffix))
    return [entry for entry in path.parent.iterdir() if name.fullmatch(entry.name)]


def sweep(path: Path, suffix: str = "") -> None:
    """Delete the hidden folders that killed processes left beside `path`."""
    for folder in leftovers(path, suffix):
        with suppress(OSError):  # a living process has it, or it has gone meanwhile, or it is not ours to open
            lock = _lock(folder)
            if lock is not None:
                shutil.rmtree(folder, ignore_errors=True)
                os.close(lock)


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
    try:
        import fcntl
    except ImportError:  # Windows: a leftover stays until somebody deletes it
        return None
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


def _retrying(rename: Callable[[Path, Path], None], source: Path, target: Path) -> None:
    """Rename, on Windows with patience: there it fails while another program, such as a virus scanner, reads a file."""
    for _ in range(20 if sys.platform == "win32" else 0):
        with suppress(PermissionError):
            rename(source, target)
            return
        time.sleep(0.05)
    rename(source, target)


def _swap_in(folder: Path, path: Path) -> None:
    """Put `folder` in the place of `path`: the old one steps aside, the new one goes in, the old one is deleted."""
    asides = []
    try:
        while True:
            asides.append(hidden_name(path, ASIDE))
            with suppress(FileNotFoundError):
                _retrying(os.rename, path, asides[-1])
            try:
                _retrying(os.rename, folder, path)
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
    flush(path.parent)
