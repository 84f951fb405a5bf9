"""The two files of a run that are text: run.json and history.csv. What is read may be damaged or forged."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from pydantic_core import from_json

from digits.errors import UserError
from digits.files import write_file
from digits.files.npy import read_bytes
from digits.runs.checks import ARRAYS
from digits.runs.schema import RunInfo, check_info

TRAINED = {"epoch", "train_loss", "train_accuracy"}
VALIDATED = {"validation_loss", "validation_accuracy"}
"""Columns of history.csv; the latter only where images were held out."""
LARGEST_INFO = 1 << 20
LARGEST_HISTORY = 16 << 20
"""Bytes of run.json and of history.csv. They take a few kB."""


def read_info(file: Path) -> RunInfo:
    """Return what run.json holds, as run_schema has it; UserError where it is something else."""
    data = read_bytes(file, LARGEST_INFO)
    try:
        # Unlike json.loads it refuses NaN, and half a character (\ud800), which no file can be written with.
        info = from_json(data, allow_inf_nan=False)
    except ValueError as error:
        refuse(file, f"is not JSON ({error})")
    try:
        return check_info(info)
    except ValueError as error:
        refuse(file, str(error))


def listed_files(path: Path, info: RunInfo) -> list[str]:
    """Return the names of the files that the run in `path` lists; UserError where one is missing or lies outside."""
    files = info.get("files")
    if files is None:
        refuse(path / "run.json", "has no 'files' with the hash of each: it was not finished")
    for name in (*ARRAYS, "history.csv"):
        if name not in files:
            refuse(path / "run.json", f"does not list '{name}' under 'files'")
    for name in files:
        # A forged name must not have us read (and so tell of) files outside the run.
        if Path(name).is_absolute() or ".." in Path(name).parts or "\0" in name:
            refuse(path / "run.json", f"lists '{name[:80]!r}', which is not in the run's folder")
    return list(files)


def read_history(file: Path) -> list[dict[str, float]]:
    """Return the rows of history.csv: none for a run that was not trained, an ensemble.

    Every number is finite, every row has the columns of TRAINED, and all rows those of VALIDATED or none of them.
    """
    try:
        table = csv.DictReader(io.StringIO(read_bytes(file, LARGEST_HISTORY).decode("utf-8")), strict=True)
        rows = [{key: float(value) for key, value in row.items()} for row in table]
    except (ValueError, TypeError, csv.Error) as error:
        refuse(file, f"is not a table of numbers ({error})")
    wanted = TRAINED | VALIDATED if rows and VALIDATED & rows[0].keys() else TRAINED
    for number, row in enumerate(rows, start=1):
        if missing := sorted(wanted - row.keys()):
            refuse(file, f"lacks the column '{missing[0]}'")
        if not all(map(math.isfinite, row.values())):
            refuse(file, f"has a number that is not finite in row {number}")
        if row["epoch"] != number:
            refuse(file, f"has epoch {row['epoch']:g} in row {number}, where epochs count from 1")
    return rows


def write_history(file: Path, rows: Sequence[Mapping[str, float]]) -> None:
    """Write the rows, all with the keys of the first one."""
    stream = io.StringIO(newline="")
    writer = csv.DictWriter(stream, fieldnames=list(rows[0]) if rows else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_file(file, stream.getvalue().encode())


def format_info(info: Mapping[str, Any]) -> bytes:
    """Return run.json. UserError where a number is not finite (the training diverged), ValueError as check_info."""
    try:
        text = json.dumps(info, indent=2, ensure_ascii=False, allow_nan=False)
    except ValueError as error:
        raise UserError("the training diverged: a loss is not finite; lower --learning-rate and run again.") from error
    check_info(info)
    # The command names folders, of which Linux takes any bytes.
    return f"{text}\n".encode(errors="replace")


def refuse(file: Path, what: str) -> NoReturn:
    """Raise the UserError that says what is wrong with the file."""
    raise UserError(f"'{file}' {what}.")
