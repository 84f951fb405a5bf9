"""SHA256SUMS: which files belong to a dataset's folder, and their checksums. `sha256sum -c SHA256SUMS` reads it too."""

import hashlib
import os
import re
from collections.abc import Mapping
from pathlib import Path

from digits.errors import UserError
from digits.files.reading import read_bytes

MANIFEST = "SHA256SUMS"
LINE = re.compile(r"([0-9a-f]{64}) [ *]([^\x00-\x1f\\]+)")
MAX_BYTES = 65_536  # some hundred lines; ours has five


def read_manifest(folder: Path) -> dict[str, str]:
    """Return the SHA-256 (hexadecimal) of each file, by its path under the folder. UserError if missing or garbled."""
    path = folder / MANIFEST
    try:
        return parse_manifest(read_bytes(path, MAX_BYTES).decode())
    except ValueError:  # of which UnicodeDecodeError is one kind
        raise UserError(f"'{path}' is not a list of SHA-256 checksums.") from None


def parse_manifest(text: str) -> dict[str, str]:
    """Return the checksums by file name; ValueError where a line is anything but a checksum and a name."""
    sums: dict[str, str] = {}
    for line in text.removesuffix("\n").split("\n"):
        match = LINE.fullmatch(line)
        if match is None:
            raise ValueError(f"not a checksum and a file name: {line!r}")
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
