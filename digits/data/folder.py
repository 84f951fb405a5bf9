"""A dataset's folder on disk: whole and verified from the first moment that anybody can see it.

    <data_dir>/MNIST/raw/train-images-idx3-ubyte and three more      as torchvision's class MNIST expects them
    <data_dir>/MNIST/mnist.npz, and <data_dir>/mnist.npz, a link     as Keras has them
    <data_dir>/MNIST/SHA256SUMS                                      the checksums of the five

All is written into a hidden folder beside, which is then renamed.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from digits.data.catalogue import Entry, IdxFile
from digits.data.idx import read_bytes, read_idx
from digits.errors import UserError
from digits.files import MANIFEST, flush, format_manifest, hidden_folder, naming, read_manifest, sha256_of, write_file


def find_damage(entry: Entry, data_dir: Path) -> list[str]:
    """Return the paths under data_dir of what is missing or not as it should be; none when the dataset is complete."""
    folder, npz = data_dir / entry.folder, _npz(entry)
    sums = _known_sums(folder)
    expected = {_raw(file): file.sha256 or sums.get(_raw(file)) for file in entry.files}
    expected[npz] = sums.get(npz)
    found = {name: sha256_of(folder / name) for name in expected}
    damaged = [f"{entry.folder}/{name}" for name in expected if found[name] != expected[name]]
    if sums != expected:
        damaged.append(f"{entry.folder}/{MANIFEST}")
    link = data_dir / npz
    if not link.exists() or (link.resolve() != (folder / npz).resolve() and sha256_of(link) != found[npz]):
        damaged.append(npz)
    return damaged


def read_if_good(file: IdxFile, entry: Entry, data_dir: Path) -> bytearray | None:
    """Return the file's bytes where it is in its place and verified; None otherwise."""
    folder = data_dir / entry.folder
    path = folder / _raw(file)
    if not path.is_file():
        return None
    data = read_bytes(path)
    digest = hashlib.sha256(data).hexdigest()
    return data if digest == (file.sha256 or _known_sums(folder).get(_raw(file))) else None


@contextmanager
def building(entry: Entry, data_dir: Path) -> Iterator[Path]:
    """Give a hidden folder, with an empty folder `raw` in it, for the entry's four files; install() ends its use."""
    target = data_dir / entry.folder
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise UserError(f"'{data_dir}' is in the way: a folder goes there; move it, or choose another.") from None
    if target.exists() and not target.is_dir():
        raise UserError(f"'{target}' is in the way: a folder goes there; move or delete it, then run again.")
    with hidden_folder(target) as folder:
        (folder / "raw").mkdir()
        yield folder


def install(entry: Entry, built: Path, data_dir: Path) -> None:
    """Add the .npz and the checksums to a built folder with the four raw files, and put all into its place."""
    target, npz = data_dir / entry.folder, _npz(entry)
    x_train, y_train, x_test, y_test = (read_idx(built / _raw(file)) for file in entry.files)
    with naming(built / npz):
        np.savez(built / npz, x_train=x_train, y_train=y_train, x_test=x_test, y_test=y_test)  # Keras's names
    names = [*(_raw(file) for file in entry.files), npz]
    write_file(built / MANIFEST, format_manifest({name: sha256_of(built / name) for name in names}).encode())
    for name in (*names, MANIFEST, "raw", "."):
        flush(built / name)
    # The link comes first: until the folder is there it leads nowhere, which is 'no such file' to every reader.
    linked = _link(data_dir / npz, f"{entry.folder}/{npz}", built)
    try:
        built.rename(target)
    except OSError:
        if not target.is_dir():
            raise
        # It is there, to be mended or replaced: one file at a time, so that a reader finds each one old or new.
        (target / "raw").mkdir(exist_ok=True)
        for name in (*names, MANIFEST):
            os.replace(built / name, target / name)
        flush(target / "raw")
        flush(target)
    if not linked:
        copy = data_dir / f".{npz}"
        shutil.copyfile(target / npz, copy)
        os.replace(copy, data_dir / npz)
    flush(data_dir)


def _raw(file: IdxFile) -> str:
    return f"raw/{file.name}"


def _npz(entry: Entry) -> str:
    return f"{entry.name}.npz"


def _known_sums(folder: Path) -> dict[str, str]:
    """Return what the folder's SHA256SUMS says; nothing where there is none that can be read."""
    try:
        return read_manifest(folder)
    except UserError:
        return {}


def _link(path: Path, target: str, built: Path) -> bool:
    """Put a symbolic link to the target in the place of `path`; False where the system or file system has none."""
    temporary = built / "link"
    try:
        temporary.symlink_to(target)
    except (OSError, NotImplementedError):
        return False
    os.replace(temporary, path)
    return True
