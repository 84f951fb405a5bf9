"""Datasets from CSV tables and back: every usual form, and every bad row by its line number."""

import csv
import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from in_process import run_download

from mnist_twice.data import Dataset, load_dataset, tables
from mnist_twice.data.form import Changes
from mnist_twice.data.tables import is_id, read_tables, write_tables
from mnist_twice.errors import UserError

KAGGLE = ",".join(["label", *(f"pixel{i}" for i in range(784))])
NAMED = ",".join(["label", *(f"{i}x{j}" for i in range(1, 29) for j in range(1, 29))])


def lines_of(images: np.ndarray, labels: np.ndarray) -> list[str]:
    return [f"{label},{','.join(map(str, image.ravel()))}" for image, label in zip(images, labels, strict=True)]


def read(tmp_path: Path, data: bytes | str, test: bytes | None = None, changes: Changes = Changes()):  # noqa: B008
    """Return the reported sentences, and the arrays and class names or the error."""
    reported: list[str] = []
    paths = (tmp_path / "train.csv", tmp_path / "test.csv")
    paths[0].write_bytes(data.encode(errors="surrogateescape") if isinstance(data, str) else data)
    if test is not None:
        paths[1].write_bytes(test)
    try:
        return reported, read_tables(paths[: 1 + (test is not None)], reported.append, changes)
    except UserError as error:
        return reported, str(error)


IMAGES = np.random.default_rng(0).integers(0, 256, (40, 28, 28), np.uint8)
LABELS = (np.arange(40) % 10).astype(np.uint8)
LINES = lines_of(IMAGES, LABELS)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param("\n".join(LINES), id="no header, no last line end"),
        pytest.param("\ufeff" + "\r\n".join(["", NAMED, *LINES, "  ", ""]), id="BOM, CRLF, empty lines"),
        pytest.param("\r".join(LINES), id="CR"),
        pytest.param(
            "\n".join(f'"{line.replace(",", chr(34) + "," + chr(34))}"' for line in [KAGGLE, *LINES]), id="quotes"
        ),
        pytest.param("\n".join(line.replace(",", ".0, ") for line in LINES), id="decimals and spaces"),
        pytest.param("\n".join([",".join(["Etikett\udce9", *map(str, range(784))]), *LINES]), id="numbers as names"),
    ],
)
def test_every_usual_form(tmp_path: Path, data: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "BATCH", 7)
    reported, (arrays, class_names) = read(tmp_path, data, "\n".join(LINES[:20]).encode())
    assert reported == []
    for array, expected in zip(arrays, (IMAGES, LABELS, IMAGES[:20], LABELS[:20]), strict=True):
        np.testing.assert_array_equal(array, expected)
    assert class_names == tuple("0123456789")


PIXELS = LINES[0].partition(",")[2]


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        (f"5,{PIXELS},0", "it has 786 columns instead of 785"),
        (f"256,{PIXELS}", "column 1 holds '256' instead of a whole number from 0 to 255"),
        (f"5,{PIXELS[: PIXELS.rindex(',')]},", "column 785 holds ''"),
        (f'5,{PIXELS[: PIXELS.rindex(",")]},"1', "its quotes are wrong"),
        (f"5,{PIXELS[: PIXELS.rindex(',')]},\udcff", "column 785 holds '?'"),
    ],
)
def test_bad_rows_are_named(tmp_path: Path, line: str, fault: str) -> None:
    reported, error = read(tmp_path, "\n".join([KAGGLE, *LINES[:3], line, "", *LINES, line]))
    where = tmp_path / "train.csv"
    assert [sentence.partition(":")[0] for sentence in reported] == [f"'{where}', line 5", f"'{where}', line 47"]
    assert all(fault in sentence for sentence in reported)
    assert error == f"'{where}' has 2 bad rows; fix or remove what is named above."


def test_a_damaged_label_in_the_first_row_is_no_header(tmp_path: Path) -> None:
    assert "line 1: column 1 holds 'x0'" in read(tmp_path, "x" + "\n".join(LINES))[0][0]


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ("\n".join([KAGGLE.partition(",")[2], PIXELS]), "has 784 columns: pixels without a label. A dataset needs"),
        ("\n".join([KAGGLE.partition(",")[2] + ",class", LINES[0]]), "has 'pixel0' as its first column"),
        (KAGGLE.replace("label", "ImageId,label") + f"\n0,{LINES[0]}", "which numbers the rows; remove it."),
        ("", "has no rows"),
        (b"PK\x03\x04...", "is a zip archive"),
        ("\n".join(LINES[:1] * 5), "has images of one class only"),
        ("\n".join(LINES[:10]), "needs at least 2 images per class, to split off a test set"),
        ("\n".join(["1,2,3"] * 1000), "has 100 bad rows so far and was not read further"),
    ],
)
def test_tables_of_other_kinds_are_refused(tmp_path: Path, data: str | bytes, sentence: str) -> None:
    _, error = read(tmp_path, data)
    assert sentence in error


