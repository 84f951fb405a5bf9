"""The table of answers: any path and text there and back, no formulas, whole after a kill."""

import csv
import os
import re
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from limits import largest_file

from digits.errors import UserError
from digits.inference.answers import answer_for_fault
from digits.inference.table import COLUMNS, as_cell, rows, writing_table

SEVEN = {"digit": 7, "probability": 0.9, "runner_up": 1, "runner_up_probability": 0.1, "sure": True}


def seven(path: str) -> dict:
    return {"path": path, **SEVEN, "box": [1, 2, 30, 40]}


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, strict=True))


def test_a_row_for_each_kind_of_answer(tmp_path: Path) -> None:
    page = {"path": "p.png", "digit": None, "sure": False, "digits": [{**SEVEN, "box": [1, 2, 3, 4]}, SEVEN]}
    empty = {
        "path": "e.png",
        **SEVEN,
        "digit": None,
        "probability": None,
        "runner_up": None,
        "sure": False,
        "box": None,
    }
    with writing_table(tmp_path / "new" / "t.csv", resume=False) as table:
        table.write([seven("a.png"), answer_for_fault("b.png", "it is damaged; copy it."), page, empty])
    assert (tmp_path / "new" / "t.csv").read_text() == (
        "path,digit,probability,runner_up,sure,error,box,page,note\n"
        "a.png,7,0.9,1,true,,1 2 30 40,,\n"
        'b.png,,,,false,"it is damaged; copy it.",,,\n'
        "p.png,7,0.9,1,true,,1 2 3 4,,\n"
        "p.png,7,0.9,1,true,,,,\n"
        "e.png,,,,false,,,,\n"
    )


PATHS = st.binary(min_size=1, max_size=12).filter(lambda path: 0 not in path).map(os.fsdecode)


@pytest.mark.skipif(sys.platform == "win32", reason="no such names")
@given(st.lists(PATHS | st.text("=+-@\\x\n\r\t',;\"a1f.", min_size=1, max_size=8), unique=True, max_size=20))
@settings(deadline=None)
def test_any_paths_make_whole_rows_and_are_known_again(
    tmp_path_factory: pytest.TempPathFactory, paths: list[str]
) -> None:
    file = tmp_path_factory.mktemp("table") / "t.csv"
    paths = list(dict.fromkeys(os.path.normpath(path) for path in paths))  # as pathlib gives them
    with writing_table(file, resume=False) as table:
        table.write([seven(path) for path in paths])
    found = read(file)
    assert [row["path"] for row in found] == [as_cell(path) for path in paths]
    assert len({row["path"] for row in found}) == len(paths)
    for row in found:
        assert len(row) == len(COLUMNS)
        assert not re.match(r"[=+@\t\r]|-\D", row["path"])
    with writing_table(file, resume=True) as table:
        assert [path for path in paths if not table.has(path)] == paths[-1:]
        table.write([seven(path) for path in paths[-1:]])
    assert read(file) == found


def test_names_that_spreadsheets_would_compute_still_lead_to_their_files(tmp_path: Path) -> None:
    for name in ("=1+1.png", "@x.png", "-x.png", "+x.png"):
        (tmp_path / name).write_bytes(b"x")
        assert (tmp_path / as_cell(name)).read_bytes() == b"x"
        assert as_cell(name) == f".{os.sep}{name}"
    assert as_cell("scans/=1+1.png") == "scans/=1+1.png"
    (row,) = rows({"path": "a", **SEVEN, "digit": '=HYPERLINK("x")', "runner_up": "-3"})
    assert row == 'a,"\'=HYPERLINK(""x"")",0.9,-3,true,,,,\n'
    (row,) = rows(seven("a;=1.png"))  # where spreadsheets end a cell at a semicolon
    assert row.startswith('"a;=1.png",')


@given(cut=st.integers(0, 10_000), pages=st.booleans())
@settings(deadline=None)
def test_a_table_that_was_cut_anywhere_is_continued(
    tmp_path_factory: pytest.TempPathFactory, cut: int, pages: bool
) -> None:
    file = tmp_path_factory.mktemp("table") / "t.csv"
    names = ["a.png", 'quote"\n,.png', "b\r\n.png", "c.png"]
    answers = [{**seven(name), **({"digits": [SEVEN] * 3} if pages else {})} for name in names]
    with writing_table(file, resume=False) as table:
        table.write(answers)
    whole = file.read_bytes()
    file.write_bytes(whole[: cut % (len(whole) + 1)])
    with writing_table(file, resume=True) as table:
        table.write([answer for answer in answers if not table.has(answer["path"])])
    assert file.read_bytes() == whole


def test_what_is_no_table_of_ours_is_refused_and_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "t.csv"
    header = ",".join(COLUMNS) + "\n"
    for text in (
        "my notes",
        "path,digit\n",
        f"{header}a,b\n",
        f'{header}"{"x" * 300_000}',
        f"{header}\xff,1,1,1,1,1,1,1,1\n",
    ):
        file.write_bytes(text.encode("latin-1"))
        with pytest.raises(UserError, match=r"t\.csv' (is not a table|has a damaged row)"), writing_table(file, True):
            pass
        assert file.read_bytes() == text.encode("latin-1")
    with pytest.raises(UserError, match="already exists; continue it with --resume"), writing_table(file, False):
        pass
    with pytest.raises(UserError, match="is not a regular file"), writing_table(tmp_path, True):
        pass
    with pytest.raises(UserError, match="is not a folder"), writing_table(file / "t.csv", False):
        pass


@pytest.mark.skipif(sys.platform == "win32", reason="no locks there")
def test_two_processes_do_not_write_one_table(tmp_path: Path) -> None:
    with (
        writing_table(tmp_path / "t.csv", resume=False),
        pytest.raises(UserError, match="is being written by another process"),
        writing_table(tmp_path / "t.csv", resume=True),
    ):
        pass


def write(file: Path, *answers: dict[str, object]) -> None:
    with writing_table(file, resume=False) as table:
        for answer in answers:
            table.write([answer])


def test_a_full_disk_leaves_whole_answers_or_no_table(tmp_path: Path) -> None:
    file = tmp_path / "t.csv"
    for size in (0, 20, 70):  # no header, part of it, and part of the first row
        with pytest.raises(OSError, match=r"t\.csv"), largest_file(size):
            write(file, seven("a.png"))
        assert not file.exists()
    with pytest.raises(UserError, match=r"so far are in '.*t\.csv': .* continue with --resume"), largest_file(100):
        write(file, seven("a.png"), seven("b.png"))
    assert [row["path"] for row in read(file)] == ["a.png"]
