"""Datasets as the usual CSV tables, a label and 784 pixels in each row; read, with every bad row named, and written."""

import csv
import re
from collections.abc import Callable
from itertools import chain, islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from mnist_twice.data.catalogue import Arrays
from mnist_twice.data.datasets import Dataset
from mnist_twice.data.form import Changes, four_arrays, number_classes
from mnist_twice.errors import UserError
from mnist_twice.files import writing_folder
from mnist_twice.names import plain

PIXELS = 28 * 28
COLUMNS = 1 + PIXELS
HEADER = ",".join(["label", *(f"pixel{i}" for i in range(PIXELS))]) + "\n"
BATCH = 1_000  # rows that are parsed together
MOST_FAULTS = 100  # bad rows that are named; a table with more is something else, and not read further
NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d{1,3})?\s*", re.ASCII | re.IGNORECASE)
PIXEL_NAME = re.compile(r"pixel_?\d+|p\d+|\d+x\d+")
UNLABELLED = (
    "A dataset needs each image's label in the first column, which Kaggle's test.csv lacks; without a table TEST, one "
    "in seven rows of TRAIN is for testing."
)
KINDS = {b"PK": "a zip archive", b"\x1f\x8b": "a gzip archive", b"\xff\xfe": "UTF-16 text", b"\xfe\xff": "UTF-16 text"}


def read_tables(
    paths: tuple[Path, ...], report: Callable[[str], None], changes: Changes
) -> tuple[Arrays, tuple[str, ...]]:
    """Return training images uint8 (N, 28, 28) and labels (N,), test images and labels, and the class names.

    Of one table, one in seven rows is for testing, of each class the same share. Labels are whole numbers from 0 to
    255, and the classes' names. `report` receives a sentence on each bad row; where there is one, UserError is raised.
    """
    labels, images = zip(*(_read(path, report, changes) for path in paths), strict=True)
    numbers = number_classes(labels, paths)
    return four_arrays(images, labels, numbers, paths[0]), tuple(numbers)


def write_tables(dataset: Dataset, folder: Path) -> bool:
    """Write the dataset as train.csv and test.csv into `folder`, which must not exist yet.

    Return whether the labels are the classes' names, since those are whole numbers, and not the classes' numbers.
    """
    numbers, names = [str(number) for number in range(256)], list(dataset.class_names)
    is_named = set(names) <= set(numbers) and names == sorted(names, key=int)
    written = names if is_named else numbers
    with writing_folder(folder, replace=False) as hidden:
        for part in ("train", "test"):
            images, labels = getattr(dataset, f"{part}_images"), getattr(dataset, f"{part}_labels")
            with (hidden / f"{part}.csv").open("w", newline="") as file:
                file.write(HEADER)
                for image, label in zip(images, labels, strict=True):
                    file.write(f"{written[label]},{','.join([numbers[pixel] for pixel in image.tobytes()])}\n")
    return is_named


def read_unlabelled(path: Path, scale: float | None = None) -> tuple[str, list[str], NDArray[np.float64]]:
    """Return what numbers the rows of a table of 784 pixels in each, as Kaggle's test.csv: the column's name and its
    numbers, ImageId from 1 on where there is none; and the images, (N, 28, 28), with pixels from 0 to `scale` or 255.

    A label in the first column is not read. Raises UserError for other tables.
    """
    import pandas as pd  # type: ignore[import-untyped]  # only here: it takes half a second

    _check_kind(path)
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        first = file.readline().partition(",")[0].strip().strip('"')
    try:
        table = pd.read_csv(path, header=None if NUMBER.fullmatch(first) else 0)
    except ValueError as error:  # pandas' own and UnicodeDecodeError are among these
        raise UserError(f"'{path}' is not a CSV table ({' '.join(str(error).split())}).") from None
    if table.shape[1] not in (PIXELS, COLUMNS):
        raise UserError(f"'{path}' has {table.shape[1]:,} columns instead of {PIXELS} pixels.")
    pixels = table.iloc[:, -PIXELS:].apply(pd.to_numeric, errors="coerce").to_numpy(np.float64)
    bad = ~((pixels >= 0) & (pixels <= (scale or 255))).all(axis=1)
    if bad.any() or not len(table):
        where = f"row {bad.argmax() + 1} has a cell that is no number" if len(table) else "it has no rows of numbers"
        raise UserError(f"'{path}': {where} from 0 to {scale or 255:g}.")
    numbered = table.shape[1] == COLUMNS and is_id(name := str(table.columns[0]))
    ids = table.iloc[:, 0] if numbered else range(1, len(table) + 1)
    return name if numbered else "ImageId", list(map(str, ids)), pixels.reshape(-1, 28, 28)


def is_id(header: str) -> bool:
    """Return whether a column of that name holds the numbers or names of rows: id, ImageId, index, Unnamed: 0, ..."""
    word = re.sub(r"[\W_]", "", header).lower()
    known = re.fullmatch(
        r"|.*(id|idx|index)|(file|path|level0|unnamed0).*|rows?|images?|(row|image)(no|nr|number)", word
    )
    return known is not None and not re.search("label|class|target|categor|digit", word)


