"""The table of answers that --csv writes: a row for each photo, or for each digit with boxes; resumed after a kill.

A cell never begins with what spreadsheets take for a formula: = + - @. A path that does gets ./ before it, which leads
to the same file; other text gets an apostrophe.
"""

import csv
import hashlib
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np

from digits.errors import UserError
from digits.files import flush, naming
from digits.inference.answers import Answer

COLUMNS = ("path", "digit", "probability", "runner_up", "sure", "error", "box", "page", "note")
FORMULA = re.compile(r"[=+@\t\r\n\uff1d\uff0b\uff0d\uff20]|-(?!\d+$)")  # the last four: as wide as a Chinese character
UNQUOTED = re.compile(r"[\w ./:-]*")
LONGEST_ROW = 1 << 18  # bytes; a path has a few thousand at most
DIGEST = 16
"""Bytes kept for each path that the table has: for a million of them, 16 MB."""


class Table:
    """A table that is open for writing, and which paths it had before."""

    def __init__(self, file: BinaryIO, path: Path, answered: bytearray) -> None:
        self._file, self._path = file, path
        self._answered = np.sort(np.frombuffer(answered, f"S{DIGEST}"))

    def has(self, path: str) -> bool:
        """Return whether the table had the answer for this path when it was opened."""
        if not len(self._answered):
            return False
        digest = np.frombuffer(_digest(as_cell(path)), self._answered.dtype)[0]
        place = int(np.searchsorted(self._answered, digest))
        return place < len(self._answered) and bool(self._answered[place] == digest)

    def __len__(self) -> int:
        """Return how many paths the table had when it was opened."""
        return len(self._answered)

    def write(self, answers: Sequence[Answer]) -> None:
        """Add the answers' rows, all or none of them; OSError names the table."""
        data = "".join(row for answer in answers for row in rows(answer)).encode()
        before = self._file.tell()
        try:
            with naming(self._path):
                while data:  # a write may be cut short, by a disk that is nearly full
                    data = data[self._file.write(data) :]
        except OSError:
            self._file.truncate(before)
            raise


@contextmanager
def writing_table(path: Path, resume: bool) -> Iterator[Table]:
    """Yield the table at `path`, a new one unless `resume`; rows are on their way to the disk when write() returns.

    With `resume`, the last path's rows are taken out, since a kill may have come between them. UserError where the
    table exists and is not to be resumed, is something else, or is being written by another process. When the block
    fails, a new table without rows is deleted; where there are some, an OSError becomes a UserError that says so.
    """
    is_new = not os.path.lexists(path)
    if os.path.lexists(path) and not resume:
        raise UserError(f"'{path}' already exists; continue it with --resume, move it, or choose another --csv.")
    if os.path.lexists(path) and not path.is_file():
        raise UserError(f"'{path}' is not a regular file; choose another --csv.")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise UserError(f"'{path.parent}' is not a folder; choose another --csv.") from None
    header = (",".join(COLUMNS) + "\n").encode()
    try:
        with open(os.open(path, os.O_RDWR | os.O_CREAT, 0o666), "r+b", buffering=0) as file:
            _lock(file, path)
            answered = bytearray()
            end = 0
            if not header.startswith(_beginning(file, len(header))):
                raise UserError(f"'{path}' is not a table that --csv has written; choose another one.")
            if file.seek(0, os.SEEK_END) >= len(header):
                end = _read_rows(file, path, len(header), answered)
            file.truncate(end)
            file.seek(end)
            if end == 0:
                with naming(path):
                    file.write(header)
            yield Table(file, path, answered)
        flush(path)
    except BaseException as error:
        if is_new and path.is_file() and path.stat().st_size <= len(header):
            path.unlink()
        elif isinstance(error, OSError) and path.is_file() and path.stat().st_size > len(header):
            fault = f"{error.strerror or error}{f' ({error.filename})' if error.filename else ''}"
            advice = "free the space or fix the permission, then continue with --resume"
            raise UserError(f"{fault}; the answers so far are in '{path}': {advice}.") from None
        raise


def rows(answer: Answer) -> list[str]:
    """Return the answer's rows: one for each digit of a page, one for anything else."""
    return [
        ",".join(
            [
                _quoted(as_cell(answer["path"])),
                _text(part["digit"]),
                _text(part["probability"]),
                _text(part["runner_up"]),
                "true" if part["sure"] else "false",
                _text(answer.get("error")),
                " ".join(map(str, part.get("box") or ())),
                _text(answer.get("page")),
                _text(answer.get("note")),
            ]
        )
        + "\n"
        for part in answer.get("digits") or [answer]
    ]


def as_cell(path: str) -> str:
    r"""Return the path as it stands in the table: no two paths are written alike.

    A byte of it that is not UTF-8 is written \xff. In a path with such a byte, or with a backslash and x of its own,
    each backslash is written twice.
    """
    if re.search(r"[\ud800-\udfff]", path) or (os.sep == "/" and "\\x" in path):
        path = os.fsencode(path.replace("\\", "\\\\")).decode(errors="backslashreplace")
    return f".{os.sep}{path}" if FORMULA.match(path) else path


def _text(value: object) -> str:
    text = "" if value is None else str(value)
    return _quoted(f"'{text}" if FORMULA.match(text) else text)


def _quoted(text: str) -> str:
    """Return the cell's text, quoted where a reader in any country may take a character for the end of the cell."""
    return text if UNQUOTED.fullmatch(text) else '"' + text.replace('"', '""') + '"'


def _read_rows(file: BinaryIO, path: Path, start: int, answered: bytearray) -> int:
    """Add the digest of each path in the table's whole rows to `answered`, and return where those of the last begin."""
    file.seek(start)
    end = start  # of the rows read
    last, last_start = b"", start
    row = b""
    with open(file.fileno(), "rb", closefd=False) as lines:
        lines.seek(start)
        for line in lines:
            row += line
            if (row.count(b'"') % 2 or not row.endswith(b"\n")) and len(row) <= LONGEST_ROW:
                continue  # the line ends within a quoted cell, or is the last one and was cut
            try:
                (cells,) = csv.reader([row.decode()], strict=True)
            except (ValueError, csv.Error):
                cells = []
            if len(cells) != len(COLUMNS) or len(row) > LONGEST_ROW:
                raise UserError(f"'{path}' has a damaged row after byte {end:,}; repair it, or begin another --csv.")
            digest = _digest(cells[0])
            if digest != last:
                answered += last
                last, last_start = digest, end
            end += len(row)
            row = b""
    return last_start


def _digest(cell: str) -> bytes:
    return hashlib.blake2b(cell.encode(), digest_size=DIGEST).digest()


def _beginning(file: BinaryIO, size: int) -> bytes:
    file.seek(0)
    return file.read(size)


def _lock(file: BinaryIO, path: Path) -> None:
    """Keep other processes from writing the table until the file is closed; UserError where one does."""
    try:
        import fcntl
    except ImportError:  # Windows
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise UserError(
            f"'{path}' is being written by another process; wait for it, or choose another --csv."
        ) from None
    except OSError:  # some network file systems have none
        return
