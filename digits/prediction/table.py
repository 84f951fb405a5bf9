"""The table of answers that --csv writes: a row for each photo, or for each digit with boxes; --resume continues it.

A cell never begins with what spreadsheets take for a formula: = + - @. A path that does gets ./ before it, which leads
to the same file; other text gets an apostrophe. Characters that cannot be printed are escaped, so that each row is one
line.
"""

import csv
import io
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from digits.errors import UserError
from digits.files import flush, naming
from digits.prediction.answers import Answer

COLUMNS = ("path", "digit", "probability", "runner_up", "sure", "error", "box", "page", "note")
FORMULA = re.compile(r"[=+@\t\r\n\uff1d\uff0b\uff0d\uff20]|-(?!\d+$)")  # the last four: as wide as a Chinese character
HEADER = ",".join(COLUMNS)


class Table:
    """A table that is open for writing, and which paths it had before."""

    def __init__(self, file: BinaryIO, path: Path, answered: set[str]) -> None:
        self._file, self._path, self._answered = file, path, answered

    def has(self, path: str) -> bool:
        """Return whether the table had the answer for this path when it was opened."""
        return as_cell(path) in self._answered

    def __len__(self) -> int:
        """Return how many paths the table had when it was opened."""
        return len(self._answered)

    def write(self, answers: Sequence[Answer]) -> None:
        """Add the answers' rows, all or none of them; OSError names the table."""
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(row for answer in answers for row in rows(answer))
        data = text.getvalue().encode()
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

    With `resume`, a last line without its end, which a kill has left, is taken out with the rows of the path before it,
    whose row it may be. UserError where the
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
    header = f"{HEADER}\n".encode()
    try:
        with open(os.open(path, os.O_RDWR | os.O_CREAT, 0o666), "r+b", buffering=0) as file:
            _lock(file, path)
            kept, answered = _whole_rows(file.read(), path)
            file.truncate(len(kept))
            file.seek(len(kept))
            if not kept:
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


def rows(answer: Answer) -> list[list[str]]:
    """Return the answer's rows: one for each digit of a page, one for anything else."""
    return [
        [
            as_cell(answer["path"]),
            _text(part["digit"]),
            _text(part["probability"]),
            _text(part["runner_up"]),
            "true" if part["sure"] else "false",
            _text(answer.get("error")),
            " ".join(map(str, part.get("box") or ())),
            _text(answer.get("page")),
            _text(answer.get("note")),
        ]
        for part in answer.get("digits") or [answer]
    ]


def as_cell(path: str) -> str:
    """Return the path as it stands in the table."""
    return f".{os.sep}{_escape(path)}" if FORMULA.match(path) else _escape(path)


def _text(value: object) -> str:
    text = "" if value is None else str(value)
    return _escape(f"'{text}" if FORMULA.match(text) else text)


def _escape(text: str) -> str:
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _whole_rows(data: bytes, path: Path) -> tuple[bytes, set[str]]:
    """Return the table without what a kill has left of its last row, and the paths that it has."""
    whole, cut = data[: data.rfind(b"\n") + 1], data[data.rfind(b"\n") + 1 :]
    if not whole and HEADER.encode().startswith(cut):
        return b"", set()
    try:
        lines = whole.decode().split("\n")[:-1]
        table = list(csv.reader(lines, strict=True))
    except (ValueError, csv.Error):
        raise UserError(f"'{path}' is not a table that --csv has written; choose another one.") from None
    if lines[:1] != [HEADER] or len(table) != len(lines) or any(len(row) != len(COLUMNS) for row in table):
        raise UserError(f"'{path}' is not a table that --csv has written; choose another one.")
    del table[0]
    if cut and table:
        last = table[-1][0]
        while table and table[-1][0] == last:
            del table[-1]
    kept = "".join(f"{line}\n" for line in lines[: len(table) + 1])
    return kept.encode(), {row[0] for row in table}


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
