"""What is answered for a photo: JSON's objects, lines for people, and the table that --csv writes.

No cell of the table begins with what spreadsheets take for a formula: = + - @. A path that does gets ./ before it,
which leads to the same file; other text an apostrophe. What cannot be printed is escaped, so that a row is a line.
"""

import csv
import io
import os
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from mnist_twice.errors import UserError, fault_of
from mnist_twice.files import naming
from mnist_twice.names import plain

SURE = 0.9
"""Answers with a lower probability are 'not sure'. benchmarks/photo_accuracy.py prints how many that are."""
Answer = dict[str, Any]
COLUMNS = ("path", "label", "probability", "runner_up", "sure", "error", "box", "page", "note")
HEADER = ",".join(COLUMNS).encode()
FORMULA = re.compile(r"[=+@\t\r\n\uff1d\uff0b\uff0d\uff20]|-(?!\d+$)")  # the last four: as wide as a Chinese character


def is_sure(answer: Answer) -> bool:
    """Return whether there are digits and all are sure: no person needs to look at the photo."""
    return bool(all(digit["sure"] for digit in answer["digits"]) if answer.get("digits") else answer["sure"])


def answer_for_fault(path: str, fault: str) -> Answer:
    """Return the answer for a file or folder that cannot be read."""
    return {"path": path, **describe(None, ()), "error": fault}


def describe(probabilities: NDArray[Any] | None, class_names: Sequence[str]) -> Answer:
    """Return the class, its probability, the runner-up and whether that is sure; nulls where no digit was found."""
    if probabilities is None:
        return {"label": None, "probability": None, "runner_up": None, "runner_up_probability": None, "sure": False}
    order = np.argsort(-probabilities, kind="stable")
    first, second = order[0], order[min(1, len(order) - 1)]
    return {
        "label": _value(class_names[first]),
        "probability": round(float(probabilities[first]), 4),
        "runner_up": _value(class_names[second]),
        "runner_up_probability": round(float(probabilities[second]), 4),
        "sure": bool(probabilities[first] >= SURE),
    }


def _value(class_name: str) -> int | str:
    """Return a digit as a number, any other class by its name."""
    return int(class_name) if re.fullmatch("[0-9]", class_name) else class_name


def as_text(answer: Answer) -> str:
    """Return the answer as a line for people."""
    name = plain(answer["path"]) + (f" page {answer['page']}" if answer.get("page") else "")
    if "note" in answer:
        name += f" ({answer['note']})"
    if "error" in answer:
        return f"{name}: {answer['error']}"
    if digits := answer.get("digits"):
        unsure = sum(not digit["sure"] for digit in digits)
        note = f" ({unsure} of {len(digits)} digits not sure)" if unsure else ""
        return f"{name}: {' '.join(answer['numbers'])}{note}; boxes in '{answer['boxes']}'"
    if answer["label"] is None:
        return f"{name}: no digit found"
    doubt = "" if answer["probability"] >= SURE else "not sure, perhaps "
    other = f"{answer['runner_up']}, {answer['runner_up_probability']:.1%}"
    more = ", one of several digits; --multiple reads all" if answer.get("several") else ""
    return f"{name}: {doubt}{answer['label']} ({answer['probability']:.1%}; next {other}){more}"


def print_lines(answers: Sequence[Answer]) -> None:
    """Print a line for each answer; errors go to stderr."""
    for answer in answers:
        prefix, stream = ("error: ", sys.stderr) if "error" in answer else ("", sys.stdout)
        print(f"{prefix}{as_text(answer)}", file=stream, flush=True)  # in order also where both go into one file


class Table:
    """A table that is open for writing, and the paths in it when it was opened."""

    def __init__(self, file: BinaryIO, path: Path, answered: set[str]) -> None:
        self._file, self._path, self.answered = file, path, answered

    def write(self, answers: Sequence[Answer]) -> None:
        """Add the answers' rows, all or none of them; OSError names the table."""
        before = self._file.seek(0, os.SEEK_END)
        text = io.StringIO()
        rows = [row for answer in answers for row in _rows(answer)]
        csv.writer(text, lineterminator="\n").writerows(rows if before else [COLUMNS, *rows])
        data = text.getvalue().encode()
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

    With `resume`, a last line without its end, which a kill has left, is dropped with the rows of the path before it,
    whose row it may be. Raises UserError if the table exists and is not to be resumed, is something else, is being
    written by another process, or cannot be finished.
    """
    if not resume and path.exists() and path.stat().st_size:
        raise UserError(f"'{path}' already exists; continue it with --resume, move it, or choose another --csv.")
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+b", buffering=0) as file:
        _lock(file, path)
        file.seek(0)
        length, answered = _whole_rows(file.read(), path)
        file.truncate(length)
        try:
            yield Table(file, path, answered)
            os.fsync(file.fileno())
        except OSError as error:
            so_far = f"the answers so far are in '{path}', and --resume continues them"
            raise UserError(f"{fault_of(error)}; {so_far}.") from None


def as_cell(path: str) -> str:
    """Return the path as it stands in the table."""
    return f".{os.sep}{_escape(path)}" if FORMULA.match(path) else _escape(path)


def _rows(answer: Answer) -> Iterator[list[str]]:
    """Yield the answer's rows: one for each digit of a page, one for anything else."""
    for part in answer.get("digits") or [answer]:
        found = [part["label"], part.get("probability"), part.get("runner_up"), "true" if part["sure"] else "false"]
        box = " ".join(map(str, part.get("box") or ()))
        about = [answer.get("error"), box, answer.get("page"), answer.get("note")]
        yield [as_cell(answer["path"]), *map(_text, found + about)]


def _text(value: object) -> str:
    text = "" if value is None else str(value)
    return _escape(f"'{text}" if FORMULA.match(text) else text)


def _escape(text: str) -> str:
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _whole_rows(data: bytes, path: Path) -> tuple[int, set[str]]:
    """Return how many bytes of the table are to be kept, and the paths in them."""
    if HEADER.startswith(data):
        return 0, set()
    *lines, cut = data.split(b"\n")
    try:
        table = list(csv.reader([line.decode() for line in lines], strict=True))
    except (ValueError, csv.Error):
        table = []
    if table[:1] != [list(COLUMNS)] or len(table) != len(lines) or any(len(row) != len(COLUMNS) for row in table):
        raise UserError(f"'{path}' is not a table written by --csv; choose another file.")
    paths = [row[0] for row in table[1:]]
    while cut and paths and paths[-1] == table[-1][0]:
        del paths[-1]
    return sum(len(line) + 1 for line in lines[: len(paths) + 1]), set(paths)


def _lock(file: BinaryIO, path: Path) -> None:
    """Keep other processes from writing the table until the file is closed; raises UserError if one does."""
    with suppress(ImportError, OSError):  # Windows, and some network file systems, have no such locks
        import fcntl

        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(f"another process is writing '{path}'; wait for it, or choose another --csv.") from None
