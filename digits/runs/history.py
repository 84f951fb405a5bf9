"""history.csv: a row for each epoch, of which every value is a finite number."""

import csv
import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from digits.errors import UserError
from digits.files import read_bytes, write_file

HISTORY = "history.csv"
TRAINED = {"epoch", "train_loss", "train_accuracy"}
VALIDATED = {"validation_loss", "validation_accuracy"}
"""Columns that every row has; the latter only where images were held out."""
LARGEST = 16 << 20  # bytes; 20 epochs take 2 kB


def read_history(file: Path) -> list[dict[str, float]]:
    """Return the rows, none for a run that was not trained (an ensemble).

    UserError where the file is no table of finite numbers, lacks a column, or its epochs do not count from 1.
    """
    try:
        table = csv.DictReader(io.StringIO(read_bytes(file, LARGEST).decode("utf-8")), strict=True)
        rows = [{key: float(value) for key, value in row.items()} for row in table]
    except (ValueError, TypeError, csv.Error) as error:
        raise UserError(f"'{file}' is not a table of numbers ({error}).") from None
    wanted = TRAINED | VALIDATED if rows and VALIDATED & rows[0].keys() else TRAINED
    for number, row in enumerate(rows, start=1):
        if missing := sorted(wanted - row.keys()):
            raise UserError(f"'{file}' lacks the column '{missing[0]}'.")
        if not _is_finite(row):
            raise UserError(f"'{file}' has a number that is not finite in row {number}.")
        if row["epoch"] != number:
            raise UserError(f"'{file}' has epoch {row['epoch']:g} in row {number}, where epochs count from 1.")
    return rows


def write_history(file: Path, rows: Sequence[Mapping[str, float]]) -> None:
    """Write the rows, all with the keys of the first one. UserError where a number is not finite."""
    if not all(map(_is_finite, rows)):
        raise UserError("the training diverged: its history is not finite; lower --learning-rate and run again.")
    stream = io.StringIO(newline="")
    writer = csv.DictWriter(stream, fieldnames=list(rows[0]) if rows else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_file(file, stream.getvalue().encode())


def _is_finite(row: Mapping[str, float]) -> bool:
    return all(map(math.isfinite, row.values()))
