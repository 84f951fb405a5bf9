"""The table of answers: any path and text there and back, no formulas, whole after a kill."""

import csv
import os
import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from limits import largest_file

from mnist_twice.errors import UserError
from mnist_twice.prediction.answers import COLUMNS, answer_for_fault, as_cell, writing_table

SEVEN = {"label": 7, "probability": 0.9, "runner_up": 1, "runner_up_probability": 0.1, "sure": True}


def seven(path: str) -> dict[str, object]:
    return {"path": path, **SEVEN, "box": [1, 2, 30, 40]}


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, strict=True))


def write(file: Path, *answers: dict[str, object]) -> None:
    with writing_table(file, resume=False) as table:
        for answer in answers:
            table.write([answer])


def test_a_row_for_each_kind_of_answer(tmp_path: Path) -> None:
    page = {"path": "p.png", "label": None, "sure": False, "digits": [{**SEVEN, "box": [1, 2, 3, 4]}, SEVEN]}
    nothing = {"path": "e", "label": None, "probability": None, "runner_up": None, "sure": False, "box": None}
    scan = {**seven("s.tif"), "page": 2, "note": "a note"}
    file = tmp_path / "new" / "t.csv"
    write(file, seven("a.png"), answer_for_fault("b.png", "damaged; copy it, or not."), page, nothing, scan)
    assert file.read_text() == (
        "path,label,probability,runner_up,sure,error,box,page,note\n"
        "a.png,7,0.9,1,true,,1 2 30 40,,\n"
        'b.png,,,,false,"damaged; copy it, or not.",,,\n'
        "p.png,7,0.9,1,true,,1 2 3 4,,\n"
        "p.png,7,0.9,1,true,,,,\n"
        "e,,,,false,,,,\n"
        "s.tif,7,0.9,1,true,,1 2 30 40,2,a note\n"
    )


@given(
    names=st.lists(st.text("=+-@\n\r\t',;\"aé1.", min_size=1, max_size=8), unique=True, min_size=1, max_size=6),
    cut=st.integers(0, 2_000),
    pages=st.booleans(),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_table_of_any_paths_that_was_cut_anywhere_is_continued(
    tmp_path: Path, names: list[str], cut: int, pages: bool
) -> None:
    file = tmp_path / "t.csv"
    file.unlink(missing_ok=True)
    paths = list(dict.fromkeys(os.path.normpath(name) for name in names))  # as pathlib gives them
    answers = [{**seven(path), **({"digits": [SEVEN] * 3} if pages else {})} for path in paths]
    write(file, *answers)
    whole = file.read_bytes()
    found = read(file)
    assert list(dict.fromkeys(row["path"] for row in found)) == [as_cell(path) for path in paths]
    assert not any(re.match(r"[=+@\t\r]|-\D", row["path"]) or len(row) != len(COLUMNS) for row in found)
    cut %= len(whole) + 1
    if not pages or whole[cut - 1 : cut] != b"\n":  # between two rows of a path, nothing shows that some are missing
        file.write_bytes(whole[:cut])
    with writing_table(file, resume=True) as table:
        table.write([answer for answer in answers if as_cell(str(answer["path"])) not in table.answered])
    assert file.read_bytes() == whole


def test_names_that_spreadsheets_would_compute_still_lead_to_their_files(tmp_path: Path) -> None:
    for name in ("=1+1.png", "@x.png", "-x.png", "+x.png"):
        (tmp_path / name).write_bytes(b"x")
        assert (tmp_path / as_cell(name)).read_bytes() == b"x"
        assert as_cell(name) == f".{os.sep}{name}"


def test_what_is_no_table_of_ours_is_refused_and_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "t.csv"
    header = ",".join(COLUMNS) + "\n"
    for text in ("my notes", "path,digit\n", f"{header}a,b\n", f'{header}"a\nb",1,1,1,1,1,1,1,1\n', f"{header}\xff\n"):
        file.write_bytes(text.encode("latin-1"))
        with pytest.raises(UserError, match=r"t\.csv' is not a table written by --csv"), writing_table(file, True):
            pass
        assert file.read_bytes() == text.encode("latin-1")
    with pytest.raises(UserError, match="already exists; continue it with --resume"), writing_table(file, False):
        pass


def test_two_processes_do_not_write_one_table(tmp_path: Path) -> None:
    pytest.importorskip("fcntl", reason="no such locks on Windows")
    with (
        writing_table(tmp_path / "t.csv", resume=False),
        pytest.raises(UserError, match="another process is writing"),
        writing_table(tmp_path / "t.csv", resume=True),
    ):
        pass


def test_a_full_disk_leaves_whole_answers(tmp_path: Path) -> None:
    file = tmp_path / "t.csv"
    for size, paths in ((70, []), (100, ["a.png"])):  # part of the first row, and of the second
        with pytest.raises(UserError, match=r"t\.csv.* so far are in .* --resume continues them"), largest_file(size):
            write(file, seven("a.png"), seven("b.png"))
        assert [row["path"] for row in read(file)] == paths
