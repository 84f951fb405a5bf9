"""Datasets from CSV tables and back: every usual form, and every bad row by its line number."""

import csv
import io
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from small_dataset import run_download

from digits.data import csv_read, find_dataset, load_dataset
from digits.data.csv_read import import_csv
from digits.data.csv_write import write_csv_folder
from digits.data.own import write_own
from digits.errors import UserError

KAGGLE = ",".join(["label", *(f"pixel{i}" for i in range(784))])
NAMED = ",".join(["label", *(f"{i}x{j}" for i in range(1, 29) for j in range(1, 29))])


def make(count: int, classes: int = 10, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return images uint8 (count, 28, 28) and labels (count,), each class at least once."""
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (count, 28, 28), np.uint8), (np.arange(count) % classes).astype(np.uint8)


def lines_of(images: np.ndarray, labels: np.ndarray) -> list[str]:
    return [f"{label},{','.join(map(str, image.ravel()))}" for image, label in zip(images, labels, strict=True)]


def read(tmp_path: Path, data: bytes | str, test: bytes | None = None) -> tuple[list[str], object]:
    """Return the reported sentences, and the dataset or the error."""
    reported: list[str] = []
    train = tmp_path / "train.csv"
    train.write_bytes(data.encode() if isinstance(data, str) else data)
    if test is not None:
        (tmp_path / "test.csv").write_bytes(test)
    try:
        import_csv("mine", train, None if test is None else tmp_path / "test.csv", tmp_path / "data", reported.append)
    except UserError as error:
        return reported, str(error)
    return reported, load_dataset("mine", tmp_path / "data")


IMAGES, LABELS = make(40)
LINES = lines_of(IMAGES, LABELS)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param("\n".join(LINES), id="no header, no last line end"),
        pytest.param("\ufeff" + "\r\n".join(["", NAMED, *LINES, "", ""]), id="BOM, CRLF, empty lines"),
        pytest.param(
            "\n".join(f'"{line.replace(",", chr(34) + "," + chr(34))}"' for line in [KAGGLE, *LINES]), id="quotes"
        ),
        pytest.param("\n".join(line.replace(",", ".0, ") for line in LINES), id="decimals and spaces"),
    ],
)
def test_every_usual_form(tmp_path: Path, data: str) -> None:
    reported, dataset = read(tmp_path, data, "\n".join(LINES[:20]).encode())
    assert reported == []
    np.testing.assert_array_equal(dataset.train_images, IMAGES)
    np.testing.assert_array_equal(dataset.train_labels, LABELS)
    np.testing.assert_array_equal(dataset.test_images, IMAGES[:20])
    assert dataset.class_names == tuple("0123456789")


def test_one_table_is_split_as_a_folder_of_images_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_read, "BATCH", 7)
    images, labels = make(140, classes=4)
    _, dataset = read(tmp_path, "\n".join(lines_of(images, labels * 3 + 5)))
    assert dataset.class_names == ("5", "8", "11", "14")
    np.testing.assert_array_equal(np.bincount(dataset.test_labels), [5] * 4)
    np.testing.assert_array_equal(np.bincount(dataset.train_labels), [30] * 4)
    known = {image.tobytes(): label for image, label in zip(images, labels, strict=True)}
    for part in ("train", "test"):
        for image, label in zip(getattr(dataset, f"{part}_images"), getattr(dataset, f"{part}_labels"), strict=True):
            assert known.pop(image.tobytes()) == label
    assert not known


PIXELS = LINES[0].partition(",")[2]


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        (f"5,{PIXELS},0", "it has 786 columns, where 785 are expected"),
        (f"256,{PIXELS}", "column 1 holds '256', where a whole number from 0 to 255 is expected"),
        (f"5,{PIXELS[: PIXELS.rindex(',')]},", "column 785 holds ''"),
        (f'5,{PIXELS[: PIXELS.rindex(",")]},"1', "its quotes are not closed or not CSV's"),
        (f"5,{PIXELS[: PIXELS.rindex(',')]},\udcff", "it has bytes that are not UTF-8"),
    ],
)
def test_bad_rows_are_named_and_an_earlier_dataset_stays(tmp_path: Path, line: str, fault: str) -> None:
    _, before = read(tmp_path, "\n".join(LINES))
    text = "\n".join([KAGGLE, *LINES[:3], line, "", *LINES, line])
    reported, error = read(tmp_path, text.encode(errors="surrogateescape"))
    where = tmp_path / "train.csv"
    assert [sentence.partition(":")[0] for sentence in reported] == [f"'{where}', line 5", f"'{where}', line 47"]
    assert all(fault in sentence for sentence in reported)
    assert error == f"'{where}' has 2 bad rows; repair or remove what is named above."
    assert load_dataset("mine", tmp_path / "data").fingerprint == before.fingerprint
    assert sorted(path.name for path in (tmp_path / "data").iterdir()) == ["mine"]


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ("\n".join([KAGGLE.partition(",")[2], PIXELS]), "has 784 columns: pixels without a label, as in Kaggle's test"),
        ("\n".join([KAGGLE.partition(",")[2] + ",class", LINES[0]]), "has 'pixel0' as its first column"),
        ("", "has no rows"),
        (b"PK\x03\x04...", "is a zip archive"),
        (LINES[0].encode("utf-16"), "is UTF-16 text"),
        ("\r".join(LINES * 2), "line 1: it is longer than 785 numbers can be"),
        ("\n".join(LINES[:1] * 5), "has images of one class only"),
        ("\n".join(LINES[:2]), "too few rows of each label to be split"),
        ("\n".join(["1,2,3"] * 1000), "has 100 bad rows so far and was not read further"),
    ],
)
def test_tables_of_other_kinds_are_refused(tmp_path: Path, data: str | bytes, sentence: str) -> None:
    _, error = read(tmp_path, data)
    assert isinstance(error, str)
    assert re.search(sentence, error), error
    assert not (tmp_path / "data" / "mine").exists()


CELLS = st.sampled_from(
    ["0", "255", "256", "-1", "007", "1.0", "", " 3", '"4"', "x", "\0", "٣", "1_0", "+1", "1.", ".5"]
)


@given(cells=st.lists(CELLS, min_size=1, max_size=4), at=st.integers(0, 780))
def test_a_row_is_what_csv_and_int_say_or_a_fault(cells: list[str], at: int) -> None:
    row = ["0"] * 785
    row[at : at + len(cells)] = cells
    values = next(csv.reader(io.StringIO(",".join(row))))
    whole = all(cell.strip().isascii() and cell.strip().removesuffix(".0").rstrip(".").isdigit() for cell in values)
    good, bad = csv_read._parse([(7, ",".join(row).encode())])
    if whole and all(float(cell) <= 255 for cell in values):
        assert bad == []
        np.testing.assert_array_equal(good[0], np.array(values, float))
    else:
        assert [number for number, _ in bad] == [7]
        assert len(good) == 0


PIECES = [b"", b"\n", b"\r\n", b"\r", b'"', b",", b"\0", b"\xff", b"\xef\xbb\xbf", b" ", b"label", b"7"]
PIECES += [line.encode() for line in (KAGGLE, *LINES[:3])]


@given(st.lists(st.sampled_from(PIECES), max_size=8).map(b"".join))
@example(b"\n" + "\n".join(LINES).encode())  # ended in an IndexError
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_make_a_dataset_or_a_sentence(tmp_path: Path, data: bytes) -> None:
    reported, result = read(tmp_path, data)
    assert isinstance(result, str) or not reported


def test_there_and_back(tmp_path: Path) -> None:
    images, labels = make(1_100, classes=12)
    write_own("twelve", (images, labels, images[:30], labels[:30]), tuple(map(str, range(12))), tmp_path / "data")
    assert write_csv_folder(find_dataset("twelve", tmp_path / "data"), tmp_path / "data", tmp_path / "tables")
    assert (tmp_path / "tables" / "train.csv").read_text().splitlines()[0] == KAGGLE
    tables = [tmp_path / "tables" / f"{part}.csv" for part in ("train", "test")]
    _, sizes, class_names, leaks, _ = import_csv("again", *tables, tmp_path / "data", pytest.fail)
    assert (sizes, leaks) == ((1_100, 30), 30)
    assert class_names == tuple(map(str, range(12)))
    assert len({load_dataset(name, tmp_path / "data").fingerprint for name in ("twelve", "again")}) == 1
    with pytest.raises(UserError, match="already exists"):
        write_csv_folder(find_dataset("twelve", tmp_path / "data"), tmp_path / "data", tmp_path / "tables")
    raw = tmp_path / "data" / "twelve" / "raw" / "t10k-images-idx3-ubyte"
    raw.write_bytes(raw.read_bytes()[:-1])
    with pytest.raises(UserError, match=r"t10k-images-idx3-ubyte' is damaged: run"):
        write_csv_folder(find_dataset("twelve", tmp_path / "data"), tmp_path / "data", tmp_path / "more")
    assert not (tmp_path / "more").exists()


def test_the_command(tmp_path: Path) -> None:
    table = tmp_path / "train.csv"
    table.write_text("\n".join([KAGGLE, *LINES]))
    words = ["--data-dir", tmp_path / "data", "--name", "mine"]
    done = run_download(*words, "--from-csv", table, "--to-csv", tmp_path / "tables")
    assert (done.returncode, done.stderr) == (0, "")
    assert "mine: 30 training and 10 test images in" in done.stdout
    written = [line for part in ("train", "test") for line in (tmp_path / "tables" / f"{part}.csv").open()][1:]
    assert sorted(line.strip() for line in written if line.strip() != KAGGLE) == sorted(LINES)
    table.write_text("\n".join([*LINES, "1,2"]))
    done = run_download(*words, "--from-csv", table)
    assert (done.returncode, done.stdout) == (1, "")
    assert [line[:7] for line in done.stderr.splitlines()] == ["error: "] * 2
    for wrong in (
        ["--from-csv", table],
        [*words, "--from-csv", *[table] * 3],
        [*words, "--convert"],
        [*words, "--from-csv", table, "--from-images", tmp_path],
    ):
        done = run_download(*wrong)
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1), wrong
