"""predict_digit.py on many files: tables that survive a kill, all cores, pages, what a person should look at."""

import csv
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
from paths import ROOT
from PIL import Image
from synthetic_pages import number

from digits.data.sample import stratified_sample
from digits.photos import find_digit
from digits.prediction import answer_files, list_files, load_runs, reading, writing_table
from digits.prediction.answers import as_text

IMAGES, LABELS, _, _ = stratified_sample()
DIGITS = IMAGES[np.argsort(LABELS, kind="stable")]


def make_folder(folder: Path, count: int) -> Path:
    """Write so many files: 20 digits under many names, some in a subfolder, and two that cannot be read."""
    (folder / "sub").mkdir(parents=True)
    for i in range(20):
        Image.fromarray(DIGITS[200 * i]).save(folder / f"{i:04}.png")
    for i in range(20, count):
        os.link(folder / f"{i % 20:04}.png", folder / ("sub" if i % 3 else "") / f"{i:04}.png")
    for name in ("0007.png", f"sub/{count - 1:04}.png"):
        (folder / name).unlink(missing_ok=True)
        (folder / name).write_bytes(b"damaged")
    return folder


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, strict=True))


@pytest.mark.nightly
@pytest.mark.skipif(sys.platform == "win32", reason="has no SIGKILL")
def test_a_killed_table_is_resumed_with_every_file_once(outputs: Path, tmp_path: Path, predict) -> None:
    folder, table = make_folder(tmp_path / "in", 4_000), tmp_path / "answers.csv"
    words = [folder, "--recursive", "--output-dir", outputs, "--csv", table, "--resume", "--workers", "2"]
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    size = random.Random(seed).randrange(100, 80_000)  # bytes of the table at the kill
    command = [sys.executable, str(ROOT / "predict_digit.py"), *map(str, words)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        while process.poll() is None and (not table.exists() or table.stat().st_size <= size):
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=30)  # ends when the workers, who have stderr too, have ended
    done = predict(*words)
    assert done.status == 1
    found = read(table)
    assert Counter(row["path"] for row in found) == Counter(map(str, folder.rglob("*.png")))
    assert sum(bool(row["error"]) for row in found) == 2


@pytest.mark.slow
def test_processes_answer_as_one_core_does(
    outputs: Path, tmp_path: Path, predict, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "FEW_FILES", 0)
    words = [make_folder(tmp_path / "in", 60), "--recursive", "--output-dir", outputs, "--jsonl"]
    alone, two = (predict(*words, "--workers", workers) for workers in (1, 2))
    assert (alone.status, two.status) == (1, 1)
    assert alone.out == two.out
    assert len(alone.out.splitlines()) == 60


def test_a_process_that_dies_costs_one_file(outputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "FEW_FILES", 0)
    monkeypatch.setattr(reading, "spread", lambda work, chunks, workers: (([file], None) for file in chunks[0]))
    files = list_files([make_folder(tmp_path / "in", 30)])
    for (answer,) in answer_files(files, load_runs((), outputs), workers=2):
        assert "reading it ended the process" in answer["error"]


def test_each_page_has_an_answer_and_a_resumed_table_has_all(outputs: Path, tmp_path: Path, predict) -> None:
    pages = [Image.fromarray(DIGITS[i]) for i in (0, 1000, 2000)]
    (tmp_path / "in").mkdir()
    pages[0].save(tmp_path / "in" / "scan.tif", save_all=True, append_images=pages[1:])
    pages[0].save(tmp_path / "in" / "z.png")
    answers = [*chain(*answer_files(list_files([tmp_path / "in"]), load_runs((), outputs), workers=1))]
    found = [(Path(answer["path"]).name, answer.get("page")) for answer in answers]
    assert found == [("scan.tif", 1), ("scan.tif", 2), ("scan.tif", 3), ("z.png", None)]
    assert as_text(answers[1]).startswith(f"{tmp_path / 'in' / 'scan.tif'} page 2: ")
    table = tmp_path / "t.csv"
    with writing_table(table, resume=False) as unfinished:
        unfinished.write(answers[:2])
    table.write_bytes(table.read_bytes()[:-5])
    assert predict(tmp_path / "in", "--output-dir", outputs, "--csv", table, "--resume").status == 0
    assert [row["page"] for row in read(table)] == ["1", "2", "3", ""]


def test_what_a_person_should_look_at_is_copied(outputs: Path, tmp_path: Path, predict) -> None:
    photos = make_folder(tmp_path / "in", 30)
    Image.new("L", (50, 50), 255).save(photos / "empty.png")
    words = [photos, "--recursive", "--output-dir", outputs, "--unsure", photos / "unsure"]
    for _ in range(2):  # the second time the folder is there, and is not read
        found = [json.loads(line) for line in predict(*words, "--jsonl").out.splitlines()]
        assert len(found) == 31
        copied = {path.relative_to(photos / "unsure") for path in (photos / "unsure").rglob("*.png")}
        assert copied == {Path(answer["path"]).relative_to(photos) for answer in found if not answer["sure"]}
        assert {Path("0007.png"), Path("empty.png")} < copied
    assert (photos / "unsure" / "empty.png").read_bytes() == (photos / "empty.png").read_bytes()


def test_a_photo_of_two_digits_says_so(outputs: Path, tmp_path: Path) -> None:
    for name, digits in (("one", DIGITS[:1]), ("two", DIGITS[:4000:2000])):
        Image.fromarray(number(list(digits), 40)).save(tmp_path / f"{name}.png")
    (one,), (two,) = answer_files(list_files([tmp_path]), load_runs((), outputs), workers=1)
    assert "several" not in one
    assert two["several"]
    assert not two["sure"]
    assert as_text(two).endswith("%), one of several digits; --multiple reads all")


def test_mnist_images_reach_the_network_as_they_are() -> None:
    for image in DIGITS[::200]:
        for pixels in (image, np.dstack([image] * 3)):
            np.testing.assert_array_equal(find_digit(pixels).image, image)
