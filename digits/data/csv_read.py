"""Datasets from the usual CSV tables, a label and 784 pixels in each row: any number of rows, every bad one named."""

import csv
import hashlib
import os
import re
import tempfile
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from digits.data.form import Changes, Look, is_id, numbered, warnings
from digits.data.idx import idx_header
from digits.data.own import FROM_CSV, check_name, write_own_pieces
from digits.data.split import split_indices
from digits.errors import UserError
from digits.files import naming
from digits.names import plain

SIDE = 28
COLUMNS = 1 + SIDE * SIDE
TEST_FRACTION = 1 / 7  # of a table that is not split: MNIST's own share of test images
LONGEST_LINE = 65_536  # bytes; a row of quoted decimals has 10,000
BATCH = 1_000  # rows that are parsed together
MOST_FAULTS = 100
"""Bad rows that are named; a table with more of them is something else, and not read further."""
VALUE = re.compile(r"\s*0*([0-9]{1,3})(\.0*)?\s*")
DECIMAL = re.compile(r"\s*([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?\s*")
NUMBERED = " (its first column seems to number the rows, where it must hold their labels)"
PIXEL = re.compile(r"pixel_?\d+|p\d+|\d+x\d+")
NUMBER = re.compile(r"[\s\d.+-]*([eE][+-]?\d+)?\s*", re.ASCII)
UNLABELLED = (
    "as in Kaggle's test.csv, which is for predictions. A dataset needs each image's label in the first column; "
    "without a table TEST, one in seven rows of TRAIN is for testing."
)
KINDS = {b"PK": "a zip archive", b"\x1f\x8b": "a gzip archive", b"\xff\xfe": "UTF-16 text", b"\xfe\xff": "UTF-16 text"}


class Imported(NamedTuple):
    """What became of the table(s)."""

    folder: Path
    sizes: tuple[int, int]  # training and test images
    class_names: tuple[str, ...]
    leaks: int  # test images that are training images too
    warnings: list[str]  # what the images or labels seem to have wrong


@dataclass
class _Rows:
    """A table's rows: images in a file on the disk, one after the other, labels and checksums in memory."""

    images: IO[bytes]
    changes: Changes
    look: Look = field(default_factory=Look)
    labels: bytearray = field(default_factory=bytearray)
    checksums: "array[int]" = field(default_factory=lambda: array("Q"))

    def add(self, values: NDArray[np.uint8] | NDArray[np.float64]) -> None:
        labels = values[:, 0].astype(np.uint8)
        images = self.changes.apply(values[:, 1:].reshape(-1, SIDE, SIDE))
        self.look.add(images, labels)
        self.labels += labels.tobytes()
        for image in images:
            data = image.tobytes()
            self.images.write(data)
            self.checksums.append(int.from_bytes(hashlib.blake2b(data, digest_size=8).digest()))

    def pieces(self, chosen: NDArray[np.int64]) -> Iterator[bytes]:
        """Yield the IDX file of the chosen images, whose numbers ascend, in pieces."""
        yield idx_header((len(chosen), SIDE, SIDE))
        for start in range(0, len(self.labels), BATCH):
            self.images.seek(start * SIDE * SIDE)
            block = np.frombuffer(self.images.read(BATCH * SIDE * SIDE), np.uint8).reshape(-1, SIDE * SIDE)
            first, last = np.searchsorted(chosen, [start, start + BATCH])
            yield block[chosen[first:last] - start].tobytes()


