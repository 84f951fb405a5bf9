"""Files that appear whole or not at all, whatever happens; their checksums; and readers of files that may be damaged.

What is written whole goes into a hidden folder `.<name>-<random>` beside its path first, and is renamed; an earlier
folder steps aside into the same hidden one. Writers share a lock on the folder above: what killed processes left is
deleted by the next writer of the same path that is alone there.
"""

import errno
import glob
import hashlib
import os
import re
import secrets
import shutil
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from mnist_twice.errors import UserError

Bytes = bytes | bytearray | memoryview
MANIFEST = "SHA256SUMS"
"""Which files belong to a dataset's folder, and their checksums. `sha256sum -c SHA256SUMS` reads it too."""
NEW, OLD = "new", "old"  # in a hidden folder: what is being written, and an earlier folder that has made way for it


def read_bytes(path: Path, limit: int) -> bytearray:
    """Return the file's bytes. UserError: missing, not a regular file, or more than `limit` bytes; or an OSError."""
    if not os.path.isfile(path):  # opening a pipe or a device would wait for ever
        raise UserError(f"'{path}' is {'not a regular file' if os.path.lexists(path) else 'missing'}.")
    if path.stat().st_size > limit:
        raise UserError(f"'{path}' is larger than the {limit:,} bytes expected at most.")
    return bytearray(path.read_bytes())


def read_manifest(folder: Path) -> dict[str, str]:
    """Return the SHA-256 (hexadecimal) of each file, by its path under the folder. UserError if missing or garbled."""
    path = folder / MANIFEST
    sums: dict[str, str] = {}
    text = read_bytes(path, 1 << 16).decode(errors="replace")
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


def write_whole(path: Path, data: Bytes | str, make_folder: bool = True) -> None:
    """Write the file at `path`: bytes, or text in UTF-8. An OSError names `path`.

    The folder above it is made where that is missing, unless `make_folder` is off.
    """
    if make_folder:
        path.parent.mkdir(parents=True, exist_ok=True)
    with _beside(path) as new:
        new.write_bytes(data.encode() if isinstance(data, str) else data)
        _flush(new)
        os.replace(new, path)


@contextmanager
def writing_folder(path: Path, replace: bool = True) -> Iterator[Path]:
    """Yield an empty hidden folder beside `path`, and put it in the place of `path` when the block ends cleanly.

    After an exception (Ctrl-C included) the hidden folder is deleted and what was at `path` is untouched. Raises
    Raises UserError if `path` cannot be written, or exists although nothing is to be replaced.
    """
    if not replace and os.path.lexists(path):
        raise UserError(f"'{path}' already exists; choose another folder, or delete it first.")
    check_place(path)
    with _beside(path) as new:
        new.mkdir()
        yield new
        if replace:
            for entry in new.rglob("*"):
                if entry.is_file():
                    _flush(entry)
            _swap_in(new, path)
        else:
            os.rename(new, path)  # an OSError where another process has been quicker


def check_place(path: Path) -> None:
    """Raise UserError if a folder cannot be written at `path`; makes the folder above it if that is missing."""
    with suppress(OSError):
        # One look, not two: another process may be swapping the folder at this moment. A link is no folder here.
        if not stat.S_ISDIR(path.lstat().st_mode):
            raise UserError(f"'{path}' is not a folder; move or delete it, then run again.")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Only trying tells: permission bits say nothing about read-only disks, quotas, or names that are too long.
        with _beside(path):
            pass
    except OSError as error:
        raise UserError(
            f"cannot write to '{path}' ({error.strerror or error}); choose another folder or fix its permissions."
        ) from error


def sweep(path: Path) -> None:
    """Delete what killed processes left beside `path`, unless a living one is writing in the same folder."""
    lock = _lock(path.parent, alone=True)
    if lock is not None:
        for hidden in path.parent.glob(glob.escape(f".{path.name}-") + 8 * "[0-9a-f]"):
            _clear(hidden, path)
        os.close(lock)


@contextmanager
def _beside(path: Path) -> Iterator[Path]:
    """Yield the path to write at, in a hidden folder beside `path`; what the block leaves there is deleted.

    An OSError of the block that names no file, as on a full disk, names `path`.
    """
    sweep(path)
    hidden = path.with_name(f".{path.name}-{secrets.token_hex(4)}")
    lock = _lock(path.parent, alone=False)
    try:
        hidden.mkdir()
        yield hidden / NEW
    except OSError as error:  # with the name that the file was to have; the hidden one is about to go
        name = str(error.filename or path).replace(str(hidden / NEW), str(path))
        error.filename = name.replace(str(hidden), str(path))
        raise
    finally:
        _clear(hidden, path)
        if lock is not None:
            os.close(lock)


def _swap_in(new: Path, path: Path) -> None:
    """Put the folder `new` in the place of `path`, whose earlier folder steps aside."""
    old = new.with_name(OLD)
    while True:
        with suppress(FileNotFoundError):
            os.rename(path, old)
        try:
            return os.rename(new, path)
        except OSError as error:
            # Another process put its own folder there between the two renames: set that aside as well.
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
            shutil.rmtree(old, ignore_errors=True)


def _clear(hidden: Path, path: Path) -> None:
    """Delete the hidden folder; an earlier folder that has stepped aside goes back if none has come in its place."""
    old = hidden / OLD
    if os.path.exists(old) and not os.path.exists(path):
        with suppress(OSError):  # another process may be doing the same: either will do
            os.rename(old, path)
    if os.path.exists(path) or not os.path.exists(old):
        shutil.rmtree(hidden, ignore_errors=True)


def _lock(folder: Path, alone: bool) -> int | None:
    """Return a descriptor that locks the folder until it is closed or this process ends: alone, or beside others.

    None where others are there, the folder is missing, or there are no locks: Windows, some network file systems.
    """
    try:
        import fcntl

        descriptor = os.open(folder, os.O_RDONLY)
    except (ImportError, OSError):
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB if alone else fcntl.LOCK_SH)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor


def _flush(file: Path) -> None:
    """Put the file on the disk itself before it gets its name: a power cut would leave the name with an empty file."""
    with file.open("r+b") as opened:
        os.fsync(opened.fileno())
