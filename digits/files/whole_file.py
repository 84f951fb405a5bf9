"""A file that appears whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from digits.files.hidden_folder import hidden_name


def write_whole(path: Path, data: bytes | str | Iterable[str]) -> None:
    """Write the file under a hidden name and rename it to `path`: who opens `path` sees the old file or the new one.

    data: bytes, or text (whole or in pieces), which is written as UTF-8. The folder is made where it is missing.
    Raises OSError, which names the file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = hidden_name(path)
    try:
        with unfinished.open("wb") as file:
            for piece in [data] if isinstance(data, bytes | str) else data:
                file.write(piece.encode() if isinstance(piece, str) else piece)
        os.replace(unfinished, path)
    except OSError as error:
        error.filename = error.filename or str(path)  # Python names no file where a disk is full
        raise
    finally:
        unfinished.unlink(missing_ok=True)
