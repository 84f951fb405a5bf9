"""A dataset's folder on disk: whole and verified from the first moment that anybody can see it.

    <data_dir>/MNIST/raw/train-images-idx3-ubyte and three more      as torchvision's class MNIST expects them
    <data_dir>/MNIST/mnist.npz, and <data_dir>/mnist.npz, a link     as Keras has them
    <data_dir>/MNIST/SHA256SUMS                                      the checksums of the five

All is written into a hidden folder beside, `.MNIST-<random>`, which is then renamed. A process that is killed leaves
at most such a folder behind; a later one removes it.
"""

from __future__ import annotations

import os
import secrets
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np

from digits.catalogue import Entry, IdxFile
from digits.errors import UserError
from digits.idx import read_idx
from digits.manifest import MANIFEST, format_manifest, read_manifest, sha256_of

if sys.platform != "win32":
    import fcntl

NPZ_KEYS = ("x_train", "y_train", "x_test", "y_test")  # Keras's names for the four arrays
STALE_SECONDS = 86_400  # where folders cannot be locked (Windows), a leftover this old is taken for dead


def find_damage(entry: Entry, data_dir: Path) -> list[str]:
    """Return the paths under data_dir of what is missing or not as it should be; none when the dataset is complete."""
    folder = data_dir / entry.folder
    sums = _known_sums(entry, data_dir)
    npz = f"{entry.name}.npz"
    wanted = {f"raw/{file.name}": file.sha256 or sums.get(f"raw/{file.name}") for file in entry.files}
    wanted[npz] = sums.get(npz)
    found = {name: sha256_of(folder / name) for name in wanted}
    damaged = [f"{entry.folder}/{name}" for name in wanted if found[name] != wanted[name]]
    if sums != found:
        damaged.append(f"{entry.folder}/{MANIFEST}")
    link = data_dir / npz
    if not (link.exists() and (link.samefile(folder / npz) or sha256_of(link) == found[npz])):
        damaged.append(npz)
    return damaged


def read_if_good(file: IdxFile, entry: Entry, data_dir: Path) -> bytes | None:
    """Return the file's bytes where it is in its place and verified; None otherwise."""
    path = data_dir / entry.folder / "raw" / file.name
    digest = file.sha256 or _known_sums(entry, data_dir).get(f"raw/{file.name}")
    return path.read_bytes() if digest and sha256_of(path) == digest else None


@contextmanager
def building(entry: Entry, data_dir: Path) -> Iterator[Path]:
    """Give a hidden new folder, with an empty folder `raw` in it, for the entry's files; it is gone afterwards.

    Folders that killed processes left are removed; those of living ones are locked, and stay.
    """
    _make_folder(data_dir)
    _remove_leftovers(entry, data_dir)
    while True:
        folder = data_dir / f".{entry.folder}-{secrets.token_hex(4)}"
        folder.mkdir()
        lock = _lock(folder)
        # Between mkdir and lock another process may have taken it for a leftover: then try again.
        if folder.exists() and (lock is not None or sys.platform == "win32"):
            break
    try:
        (folder / "raw").mkdir()
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if lock is not None:
            os.close(lock)


def install(entry: Entry, built: Path, data_dir: Path) -> None:
    """Add the .npz and the checksums to a built folder with the four raw files, and put it into its place."""
    npz = f"{entry.name}.npz"
    arrays = [read_idx(built / "raw" / file.name) for file in entry.files]
    np.savez(built / npz, **dict(zip(NPZ_KEYS, arrays, strict=True)))
    names = [*(f"raw/{file.name}" for file in entry.files), npz]
    (built / MANIFEST).write_text(format_manifest({name: sha256_of(built / name) for name in names}))
    for path in (*(built / name for name in names), built / MANIFEST, built / "raw", built):
        _flush(path)
    # The link comes first: until the folder is there it leads nowhere, which is 'no such file' to every reader.
    linked = _link(data_dir / npz, f"{entry.folder}/{npz}", built)
    target = data_dir / entry.folder
    try:
        built.rename(target)
    except OSError:
        if not target.is_dir():
            raise
        # There already, to be mended or replaced: each file at a time, so that a reader finds the old or the new one.
        (target / "raw").mkdir(exist_ok=True)
        for name in (*names, MANIFEST):
            os.replace(built / name, target / name)
        _flush(target / "raw")
        _flush(target)
    if not linked:
        copy = data_dir / f".{entry.folder}-{npz}"
        shutil.copyfile(target / npz, copy)
        os.replace(copy, data_dir / npz)
    _flush(data_dir)


def _known_sums(entry: Entry, data_dir: Path) -> dict[str, str]:
    """Return what the folder's SHA256SUMS says; nothing where there is none that can be read."""
    try:
        return read_manifest(data_dir / entry.folder)
    except UserError:
        return {}


def _make_folder(data_dir: Path) -> None:
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise UserError(
            f"'{data_dir}' cannot be the data folder, because a file is in the way: move it, or name another by --data-dir."
        ) from None


def _remove_leftovers(entry: Entry, data_dir: Path) -> None:
    for folder in data_dir.glob(f".{entry.folder}-*/"):
        if sys.platform == "win32":
            with suppress(OSError):
                if time.time() - folder.stat().st_mtime > STALE_SECONDS:
                    shutil.rmtree(folder, ignore_errors=True)
        elif (lock := _lock(folder)) is not None:
            shutil.rmtree(folder, ignore_errors=True)
            os.close(lock)


def _lock(folder: Path) -> int | None:
    """Lock the folder until its descriptor is closed or this process ends; None where another process has it."""
    if sys.platform == "win32":
        return None
    descriptor = None
    try:
        descriptor = os.open(folder, os.O_RDONLY)
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, FileNotFoundError):
        if descriptor is not None:
            os.close(descriptor)
        return None
    return descriptor


def _link(path: Path, target: str, built: Path) -> bool:
    """Put a symbolic link to the target in place of `path`; False where the system or file system has none."""
    if path.is_symlink() and os.readlink(path) == target:
        return True
    temporary = built / "link"
    try:
        temporary.symlink_to(target)
    except (OSError, NotImplementedError):
        return False
    os.replace(temporary, path)
    return True


def _flush(path: Path) -> None:
    """Make sure that the file or folder is on the disk itself, so that a power cut cannot undo what a rename announced."""
    if path.is_dir() and sys.platform == "win32":
        return  # there, folders cannot be opened
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
