"""Files that appear whole or not at all, whatever happens; their checksums; and readers of files that may be damaged.

What is written whole goes into a hidden folder `.<name>-<random>` beside its path first, and is renamed. A living
process holds a lock on its hidden folder; those of killed processes are deleted by the next writer of the same path.
"""

import errno
import hashlib
import io
import os
import re
import secrets
import shutil
import stat
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import numpy.typing as npt

from digits.errors import UserError

Bytes = bytes | bytearray | memoryview
MANIFEST = "SHA256SUMS"
"""Which files belong to a dataset's folder, and their checksums. `sha256sum -c SHA256SUMS` reads it too."""
LARGEST_MANIFEST = 1 << 16  # bytes: some hundred lines; ours has five
ASIDE = ".old"  # ends the hidden name of an earlier folder that has made way for the new one


def read_bytes(path: Path, limit: int) -> bytearray:
    """Return the file's bytes. UserError: missing, not a regular file, or more than `limit` bytes; or an OSError."""
    if not os.path.isfile(path):  # opening a pipe or a device would wait for ever
        raise UserError(f"'{path}' is {'not a regular file' if os.path.lexists(path) else 'missing'}.")
    size = path.stat().st_size
    if size > limit:
        raise UserError(f"'{path}' is larger than the {limit:,} bytes expected at most.")
    data = bytearray(size)
    with path.open("rb") as file:
        file.readinto(data)
    return data


def read_manifest(folder: Path) -> dict[str, str]:
    """Return the SHA-256 (hexadecimal) of each file, by its path under the folder. UserError if missing or garbled."""
    path = folder / MANIFEST
    sums: dict[str, str] = {}
    text = read_bytes(path, LARGEST_MANIFEST).decode(errors="replace")
    for line in text.removesuffix("\n").split("\n"):
        match = re.fullmatch(r"([0-9a-f]{64}) [ *]([^\x00-\x1f]+)", line)
        if match is None:
            raise UserError(f"'{path}' is not a list of SHA-256 checksums.")
        sums[match[2]] = match[1]
    return sums


def format_manifest(sums: Mapping[str, str]) -> str:
    """Return the text of SHA256SUMS."""
    return "".join(f"{digest}  {name}\n" for name, digest in sums.items())


def sha256_of(path: Path) -> str:
    """Return the file's SHA-256 (hexadecimal); '' where there is no such regular file."""
    if not os.path.isfile(path):
        return ""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def naming(path: str | os.PathLike[str]) -> Iterator[None]:
    """Have an OSError of the block that names no file, as on a full disk, name `path`."""
    try:
        yield
    except OSError as error:
        error.filename = error.filename or os.fspath(path)
        raise


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
            os.replace(unfinished, path)
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(path)) from error


@contextmanager
def writing_folder(path: Path) -> Iterator[Path]:
    """Yield an empty hidden folder beside `path`, and put it in the place of `path` when the block ends cleanly.

    After an exception (Ctrl-C included) the hidden folder is deleted and what was at `path` is untouched. Raises
    UserError where `path` cannot be written.
    """
    check_place(path)
    _settle_asides(path)
    with hidden_folder(path) as folder:
        yield folder
        # All files on the disk before the folder gets its name, or a power cut leaves the name with empty files.
        for entry in [*folder.rglob("*"), folder]:
            flush(entry)
        try:
            _swap_in(folder, path)
        finally:
            _settle_asides(path)
    flush(path.parent)


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Yield an empty hidden folder, which becomes `path` when the block ends cleanly. UserError where `path` exists."""
    if os.path.lexists(path):
        raise UserError(f"'{path}' already exists; choose another folder, or delete it first.")
    check_place(path)
    with hidden_folder(path) as folder:
        yield folder
        os.rename(folder, path)  # an OSError where another process has been quicker


@contextmanager
def hidden_folder(path: Path) -> Iterator[Path]:
    """Yield an empty hidden folder beside `path`, to be renamed or emptied by the block; the rest is then deleted."""
    sweep(path)
    while True:
        folder = hidden_name(path)
        folder.mkdir()
        lock = _lock(folder, wait=True)
        if folder.exists():  # else another process has swept it away before it was locked
            break
        if lock is not None:
            os.close(lock)
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
        with hidden_folder(path):
            pass
    except OSError as error:
        raise UserError(
            f"cannot write to '{path}' ({error.strerror or error}); choose another folder or fix its permissions."
        ) from error


def sweep(path: Path) -> None:
    """Delete the hidden folders that killed processes left beside `path`."""
    for folder in _leftovers(path):
        lock = _lock(folder, wait=False)
        if lock is not None:
            shutil.rmtree(folder, ignore_errors=True)
            os.close(lock)


def hidden_name(path: Path, suffix: str = "") -> Path:
    return path.with_name(f".{path.name}-{secrets.token_hex(4)}{suffix}")


def _leftovers(path: Path, suffix: str = "") -> list[Path]:
    """Return what has such a name beside `path`, in use or not."""
    name = re.compile(re.escape(f".{path.name}-") + "[0-9a-f]{8}" + re.escape(suffix))
    return [entry for entry in path.parent.iterdir() if name.fullmatch(entry.name)]


def _lock(folder: Path, wait: bool) -> int | None:
    """Return a descriptor that locks the folder until it is closed or this process ends.

    None where another process has it, the folder has gone, or there are no locks: Windows, some network file systems.
    """
    try:
        import fcntl

        descriptor = os.open(folder, os.O_RDONLY)
    except (ImportError, OSError):
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError:
        os.close(descriptor)
        return None
    return descriptor


def _swap_in(folder: Path, path: Path) -> None:
    """Put `folder` in the place of `path`, whose earlier folder steps aside."""
    while True:
        with suppress(FileNotFoundError):
            os.rename(path, hidden_name(path, ASIDE))
        try:
            return os.rename(folder, path)
        except OSError as error:
            # Another process put its own folder there between the two renames: set that aside as well.
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise


def _settle_asides(path: Path) -> None:
    """Delete the earlier folders that have stepped aside; one whose writer was stopped before the new one goes back."""
    for aside in _leftovers(path, ASIDE):
        if path.exists():
            shutil.rmtree(aside, ignore_errors=True)
        else:
            with suppress(OSError):  # another process may be doing the same: either will do
                os.rename(aside, path)
