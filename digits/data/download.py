"""Bring a dataset into the data folder: from the first mirror whose files are right, or from an installed package."""

from __future__ import annotations

import hashlib
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from digits.data.catalogue import Entry, IdxFile, WriterLabels, check_array
from digits.data.folder import building, find_damage, install, read_if_good
from digits.data.idx import idx_bytes, parse_idx
from digits.errors import UserError
from digits.files import read_bytes, sha256_of, sweep, write_file, write_whole

if TYPE_CHECKING:
    from digits.data.fetch import TimeLimits

GZIP_MAGIC = b"\x1f\x8b"
URL = re.compile(r"https?://", re.IGNORECASE)


def download_dataset(
    entry: Entry, data_dir: Path, mirror: str = "", force: bool = False, limits: TimeLimits | None = None
) -> list[str]:
    """Make the dataset complete in data_dir; return the paths under it of what was missing, damaged or replaced.

    `mirror`, an address or a folder, is tried before the catalogue's. Files that are there and right are kept, unless
    `force`. UserError, and nothing in data_dir has changed, where no mirror has what is needed.
    """
    renewed = [entry.folder] if force else find_damage(entry, data_dir)
    if not renewed:
        sweep(data_dir / entry.folder)
        return []
    with building(entry, data_dir) as folder:
        for file, data in _contents(entry, data_dir, mirror, force, limits):
            write_file(folder / file.path, data)
        install(entry, folder, data_dir)
    return renewed


def download_writers(
    entry: Entry, data_dir: Path, mirror: str = "", force: bool = False, limits: TimeLimits | None = None
) -> None:
    """Bring who wrote each image into the folder of a dataset that is complete, file by file, as download_dataset does.

    UserError where no mirror has what is needed: the dataset is as good without.
    """
    labels = entry.writers
    if labels is None:
        return
    sources: list[str] = []
    for file in labels.files:
        path = data_dir / entry.folder / file.path
        if force or sha256_of(path) != file.sha256:
            sources = sources or list_sources(labels, mirror)
            write_whole(path, _from_sources(file, labels, sources, limits))


def verify(data: bytes | bytearray, file: IdxFile, entry: Entry | WriterLabels) -> bytes | bytearray:
    """Return the IDX file in `data`, a .gz or the file itself; UserError, with the reason, if it is not the entry's."""
    packed = data.startswith(GZIP_MAGIC)
    if not packed and data[:512].lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith((b"<!doctype", b"<html")):
        raise UserError("an HTML page instead of the file: a login or proxy page?")
    unpacked = _gunzip(data, file.size, f"{file.name}.gz") if packed else data
    check_array(parse_idx(unpacked, file.name, file.dtype), file, entry, file.name)
    if file.sha256:
        expected, digest = file.sha256, hashlib.sha256(unpacked).hexdigest()
    elif packed:
        expected, digest = file.gz_sha256, hashlib.sha256(data).hexdigest()
    else:
        raise UserError(f"{file.name}: unpacked it cannot be verified, because only the SHA-256 of its .gz is known.")
    if digest != expected:
        raise UserError(f"{file.name}: wrong contents; SHA-256 {digest}, where {expected} is expected.")
    return unpacked


def list_sources(entry: Entry | WriterLabels, mirror: str) -> list[str]:
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


def _contents(
    entry: Entry, data_dir: Path, mirror: str, force: bool, limits: TimeLimits | None
) -> Iterator[tuple[IdxFile, bytes | bytearray]]:
    """Yield each of the four files with its verified bytes."""
    if entry.embedded is not None:
        for file, array in zip(entry.files, entry.embedded(), strict=True):
            yield file, verify(idx_bytes(array), file, entry)
        return
    sources: list[str] = []
    for file in entry.files:
        kept = None if force else read_if_good(file, entry, data_dir)
        if kept is not None:
            yield file, kept
            continue
        sources = sources or list_sources(entry, mirror)
        yield file, _from_sources(file, entry, sources, limits)


def _from_sources(
    file: IdxFile, entry: Entry | WriterLabels, sources: list[str], limits: TimeLimits | None
) -> bytes | bytearray:
    """Return the file from the first source that has it; those that fail are tried last for the next file."""
    failures = []
    for source in list(sources):
        try:
            return verify(_read(source, file, limits), file, entry)
        except (UserError, OSError) as error:
            failures.append(f"\n  {source}: {error}")
            sources.append(sources.pop(sources.index(source)))
    instead = ", or take --dataset mnist-sample, which needs no network" if isinstance(entry, Entry) else ""
    raise UserError(
        f"{entry.name} was not downloaded, because no mirror has the right {file.name}.gz:{''.join(failures)}\n"
        f"Give the address or folder of a copy by --mirror{instead}."
    )


def _read(source: str, file: IdxFile, limits: TimeLimits | None) -> bytes | bytearray:
    """Return the file's bytes from a source, packed or not, still unverified."""
    # Packed is smaller than unpacked; where nothing can be squeezed out, deflate adds less than a thousandth.
    max_bytes = file.size * 1001 // 1000 + 65_536
    if URL.match(source):
        # Here, because a complete dataset, or a folder as mirror, needs none of it.
        from digits.data.fetch import TimeLimits, fetch

        return fetch(f"{source}{file.name}.gz", max_bytes, limits or TimeLimits())
    packed, unpacked = Path(source) / f"{file.name}.gz", Path(source) / file.name
    return read_bytes(unpacked if unpacked.exists() and not packed.exists() else packed, max_bytes)


def _gunzip(data: bytes | bytearray, max_bytes: int, name: str) -> bytes:
    """Return what a .gz holds, which must be one gzip member and nothing else; UserError if more than max_bytes."""
    gunzip = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)  # 16: with gzip's header, whose file name nobody reads
    try:
        unpacked = gunzip.decompress(data, max_bytes + 1)
    except zlib.error as error:
        raise UserError(f"{name}: damaged gzip data ({error}).") from None
    if len(unpacked) > max_bytes:
        raise UserError(f"{name}: it unpacks to more than the {max_bytes:,} bytes expected.")
    if not gunzip.eof:
        raise UserError(f"{name}: its gzip data are cut off.")
    if gunzip.unused_data:
        raise UserError(f"{name}: {len(gunzip.unused_data):,} bytes follow its gzip data.")
    return unpacked
