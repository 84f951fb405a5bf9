"""Bring a dataset into the data folder: from the first mirror whose files are right, or from an installed package.

    <data_dir>/MNIST/raw/train-images-idx3-ubyte and three more      as torchvision's class MNIST expects them
    <data_dir>/mnist.npz                                             the same arrays, as Keras has them
    <data_dir>/MNIST/SHA256SUMS                                      the checksums of all

Each file appears whole and verified, or not at all; a call that was killed is continued by the next one.
"""

import gzip
import hashlib
import io
import os
import time
import zipfile
import zlib
from collections.abc import Collection
from pathlib import Path

import numpy as np
import requests
import urllib3
from tqdm import tqdm

from mnist_twice.data.catalogue import FILES, Entry
from mnist_twice.data.idx import idx_bytes, parse_idx
from mnist_twice.errors import UserError
from mnist_twice.files import MANIFEST, format_manifest, read_bytes, read_manifest, sha256_of, write_whole

REMEDIES = {407: "; put NAME:PASSWORD@ into https_proxy and http_proxy, after http://", 429: "; try again later"}
CERTIFICATES = "in a company with certificates of its own, set REQUESTS_CA_BUNDLE to the file that holds them"
GZIP_MAGIC = b"\x1f\x8b"
URL = ("http://", "https://")
CHUNK_BYTES = 65_536
CONNECT_SECONDS = 10.0
READ_SECONDS = 30.0  # without one byte
FILE_SECONDS = 900.0  # 26 MB, the largest file known here, in 15 minutes is 30 kB/s


def download_dataset(entry: Entry, data_dir: Path, mirror: str = "", force: bool = False) -> list[str]:
    """Make the dataset complete in data_dir; return the paths under it of what was missing, damaged or replaced.

    `mirror`, an address or a folder, is tried before the catalogue's. Files that are there and right are kept, unless
    `force`. Raises UserError if no mirror has what is needed.
    """
    folder, npz = data_dir / entry.folder, f"../{entry.name}.npz"
    names = [*entry.paths, npz, MANIFEST]
    try:
        (folder / "raw").mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise UserError(f"cannot create the folder '{folder}' ({error.strerror}); move what is in the way.") from None
    damaged = names if force else find_damage(entry, folder)
    if damaged:
        _bring(entry, folder, damaged, mirror)
        x_train, y_train, x_test, y_test = (parse_idx((folder / path).read_bytes()) for path in entry.paths)
        keras = io.BytesIO()
        np.savez(keras, x_train=x_train, y_train=y_train, x_test=x_test, y_test=y_test)  # Keras's names
        write_whole(_place(folder, npz), keras.getbuffer())
        sums = {name: sha256_of(_place(folder, name)) for name in names if name != MANIFEST}
        write_whole(folder / MANIFEST, format_manifest(sums))
    return [os.path.normpath(f"{entry.folder}/{name}") for name in damaged]


def download_writers(entry: Entry, data_dir: Path, mirror: str = "", force: bool = False) -> None:
    """Bring who wrote each image into the folder of a dataset that is complete, as download_dataset does.

    Raises UserError if no mirror has what is needed: the dataset is as good without.
    """
    if entry.writers is not None:
        folder, sums = data_dir / entry.folder, dict(zip(entry.writers.paths, entry.writers.sha256, strict=True))
        damaged = [path for path, digest in sums.items() if force or sha256_of(folder / path) != digest]
        if damaged:
            _bring(entry.writers, folder, damaged, mirror)


def find_damage(entry: Entry, folder: Path) -> list[str]:
    """Return the paths under the dataset's folder of what is missing or wrong; none when the dataset is complete."""
    try:
        listed = read_manifest(folder)
    except (UserError, OSError):
        listed = {}
    known = dict(zip(entry.paths, entry.sha256, strict=False))
    names = (*entry.paths, f"../{entry.name}.npz")
    expected = {name: known.get(name) or listed.get(name) for name in names}
    damaged = [name for name in names if sha256_of(_place(folder, name)) != expected[name]]
    return damaged + [MANIFEST] * (listed != expected)


def verify(data: bytes | bytearray, entry: Entry, number: int) -> bytes | bytearray:
    """Return the entry's file of that number, unpacked; raises UserError, with the reason, if the data are not it.

    data: the .gz, or what was in it.
    """
    name = entry.files[number]
    if not data.startswith(GZIP_MAGIC):
        if b"<html" in data[:1024].lower():
            raise UserError("a web page instead of the file: log in with a browser if the network asks for that")
        if data.startswith(b"version https://git-lfs"):
            raise UserError(f"{name}: a pointer of Git LFS; run 'git lfs pull' where the mirror's files are")
        if not data.startswith(b"\0\0"):  # as IDX files do
            raise UserError(f"{name}: something else instead of the file; it begins with {bytes(data[:40])!r}")
        if not entry.sha256:
            raise UserError(f"{name}: cannot be verified when unpacked, because only the SHA-256 of its .gz is known.")
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
        raise UserError(f"{name}: wrong contents; its SHA-256 is {digest} instead of {expected}.")
    return unpacked


def _place(folder: Path, name: str) -> Path:
    """Return where the file is: ../mnist.npz is beside the folder, even where that is a link to another place."""
    return Path(os.path.normpath(folder / name))