def test_columns_that_number_the_rows_are_no_labels(tmp_path: Path) -> None:
    assert all(map(is_id, ["id", "ID", "index", "ImageId", "Unnamed: 0", "", "row_id", "image_idx", "filename"]))
    assert not any(map(is_id, ["label", "Label", "class", "class_id", "labelIdx", "digit", "target", "y"]))
    _, error = read(tmp_path, "\n".join(LINES), "\n".join(lines_of(IMAGES[:25], np.arange(25))).encode())
    assert "has images of class '10'" in error
    assert "are these the numbers of the images" in error


def test_fractions_and_changes(tmp_path: Path) -> None:
    text = io.StringIO()
    np.savetxt(text, np.column_stack([LABELS, (1 - IMAGES / 255).reshape(-1, 784)]), delimiter=",", fmt="%g")
    reported, _ = read(tmp_path, text.getvalue())
    assert "a whole number from 0 to 255; --scale takes other ranges." in reported[0]
    reported, _ = read(tmp_path, text.getvalue(), changes=Changes(0.5))
    assert "instead of a number from 0 to --scale 0.5" in reported[0]
    reported, (arrays, _) = read(tmp_path, text.getvalue(), changes=Changes(1, invert=True))
    assert reported == []
    assert {image.tobytes() for image in IMAGES} == {image.tobytes() for image in np.concatenate(arrays[::2])}


CELLS = st.sampled_from(
    ["0", "255", "256", "-1", "007", "1.0", "", " 3", '"4"', "x", "\0", "٣", "1_0", "+1", "1.", ".5", "True", "nan"]
)


@given(cells=st.lists(CELLS, min_size=1, max_size=4), at=st.integers(0, 780))
def test_a_row_is_numbers_or_a_fault(cells: list[str], at: int) -> None:
    row = ["0"] * 785
    row[at : at + len(cells)] = cells
    line = ",".join(row)
    values = [cell.strip() for cell in next(csv.reader([line]))]
    is_good = all(value in ("0", "255", "007", "1.0", "3", "4", "+1", "1.") for value in values)
    numbers, fault = tables._numbers([line], None), tables._fault(line, None)
    assert (numbers is not None, fault == "") == (is_good, is_good)
    if is_good:
        np.testing.assert_array_equal(numbers[0], np.array(values, float))


def test_there_and_back_by_the_command(tmp_path: Path) -> None:
    train, test = tmp_path / "train.csv", tmp_path / "tables" / "test.csv"
    train.write_text("\n".join([KAGGLE, *LINES]))
    words = ["--data-dir", tmp_path / "data", "--name", "mine", "--from-csv", train]
    done = run_download(*words, "--transpose", "--to-csv", tmp_path / "tables")
    assert (done.status, done.err) == (0, "")
    assert "mine: 30 training and 10 test images in" in done.out
    before = load_dataset("mine", tmp_path / "data")
    assert {image.T.tobytes() for image in (*before.train_images, *before.test_images)} == {i.tobytes() for i in IMAGES}
    assert test.read_text().splitlines()[0] == KAGGLE
    assert run_download(*words[:2], "--name", "again", "--from-csv", test.with_name("train.csv"), test).status == 0
    assert load_dataset("again", tmp_path / "data").fingerprint == before.fingerprint

    train.write_text("\n".join([*LINES, "1,2"]))
    done = run_download(*words)
    assert (done.status, done.out) == (1, "")
    assert [line[:7] for line in done.err.splitlines()] == ["error: "] * 2
    assert load_dataset("mine", tmp_path / "data").fingerprint == before.fingerprint  # as it was
    (tmp_path / "data" / "mine" / "raw" / "t10k-labels-idx1-ubyte").write_bytes(b"")
    with pytest.raises(UserError, match="--from-csv TRAIN --transpose --name mine"):
        load_dataset("mine", tmp_path / "data")
    for wrong in ([*words, train, train], [*words, "--convert"], [*words, "--from-images", tmp_path]):
        done = run_download(*wrong)
        assert (done.status, done.out, done.err.count("\n")) == (2, "", 1), wrong


def test_labels_are_numbers_where_the_classes_have_other_names(tmp_path: Path) -> None:
    dataset = Dataset("letters", IMAGES, LABELS, IMAGES, LABELS, tuple("abcdefghij"), "")
    assert not write_tables(dataset, tmp_path / "tables")
    assert (tmp_path / "tables" / "train.csv").read_text().splitlines()[1:] == LINES
    with pytest.raises(UserError, match="already exists"):
        write_tables(dataset, tmp_path / "tables")