def import_csv(
    name: str,
    train: Path,
    test: Path | None,
    data_dir: Path,
    report: Callable[[str], None],
    changes: Changes = Changes(),  # noqa: B008 (frozen)
) -> Imported:
    """Make the dataset of the table(s), and say what became of it.

    Without `test`, one in seven rows is for testing, of each class the same share. Labels are whole numbers from 0 to
    255, and the classes' names. `report` receives a sentence on each bad row; where there is one, nothing is written
    and UserError raised.
    """
    check_name(name, data_dir)
    data_dir.mkdir(parents=True, exist_ok=True)
    # Beside the dataset, where there must be room for it; the system deletes them however this process ends.
    with (
        naming(data_dir),
        tempfile.TemporaryFile(dir=data_dir) as first,
        tempfile.TemporaryFile(dir=data_dir) as second,
    ):
        given = [(path, file) for path, file in ((train, first), (test, second)) if path]
        tables = [_read(path, _Rows(file, changes), report) for path, file in given]
        labels = [np.frombuffer(rows.labels, np.uint8) for rows in tables]
        classes = np.unique(labels[0])
        if len(classes) < 2:
            raise UserError(
                f"'{train}' has images of one class only, where 2 or more are expected; labels are read from the first "
                "column."
            )
        if strange := set(labels[-1].tolist()) - set(classes.tolist()):
            hint = NUMBERED * numbered(labels[-1])
            raise UserError(f"'{test}' has the label {min(strange)}, of which '{train}' has no image{hint}.")
        if test is None:
            chosen = split_indices(labels[0], TEST_FRACTION, seed=0)
            if not len(chosen[1]):
                hint = NUMBERED * numbered(labels[0])
                raise UserError(f"'{train}' has too few rows of each label to be split; add some{hint}.")
        else:
            chosen = np.arange(len(labels[0])), np.arange(len(labels[1]))
        parts = list(zip((tables[0], tables[-1]), chosen, strict=True))
        files = []
        for rows, indices in parts:
            numbers = np.searchsorted(classes, np.frombuffer(rows.labels, np.uint8)[indices]).astype(np.uint8)
            files += [rows.pieces(indices), iter([idx_header(numbers.shape), numbers.tobytes()])]
        class_names = tuple(map(str, classes.tolist()))
        sizes = len(chosen[0]), len(chosen[1])
        made_by = f"{FROM_CSV}{' TEST' if test else ''}{changes}"
        folder = write_own_pieces(name, files, sizes, class_names, data_dir, made_by)
        sums = [np.frombuffer(rows.checksums, np.uint64)[indices] for rows, indices in parts]
        found = [
            f"'{path}' has {len(np.unique(column))} different labels in {len(column)} rows{NUMBERED}."
            for (path, _), column in zip(given, labels, strict=True)
            if (numbered(column) if path == train else len(column) > 2 and (np.diff(column) == 1).all())
        ]
        found += warnings(tables[0].look, tables[-1].look, list(map(str, range(256))), changes)
        return Imported(folder, sizes, class_names, int(np.isin(sums[1], sums[0]).sum()), found)


def _read(path: Path, rows: _Rows, report: Callable[[str], None]) -> _Rows:
    """Add all rows of the table; UserError where one is bad, or the file is something else."""
    if not os.path.isfile(path):
        raise UserError(f"'{path}' is {'not a regular file' if os.path.lexists(path) else 'missing'}.")
    faults = 0
    with (
        path.open("rb") as file,
        tqdm(
            total=path.stat().st_size, unit="B", unit_scale=True, desc=path.name, disable=None, leave=False, ncols=100
        ) as bar,
    ):
        for batch in _batches(_lines(file, path)):
            values, bad = _parse(batch, rows.changes.scale)
            rows.add(values)
            for number, fault in bad:
                report(f"'{path}', line {number}: {fault}.")
                faults += 1
                if faults == MOST_FAULTS:
                    hint = NUMBERED * numbered(np.frombuffer(rows.labels, np.uint8))
                    raise UserError(f"'{path}' has {faults} bad rows so far and was not read further; repair it{hint}.")
            bar.update(sum(len(line) for _, line in batch))
    if faults:
        raise UserError(f"'{path}' has {faults} bad row{'s' * (faults > 1)}; repair or remove what is named above.")
    if not rows.labels:
        raise UserError(f"'{path}' has no rows of a label and {COLUMNS - 1} pixels.")
    return rows


def _lines(file: IO[bytes], path: Path) -> Iterator[tuple[int, bytes]]:
    """Yield each row's line number and bytes, no header, no empty lines; UserError where it is no such table."""
    is_first = True
    for number, line in enumerate(iter(lambda: file.readline(LONGEST_LINE), b""), start=1):
        if number == 1:
            if kind := next((kind for start, kind in KINDS.items() if line.startswith(start)), None):
                raise UserError(f"'{path}' is {kind}; give a CSV file in UTF-8.")
            line = line.removeprefix(b"\xef\xbb\xbf")
        if len(line) >= LONGEST_LINE - 3:  # the mark before UTF-8, which may have gone, has three bytes
            raise UserError(f"'{path}', line {number}: it is longer than {COLUMNS} numbers can be; is it a CSV file?")
        line = line.strip(b"\r\n")
        if line:
            if not (is_first and _is_header(line, path)):
                yield number, line
            is_first = False