def _bring(entry: Entry, folder: Path, damaged: Collection[str], mirror: str) -> None:
    """Write those of the entry's files that are damaged. Raises UserError if the mirror is no address and no folder."""
    if entry.embedded:
        for number, array in enumerate(entry.embedded()):
            write_whole(folder / entry.paths[number], verify(idx_bytes(array), entry, number))
        return
    sources = list(entry.mirrors)
    if mirror:
        if not mirror.startswith(URL) and not (Path(mirror).is_dir() or mirror.endswith(".npz")):
            raise UserError(f"the mirror '{mirror}' is neither a folder nor an address with http:// or https://.")
        base = mirror.rstrip("/")
        sources = [f"{base}/{entry.name}/", f"{base}/", *sources]
    for number, path in enumerate(entry.paths):
        if path in damaged:
            write_whole(folder / path, _from_sources(entry, number, sources))


def _from_sources(entry: Entry, number: int, sources: list[str]) -> bytes | bytearray:
    """Return the file from the first source that has it; those that fail are tried last for the next file."""
    failures = []
    for source in list(sources):
        try:
            return verify(_read(source, entry, entry.files[number]), entry, number)
        except (UserError, OSError) as error:
            failures.append(f"\n  {source}: {error}")
            sources.append(sources.pop(sources.index(source)))
    instead = ", or take --dataset mnist-sample, which needs no network" if entry.files == FILES else ""
    raise UserError(
        f"{entry.name} was not downloaded, because no mirror has the right {entry.files[number]}.gz:"
        f"{''.join(failures)}\nGive the address or folder of a copy with --mirror{instead}."
    )


def _read(source: str, entry: Entry, file: str) -> bytes | bytearray:
    """Return the file's bytes from a source, packed or not, still unverified."""
    max_bytes = entry.max_bytes + 65_536  # where nothing can be squeezed out, packed is a little larger
    if source.startswith(URL):
        return _fetch(f"{source}{file}.gz", max_bytes)
    folder, dotted = Path(source), file.replace("-idx", ".idx")  # as some unpackers call it
    places = [folder / name for name in (f"{file}.gz", file, f"{dotted}.gz", dotted)]
    for keras in (folder / f"{entry.name}.npz", folder):
        if keras.is_file() and entry.files == FILES and not any(place.exists() for place in places):
            return _from_keras(keras, FILES.index(file))
    return read_bytes(next((place for place in places if place.exists()), places[0]), max_bytes)


def _from_keras(path: Path, number: int) -> bytes:
    """Return the IDX file of that number from an archive of Keras's, still unverified."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return idx_bytes(arrays[("x_train", "y_train", "x_test", "y_test")[number]].astype(np.uint8))
    except (ValueError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        raise UserError(f"'{path}' is not Keras's mnist.npz ({error}).") from None


def _fetch(url: str, max_bytes: int) -> bytes:
    """Return the at most max_bytes that the address gives; UserError with the reason if it fails.

    requests bounds neither the bytes nor the whole time: its time-outs are per read, which a server that drips bytes
    never exceeds.
    """
    end = time.monotonic() + FILE_SECONDS
    name = url.rsplit("/", 1)[-1]
    data = bytearray()
    try:
        with (
            tqdm(desc=name, unit="B", unit_scale=True, leave=False, disable=None) as bar,
            requests.get(
                url, headers={"Accept-Encoding": "identity"}, timeout=(CONNECT_SECONDS, READ_SECONDS), stream=True
            ) as response,
        ):
            if response.status_code != 200:
                remedy = REMEDIES.get(response.status_code, "")
                raise UserError(f"HTTP status {response.status_code} {response.reason or ''}".rstrip() + remedy)
            length = response.headers.get("Content-Length", "")
            bar.total = int(length) if length.isdigit() else None
            if (bar.total or 0) > max_bytes:
                raise UserError(f"{bar.total:,} bytes offered, instead of at most {max_bytes:,}")
            # read1, because read would wait for a whole chunk; undecoded, because the file is a .gz to begin with.
            while chunk := response.raw.read1(CHUNK_BYTES, decode_content=False):
                data += chunk
                bar.update(len(chunk))
                if len(data) > max_bytes:
                    raise UserError(f"more than the {max_bytes:,} bytes expected")
                if time.monotonic() > end:
                    raise UserError(f"not complete after {FILE_SECONDS:g} s")
    except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError) as error:
        raise UserError(_reason(error, len(data))) from error
    return bytes(data)


def _reason(error: Exception, received: int) -> str:
    """Say in a few words what the libraries say in many."""
    text = f"{type(error).__name__}: {error}"  # which quotes the errors underneath by their names
    for words, reason in (
        ("NameResolutionError", "the host's name could not be resolved (no network?)"),
        ("Connection refused", "connection refused"),
        ("IncompleteRead", f"cut off after {received:,} bytes"),
        ("407 ", f"the proxy asks for a password{REMEDIES[407]}"),
        ("ProxyError", "the proxy does not answer as a proxy; fix or unset https_proxy"),
        ("SSLError", f"the host's certificate could not be verified; {CERTIFICATES}"),
        ("ConnectTimeout", f"no connection within {CONNECT_SECONDS:g} s"),
        ("ReadTimeout", f"no data for {READ_SECONDS:g} s, after {received:,} bytes"),
        ("Connection", "the connection broke off"),
    ):
        if words in text:
            return reason
    return text
