"""A dataset's folder on disk: whole and verified from the first moment that anybody can see it.

    <data_dir>/MNIST/raw/train-images-idx3-ubyte and three more      as torchvision's class MNIST expects them
    <data_dir>/MNIST/mnist.npz, and <data_dir>/mnist.npz, a link     as Keras has them
    <data_dir>/MNIST/SHA256SUMS                                      the checksums of the five

All is written into a hidden folder beside, which is then renamed.
"""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from digits.data.catalogue import Entry, IdxFile
from digits.data.idx import parse_idx
from digits.errors import UserError
from digits.files import (
    MANIFEST,
    flush,
    format_manifest,
    hidden_folder,
    naming,
    read_bytes,
    read_manifest,
    sha256_of,
    write_file,
    write_whole,
)


def find_damage(entry: Entry, data_dir: Path) -> list[str]:
    """Return the paths under data_dir of what is missing or not as it should be; none when the dataset is complete."""
    folder, npz = data_dir / entry.folder, _npz(entry)
    sums = _known_sums(folder)
    expected = {file.path: file.sha256 or sums.get(file.path) for file in entry.files} | {npz: sums.get(npz)}
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
    try:
        data = read_bytes(folder / file.path, file.size)
    except UserError:
        return None
    digest = hashlib.sha256(data).hexdigest()
    return data if digest == (file.sha256 or _known_sums(folder).get(file.path)) else None


@contextmanager
def building(entry: Entry, data_dir: Path) -> Iterator[Path]:
    """Give a hidden folder, with an empty folder `raw` in it, for the entry's four files; install() ends its use."""
    target = data_dir / entry.folder
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise UserError(f"cannot create the folder '{data_dir}' ({error.strerror}); choose another one.") from None
    if target.exists() and not target.is_dir():
        raise UserError(f"'{target}' is not a folder; move or delete it, then run again.")
    with hidden_folder(target) as folder:
        (folder / "raw").mkdir()
        yield folder


def install(entry: Entry, built: Path, data_dir: Path) -> None:
    """Add the .npz and the checksums to a built folder with the four raw files, and put all into its place."""
    target, npz = data_dir / entry.folder, _npz(entry)
    x_train, y_train, x_test, y_test = (
        parse_idx(read_bytes(built / file.path, file.size), file.name) for file in entry.files
    )
    with naming(built / npz):
        np.savez(built / npz, x_train=x_train, y_train=y_train, x_test=x_test, y_test=y_test)  # Keras's names
    names = [*(file.path for file in entry.files), npz]
    write_file(built / MANIFEST, format_manifest({name: sha256_of(built / name) for name in names}).encode())
    for name in (*names, MANIFEST, "raw", "."):
        flush(built / name)
    # The link comes first: until the folder is there it leads nowhere, which is 'no such file' to every reader.
    linked = _link(data_dir / npz, Path(entry.folder, npz), built)
    try:
        built.rename(target)
    except OSError:
        if not target.is_dir():
            raise
        # It exists, and is damaged or to be replaced: one file at a time, so that a reader finds each one old or new.
        (target / "raw").mkdir(exist_ok=True)
        for name in (*names, MANIFEST):
            os.replace(built / name, target / name)
        flush(target / "raw")
        flush(target)
    if not linked:
        write_whole(data_dir / npz, (target / npz).read_bytes())
    flush(data_dir)


def _npz(entry: Entry) -> str:
    return f"{entry.name}.npz"


def _known_sums(folder: Path) -> dict[str, str]:
    """Return what the folder's SHA256SUMS says; nothing where there is none that can be read."""
    try:
        return read_manifest(folder)
    except (UserError, OSError):
        return {}


def _link(path: Path, target: Path, built: Path) -> bool:
    """Put a symbolic link to the target in the place of `path`; False where the system or file system has none."""
    temporary = built / "link"
    try:
        temporary.symlink_to(target)
    except (OSError, NotImplementedError):
        return False
    os.replace(temporary, path)
    return True
