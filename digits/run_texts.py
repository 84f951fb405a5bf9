"""The two files of a run that are text: run.json and history.csv. What is read may be damaged or forged."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from digits.errors import UserError
from digits.npy import read_bytes
from digits.run_checks import ARRAYS, fault_in_info
from digits.writing import write_file

LARGEST_TEXT = 16 << 20
"""Bytes of run.json and of history.csv. They take a few kB."""


def read_info(file: Path) -> dict[str, Any]:
    """Return what run.json holds, every key that readers use of the right kind; else UserError."""
    try:
        info = json.loads(read_bytes(file, LARGEST_TEXT).decode("utf-8"), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        refuse(file, f"is not JSON ({error})")
    if not isinstance(info, dict):
        refuse(file, "is not a JSON object")
    fault = fault_in_info(info)
    if fault:
        refuse(file, fault[1])
    return info


def listed_files(path: Path, info: dict[str, Any]) -> list[str]:
    """Return the names of the files that the run in `path` lists; UserError where one is missing or lies outside."""
    files = info.get("files")
    if not isinstance(files, dict):
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
    """Return the rows of history.csv: none for a run that was not trained, an ensemble."""
    try:
        rows = csv.DictReader(io.StringIO(read_bytes(file, LARGEST_TEXT).decode("utf-8")), strict=True)
        return [{key: float(value) for key, value in row.items()} for row in rows]
    except (ValueError, TypeError, csv.Error) as error:
        refuse(file, f"is not a table of numbers ({error})")


def write_history(file: Path, rows: Sequence[Mapping[str, float]]) -> None:
    """Write the rows, all with the keys of the first one."""
    stream = io.StringIO(newline="")
    writer = csv.DictWriter(stream, fieldnames=list(rows[0]) if rows else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_file(file, stream.getvalue().encode())


def write_json(file: Path, info: Mapping[str, Any]) -> None:
    """Write run.json. Raises UserError where a number is not finite: the training diverged."""
    try:
        text = json.dumps(info, indent=2, ensure_ascii=False, allow_nan=False)
    except ValueError as error:
        raise UserError("the training diverged: a loss is not finite; lower --learning-rate and run again.") from error
    write_file(file, f"{text}\n".encode())


def refuse(file: Path, what: str) -> NoReturn:
    """Raise the UserError that says what is wrong with the file."""
    raise UserError(f"'{file}' {what}.")


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")