def _is_header(line: bytes, path: Path) -> bool:
    """Return whether the first line has names instead of numbers; UserError where no labels come first."""
    try:
        (cells,) = csv.reader([line.decode()])
    except (ValueError, csv.Error):  # the row's fault, to be named with the others
        return False
    if len(cells) == COLUMNS - 1:
        raise UserError(f"'{path}' has {COLUMNS - 1} columns: pixels without a label, {UNLABELLED}")
    names = [not NUMBER.fullmatch(cell) for cell in cells[:2]]
    if names == [False, True] and not cells[0]:  # pandas writes its index without a name
        names[0] = True
    if names[0] and PIXEL.fullmatch(cells[0].strip().lower()):
        raise UserError(
            f"'{path}' has '{plain(cells[0])}' as its first column, where the label must be; move it there."
        )
    if names[0] and is_id(cells[0]):
        name = f"'{plain(cells[0])}'" if cells[0].strip() else "a column without a name"
        column = f"'{path}' begins with {name}, which numbers the rows"
        if len(cells) == COLUMNS:
            raise UserError(f"{column}, and has {COLUMNS - 1} pixels without a label, {UNLABELLED}")
        raise UserError(f"{column}; remove that column, since the label must come first.")
    return names[0]


def _batches(lines: Iterator[tuple[int, bytes]]) -> Iterator[list[tuple[int, bytes]]]:
    batch = []
    for line in lines:
        batch.append(line)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _parse(
    batch: list[tuple[int, bytes]], scale: float | None = None
) -> tuple[NDArray[np.uint8] | NDArray[np.float64], list[tuple[int, str]]]:
    """Return the good rows, (N, 785), and the line number and fault of each bad one.

    They are uint8, or with a scale, which pixels may reach and of which they may be fractions, float64.
    """
    allowed = b"0123456789," if scale is None else b"0123456789,.eE+-"
    if all(_is_plain(line, allowed) for _, line in batch):  # nearly always; ten times as fast
        values = _read_plain(batch, scale)
        if values is not None:
            return values, []
    good, bad = [], []
    for number, line in batch:
        row = _parse_row(line, scale)
        if isinstance(row, str):
            bad.append((number, row))
        else:
            good.append(row)
    values = np.array(good, np.float64).reshape(-1, COLUMNS)
    return values.astype(np.uint8) if scale is None else values, bad


def _is_plain(line: bytes, allowed: bytes) -> bool:
    """Return whether the line has 785 cells of these bytes, none of them empty."""
    return (
        line.count(b",") == COLUMNS - 1
        and not line.translate(None, allowed)
        and b",," not in line
        and line[:1] != b","
        and line[-1:] != b","
    )


def _read_plain(batch: list[tuple[int, bytes]], scale: float | None) -> NDArray[np.uint8] | NDArray[np.float64] | None:
    """Return the values of plain lines, as _parse does, or None where any is out of range."""
    if scale is None:
        numbers = np.fromstring(b",".join(line for _, line in batch).decode(), sep=",").reshape(-1, COLUMNS)
        return numbers.astype(np.uint8) if (numbers <= 255).all() else None
    try:
        numbers = np.array([line.split(b",") for _, line in batch]).astype(np.float64)
    except ValueError:
        return None
    labels, pixels = numbers[:, 0], numbers[:, 1:]
    fine = (numbers >= 0).all() and (pixels <= scale).all() and (labels <= 255).all() and (labels % 1 == 0).all()
    return numbers if fine else None


def _parse_row(line: bytes, scale: float | None) -> list[float] | str:
    """Return the row's 785 values, or what is wrong with it."""
    try:
        (cells,) = csv.reader([line.decode()], strict=True)
    except UnicodeDecodeError:
        return "it has bytes that are not UTF-8"
    except (ValueError, csv.Error) as error:
        return f"its quotes are not closed or not CSV's ({error})"
    if len(cells) != COLUMNS:
        columns = f"{len(cells):,} column{'s' * (len(cells) != 1)}"
        return f"it has {columns}, where {COLUMNS} are expected: a label and {COLUMNS - 1} pixels, with commas between"
    values = []
    for column, cell in enumerate(cells, start=1):
        value = _value(cell, 255 if scale is None or column == 1 else scale, scale is not None)
        if value is None or (column == 1 and value % 1):
            what = "a whole number from 0 to 255"
            if scale is not None and column > 1:
                what = f"a number from 0 to --scale {scale:g}"
            hint = "" if scale is not None or not DECIMAL.fullmatch(cell) else "; --scale takes other ranges"
            return f"column {column} holds '{plain(cell[:20])}', where {what} is expected{hint}"
        values.append(value)
    return values


def _value(cell: str, most: float, decimal: bool) -> float | None:
    """Return the cell's number, None where it is none from 0 to `most`."""
    match = (DECIMAL if decimal else VALUE).fullmatch(cell)
    if match is None or float(cell if decimal else match[1]) > most:
        return None
    return float(cell if decimal else match[1])