def _read(path: Path, report: Callable[[str], None], changes: Changes) -> tuple[list[str], NDArray[np.uint8]]:
    """Return the table's labels and images (N, 28, 28); raises UserError if a row is bad, or it is no table."""
    _check_kind(path)
    labels: list[str] = []
    images: list[NDArray[np.uint8]] = []
    faults = 0
    # Bytes that are not UTF-8 become characters that no number has.
    with path.open(encoding="utf-8-sig", errors="surrogateescape") as file:
        bar = tqdm(file, desc=path.name, unit=" rows", disable=None, leave=False, ncols=100)
        lines = ((number, line) for number, line in enumerate(bar, start=1) if line.strip())
        first = [row for row in islice(lines, 1) if not _is_header(row[1], path)]
        rows = chain(first, lines)
        while batch := list(islice(rows, BATCH)):
            values = _numbers([line for _, line in batch], changes.scale)
            if values is not None:
                labels += [str(int(label)) for label in values[:, 0]]
                images.append(changes.apply(values[:, 1:].reshape(-1, 28, 28)).astype(np.uint8))
                continue
            for number, line in batch:
                if fault := _fault(line, changes.scale):
                    report(f"'{path}', line {number}: {fault}.")
                    faults += 1
                if faults == MOST_FAULTS:
                    raise UserError(f"'{path}' has {faults} bad rows so far and was not read further; fix it.")
            if not faults:
                raise UserError(f"'{path}' has cells that are not numbers in lines {batch[0][0]} to {batch[-1][0]}.")
    if faults:
        raise UserError(f"'{path}' has {faults} bad row{'s' * (faults > 1)}; fix or remove what is named above.")
    if not labels:
        raise UserError(f"'{path}' has no rows; each needs a label and {PIXELS} pixels.")
    return labels, np.concatenate(images)


def _check_kind(path: Path) -> None:
    if not path.is_file():
        raise UserError(f"'{path}' is {'not a file' if path.exists() else 'missing'}.")
    with path.open("rb") as binary:
        start = binary.read(2)
    if kind := next((kind for mark, kind in KINDS.items() if start.startswith(mark)), None):
        raise UserError(f"'{path}' is {kind}; give a CSV file in UTF-8.")


def _is_header(line: str, path: Path) -> bool:
    """Return whether the first line has names instead of numbers; raises UserError if no labels come first."""
    try:
        (cells,) = csv.reader([line])
    except csv.Error:  # the row's fault, to be named with the others
        return False
    if len(cells) == PIXELS:
        raise UserError(f"'{path}' has {PIXELS} columns: pixels without a label. {UNLABELLED}")
    first = cells[0].strip()
    if len(set(cells)) < len(cells) or NUMBER.fullmatch(first):  # columns' names differ, pixels' values repeat
        return False
    if PIXEL_NAME.fullmatch(first.lower()):
        raise UserError(f"'{path}' has '{plain(first)}' as its first column; put the label first.")
    if is_id(first):
        name = f"'{plain(first)}'" if first else "a column without a name"
        raise UserError(f"'{path}' has {name} as its first column, which numbers the rows; remove it. {UNLABELLED}")
    return True


def _numbers(lines: list[str], scale: float | None) -> NDArray[np.float64] | None:
    """Return the rows' values (N, 785), None where any of them is bad."""
    if any(line.count('"') % 2 for line in lines):
        return None
    try:
        # Strict, unlike pandas, which reads 1 for True and nothing for missing cells, and is slower.
        values = np.loadtxt(lines, delimiter=",", quotechar='"', comments=None, ndmin=2)
    except ValueError:
        return None
    pixels = values[:, 1:]
    is_good = (
        values.shape == (len(lines), COLUMNS)
        and ((pixels >= 0) & (pixels <= (scale or 255))).all()
        and ((values[:, 0] >= 0) & (values[:, 0] <= 255)).all()
        and ((values[:, 0] if scale else values) % 1 == 0).all()
    )
    return values if is_good else None


def _fault(line: str, scale: float | None) -> str:
    """Return what is wrong with the row; '' where it is good."""
    try:
        (cells,) = csv.reader([line], strict=True)
    except csv.Error as error:
        return f"its quotes are wrong ({error})"
    if len(cells) != COLUMNS:
        columns = f"{len(cells):,} column{'s' * (len(cells) != 1)}"
        return f"it has {columns} instead of {COLUMNS}: a label and {PIXELS} pixels, separated by commas"
    for column, cell in enumerate(cells, start=1):
        value = float(cell) if NUMBER.fullmatch(cell) else -1
        decimal = scale if column > 1 else None
        if not 0 <= value <= (decimal or 255) or (decimal is None and value % 1):
            what = "a whole number from 0 to 255" if decimal is None else f"a number from 0 to --scale {decimal:g}"
            hint = "; --scale takes other ranges" if scale is None and value > -1 else ""
            return f"column {column} holds '{plain(cell[:20])}' instead of {what}{hint}"
    return ""
