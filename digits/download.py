"""Bring a dataset into the data folder: from the first mirror whose files are the right ones, or from an installed package."""

from __future__ import annotations

import hashlib
import re
import zlib
from collections.abc import Iterator
from pathlib import Path

from digits.catalogue import Entry, IdxFile, check_array
from digits.errors import UserError
from digits.fetch import TimeLimits, fetch
from digits.idx import IdxError, idx_bytes, idx_size, parse_idx, read_bytes
from digits.store import building, find_damage, install, read_if_good

GZIP_MAGIC = b"\x1f\x8b"


def download_dataset(
    entry: Entry, data_dir: Path, mirror: str | None = None, force: bool = False, limits: TimeLimits | None = None
) -> bool:
    """Make the dataset complete in data_dir; return whether there was anything to do.

    Files that are there and right are kept unless `force`. `mirror`, an address or a folder, is tried before the catalogue's.
    UserError, and no change to data_dir, where no mirror has a file of it.
    """
    if not force and not find_damage(entry, data_dir):
        return False
    with building(entry, data_dir) as folder:
        for file, data in _contents(entry, data_dir, mirror, force, limits or TimeLimits()):
            (folder / "raw" / file.name).write_bytes(data)
        install(entry, folder, data_dir)
    return True


def _contents(
    entry: Entry, data_dir: Path, mirror: str | None, force: bool, limits: TimeLimits
) -> Iterator[tuple[IdxFile, bytes | bytearray]]:
    """Yield each of the four files with its verified bytes."""
    if entry.embedded is not None:
        for file, array in zip(entry.files, entry.embedded(), strict=True):
            data = idx_bytes(array)
            yield file, verify(data, file, entry, f"{file.name} as made from the installed package")
        return
    sources: list[str] = []
    for file in entry.files:
        kept = None if force else read_if_good(file, entry, data_dir)
        if kept is not None:
            yield file, kept
            continue
        sources = sources or list_sources(entry, mirror)
        yield file, _from_sources(file, entry, sources, limits)


def _from_sources(file: IdxFile, entry: Entry, sources: list[str], limits: TimeLimits) -> bytes | bytearray:
    """Return the file from the first source that has it. A source that has not goes to the list's end, for the next file."""
    failures = []
    for source in list(sources):
        try:
            return verify(_read(source, file, limits), file, entry, file.name)
        except (UserError, OSError) as error:
            failures.append(f"\n  {source}: {error}")
            sources.append(sources.pop(sources.index(source)))
    raise UserError(
        f"{entry.name} could not be downloaded; no mirror gave a right {file.name}.gz:{''.join(failures)}\n"
        f"What helps: '--mirror' with the address or folder of a copy; or '--dataset mnist-sample', "
        f"real digits that need no network."
    )


def list_sources(entry: Entry, mirror: str | None) -> list[str]:
    """Return the addresses and folders to try, in order. UserError where the mirror is neither an address nor a folder."""
    if mirror is None:
        return list(entry.mirrors)
    if re.match(r"https?://", mirror, re.IGNORECASE):
        base = mirror.rstrip("/")
        return [f"{base}/{entry.name}/", f"{base}/", *entry.mirrors]
    folder = Path(mirror)
    if not folder.is_dir():
        raise UserError(
            f"--mirror '{mirror}' is neither a folder that exists nor an address that begins with http(s)://."
        )
    own = folder / entry.name
    return [str(own if own.is_dir() else folder), *entry.mirrors]


def _read(source: str, file: IdxFile, limits: TimeLimits) -> bytes | bytearray:
    """Return the file's bytes from a source, packed or not, still unverified."""
    # A .gz is smaller than what is in it; should it not shrink at all, deflate adds 5 bytes to each 16 kB or more.
    max_bytes = idx_size(file.shape) * 1001 // 1000 + 65_536
    if re.match(r"https?://", source, re.IGNORECASE):
        return fetch(f"{source}{file.name}.gz", max_bytes, limits)
    unpacked, packed = Path(source) / file.name, Path(source) / f"{file.name}.gz"
    return read_bytes(unpacked if unpacked.exists() and not packed.exists() else packed, max_bytes)


def verify(data: bytes | bytearray, file: IdxFile, entry: Entry, name: str) -> bytes | bytearray:
    """Return the IDX file, unpacked where it comes as .gz; UserError, with the reason, where it is not the catalogue's."""
    packed = data.startswith(GZIP_MAGIC)
    if not packed and data[:512].lstrip().lower().startswith((b"<!doctype", b"<html")):
        raise UserError("an HTML page instead of the file: a login or proxy page?")
    unpacked = _gunzip(data, idx_size(file.shape), name) if packed else data
    check_array(parse_idx(unpacked, name), file, entry, name)
    if file.sha256:
        expected, digest = file.sha256, hashlib.sha256(unpacked).hexdigest()
    else:
        expected, digest = file.gz_sha256, hashlib.sha256(data).hexdigest()
    if digest != expected:
        raise UserError(f"{name}: wrong contents; its SHA-256 is {digest}, where {expected} is expected.")
    return unpacked


def _gunzip(data: bytes | bytearray, max_bytes: int, name: str) -> bytes:
    """Return what is in the .gz, which must be one gzip member and nothing behind it; IdxError if it is more than max_bytes."""
    gunzip = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)  # 16: a gzip header, whose file name nobody reads
    try:
        unpacked = gunzip.decompress(data, max_bytes + 1)
    except zlib.error as error:
        raise IdxError(f"{name}: damaged gzip data ({error}).") from None
    if len(unpacked) > max_bytes:
        raise IdxError(f"{name}: it unpacks to more than the {max_bytes:,} bytes expected.")
    if not gunzip.eof:
        raise IdxError(f"{name}: its gzip data are cut off.")
    if gunzip.unused_data:
        raise IdxError(f"{name}: {len(gunzip.unused_data):,} bytes follow its gzip data.")
    return unpacked
