"""predict_digit.py as a user runs it: photos of every kind, bad files, many files, tables that survive a kill."""

import csv
import json
import os
import random
import shutil
import signal
import struct
import subprocess
import sys
import time
import zlib
from collections import Counter
from itertools import chain
from pathlib import Path

import cv2
import numpy as np
import pytest
from in_process import predict
from linear_run import make_linear_run
from make_runs import add_info
from paths import ROOT
from PIL import Image
from synthetic_pages import number

from benchmarks.synthetic_photos import photograph
from mnist_twice.data.catalogue import stratified_sample
from mnist_twice.photos import find_digit
from mnist_twice.prediction import answer_files, list_files, load_runs, reading, writing_table
from mnist_twice.prediction.answers import as_text

IMAGES, LABELS = stratified_sample()[2:]
DIGITS = [IMAGES[np.flatnonzero(digit == LABELS)[1]] for digit in range(10)]
Pixels = np.ndarray


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of runs, with one that reads most digits."""
    return make_linear_run(tmp_path_factory.mktemp("runs") / "outputs", reads=True).parent


@pytest.fixture(scope="module")
def sheet(outputs: Path) -> Pixels:
    """A 7 that the run reads as one, as dark ink on white, uint8 (200, 200, 3)."""
    sevens = IMAGES[LABELS == 7]
    seven = sevens[load_runs((), outputs)[0].predict(sevens)[:, 7].argmax()]
    ink = cv2.resize(seven, (140, 140), interpolation=cv2.INTER_CUBIC)
    photo = np.full((200, 200, 3), 240, np.uint8)
    photo[30:170, 30:170] -= (ink * 0.8).astype(np.uint8)[:, :, None]
    return photo


@pytest.fixture
def answers(outputs: Path):
    def answer(*words: object) -> list[dict]:
        done = predict(*words, "--output-dir", outputs, "--json")
        assert (done.status, done.err.count("\n")) == (0, "--run" not in words)  # a note says which run answered
        return json.loads(done.out)

    return answer


def test_every_kind_of_image_file(answers, tmp_path: Path, sheet: Pixels) -> None:
    image, grey = Image.fromarray(sheet), Image.fromarray(sheet[:, :, 0])
    for suffix in ("png", "jpg", "webp", "bmp", "tiff", "avif", "ppm"):
        image.save(tmp_path / f"colour.{suffix}")
    image.save(tmp_path / "frames.gif", save_all=True, append_images=[Image.new("RGB", (200, 200))])
    Image.fromarray(sheet[:, :, 0].astype(np.uint16) * 257).save(tmp_path / "deep.png")
    Image.fromarray(sheet[:, :, 0].astype(np.float32) / 255).save(tmp_path / "float.tiff")
    image.convert("P").save(tmp_path / "palette.png")
    image.convert("CMYK").save(tmp_path / "print.jpg")
    grey.save(tmp_path / "grey.png")
    grey.point(lambda value: 255 * (value > 128)).convert("1").save(tmp_path / "fax.png")
    for name, colour in (("dark", 0), ("light", 255)):
        pixels = np.dstack([np.full((200, 200, 3), colour, np.uint8), 255 - sheet[:, :, 0]])
        Image.fromarray(pixels).save(tmp_path / f"transparent-{name}.png")
    exif = Image.Exif()
    exif[0x0112] = 6  # orientation
    Image.fromarray(np.rot90(sheet)).save(tmp_path / "turned.jpg", exif=exif)
    Image.fromarray(255 - sheet).save(tmp_path / "negative.png")
    found = answers(tmp_path)
    assert len(found) == len(list(tmp_path.iterdir())) == 18
    assert {answer["path"]: answer["label"] for answer in found if answer["label"] != 7} == {}
    assert set(found[0]) == {"path", "label", "probability", "runner_up", "runner_up_probability", "sure", "box"}
    assert all(answer["sure"] for answer in found)


def test_bad_files_are_named_and_the_rest_is_answered(outputs: Path, tmp_path: Path, sheet: Pixels) -> None:
    Image.fromarray(sheet).save(tmp_path / "good.png")
    whole = (tmp_path / "good.png").read_bytes()
    (tmp_path / "cut.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "text.jpg").write_text("not a photo")
    claim = b"IHDR" + struct.pack(">IIBBBBB", 20_000, 20_000, 8, 2, 0, 0, 0)  # in bytes that are checked by a sum
    (tmp_path / "bomb.png").write_bytes(whole[:12] + claim + struct.pack(">I", zlib.crc32(claim)) + whole[33:])
    Image.new("RGB", (300, 200), (230, 230, 225)).save(tmp_path / "blank.png")
    (tmp_path / "folder").mkdir()
    done = predict(tmp_path, tmp_path / "folder", tmp_path / "missing.png", "--output-dir", outputs)
    assert done.status == 1
    assert f"{tmp_path / 'good.png'}: 7 (" in done.out
    assert f"{tmp_path / 'blank.png'}: no digit found" in done.out
    *errors, by, note = done.err.splitlines()
    assert by == f"note: answered by '{next(outputs.iterdir()).name}'; --run selects another run."
    assert note == f"note: '{tmp_path}' has 1 subfolder (folder), not read; --recursive reads them."
    names = ["bomb.png", "cut.png", "empty.png", "text.jpg", "folder", "missing.png"]
    assert [line.split(": ")[:2] for line in errors] == [["error", str(tmp_path / name)] for name in names]


@pytest.mark.slow
def test_several_digits_are_marked_in_copies_with_names_of_their_own(answers, tmp_path: Path) -> None:
    photo = photograph([[DIGITS[digit] for digit in (4, 0, 7, 1)]], "mild", np.random.default_rng(1))
    (tmp_path / "in").mkdir()
    for name in ("a b.png", "a_b.png"):
        Image.fromarray(photo).save(tmp_path / "in" / name)
    boxes, steps = tmp_path / "boxes", tmp_path / "steps"
    found = answers(tmp_path / "in", "--multiple", "--boxes", boxes, "--save-steps", steps)
    assert {Path(answer["boxes"]) for answer in found} == set(boxes.iterdir())
    assert len(list(boxes.iterdir())) == len(list(steps.glob("*-1-grey.png"))) == 2
    for answer in found:
        assert [len(number) for number in answer["numbers"]] == [4]
        lefts = [digit["box"][0] for digit in answer["digits"]]
        assert lefts == sorted(lefts)
        assert (np.asarray(Image.open(answer["boxes"])) != photo).any()


def test_a_damaged_run_is_left_out_with_a_note(outputs: Path, tmp_path: Path, sheet: Pixels) -> None:
    (run,) = outputs.iterdir()
    for name in ("bad-model", "good", "half"):
        shutil.copytree(run, tmp_path / "outputs" / name)
    (tmp_path / "outputs" / "half" / "labels.npy").unlink()
    bad = tmp_path / "outputs" / "bad-model"
    (bad / "model.onnx").write_bytes(b"no model")
    add_info(bad, validation={"n": 4000, "accuracy": 1.0, "loss": 0.0})  # the best
    Image.fromarray(sheet).save(tmp_path / "photo.png")
    done = predict(tmp_path / "photo.png", "--output-dir", tmp_path / "outputs")
    assert done.status == 0, done.err
    assert ": 7 (" in done.out
    assert "answered by 'good'" in done.err
    for note, name in zip(sorted(done.err.splitlines())[1:], ("bad-model", "half"), strict=True):
        assert note.startswith(f"note: left out: '{tmp_path / 'outputs' / name}{os.sep}")


def test_runs_are_averaged_and_wrong_ones_refused(answers, outputs: Path, tmp_path: Path, sheet: Pixels) -> None:
    Image.fromarray(sheet).save(tmp_path / "photo.png")
    runs = [next(outputs.iterdir()), make_linear_run(tmp_path / "outputs", framework="tensorflow")]
    (mean,) = answers(tmp_path / "photo.png", "--run", *runs)
    loaded = load_runs([str(run) for run in runs], outputs)
    expected = np.mean([run.predict(find_digit(sheet).image[None])[0] for run in loaded], axis=0)
    assert mean["label"] == expected.argmax()
    assert mean["probability"] == pytest.approx(expected.max(), abs=2e-4)
    done = predict(tmp_path / "photo.png", "--run", "nowhere", "--output-dir", outputs)
    assert (done.status, done.out) == (1, "")
    assert f"there is no run '{outputs / 'nowhere'}'" in done.err
    done = predict(tmp_path / "photo.png", "--output-dir", tmp_path / "empty")
    assert done.status == 1
    assert "python mnist_pytorch.py" in done.err


def test_usage() -> None:
    assert predict("--help").status == 0
    for words, sentence in (
        ([], "no photo is given; "),
        (["photo.jpg", "--boxes", "b"], "--boxes needs --multiple."),
        (["photo.jpg", "--resume"], "--resume needs --csv."),
        (["photo.jpg", "--json", "--csv", "x.csv"], "--json, --jsonl and --csv cannot go together; "),
        (["photo.jpg", "--workers", "-1"], "--workers -1 must be at least 0."),
        (["photos", "--multiple", "--boxes", "./photos"], "photos are read from 'photos', "),
    ):
        done = predict(*words)
        assert done.status == 2
        assert done.err.startswith(f"error: {sentence}")


@pytest.mark.slow
def test_no_framework_is_imported_and_onnxruntime_reports_to_nobody(outputs: Path, tmp_path: Path) -> None:
    """Where it does, it leaves an id of the machine in ~/.cache, events not yet sent, and a session's id in /tmp."""
    Image.fromarray(IMAGES[0]).save(tmp_path / "photo.png")
    code = (
        "import sys, time, predict_digit; predict_digit.main(); time.sleep(1)\n"
        "print({'torch', 'tensorflow', 'sklearn', 'matplotlib', 'gradio'} & set(sys.modules), file=sys.stderr)"
    )
    (tmp_path / "home").mkdir()
    environment = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    environment |= {"HOME": str(tmp_path / "home"), "TMPDIR": str(tmp_path / "home"), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", code, str(tmp_path / "photo.png"), "--output-dir", str(outputs)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert (done.returncode, done.stderr.splitlines()[1:]) == (0, ["set()"])
    assert list((tmp_path / "home").rglob("*")) == []


def make_folder(folder: Path, count: int) -> Path:
    """Write so many files: 20 digits under many names, some in a subfolder, and two that cannot be read."""
    (folder / "sub").mkdir(parents=True)
    for i in range(20):
        Image.fromarray(DIGITS[i % 10]).save(folder / f"{i:04}.png")
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
def test_a_killed_table_is_resumed_with_every_file_once(outputs: Path, tmp_path: Path) -> None:
    folder, table = make_folder(tmp_path / "in", 4_000), tmp_path / "answers.csv"
    words = [folder, "--recursive", "--output-dir", outputs, "--csv", table, "--resume", "--workers", "2"]
    size = random.randrange(100, 80_000)
    print(f"killed at {size} bytes of the table")
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
def test_processes_answer_as_one_core_does(outputs: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(reading, "FEW_FILES", 0)
    words = [make_folder(tmp_path / "in", 60), "--recursive", "--output-dir", outputs, "--jsonl"]
    alone, two = (predict(*words, "--workers", workers) for workers in (1, 2))
    assert (alone.status, two.status, len(alone.out.splitlines())) == (1, 1, 60)
    assert alone.out == two.out
    # A process that dies costs a file.
    monkeypatch.setattr(reading, "spread", lambda work, chunks, workers: (([file], None) for file in chunks[0]))
    assert "reading it crashed" in predict(*words, "--workers", 2).out


def test_each_page_has_an_answer_and_a_resumed_table_has_all(outputs: Path, tmp_path: Path) -> None:
    pages = [Image.fromarray(DIGITS[i]) for i in (0, 2, 5)]
    (tmp_path / "in").mkdir()
    pages[0].save(tmp_path / "in" / "scan.tif", save_all=True, append_images=pages[1:])
    pages[0].save(tmp_path / "in" / "z.png")
    answers = [*chain(*answer_files(list_files([tmp_path / "in"]), load_runs((), outputs), workers=1))]
    assert as_text(answers[1]).startswith(f"{tmp_path / 'in' / 'scan.tif'} page 2: ")
    table = tmp_path / "t.csv"
    with writing_table(table, resume=False) as unfinished:
        unfinished.write(answers[:2])
    table.write_bytes(table.read_bytes()[:-5])
    assert predict(tmp_path / "in", "--output-dir", outputs, "--csv", table, "--resume").status == 0
    found = [(Path(row["path"]).name, row["page"]) for row in read(table)]
    assert found == [("scan.tif", "1"), ("scan.tif", "2"), ("scan.tif", "3"), ("z.png", "")]


def test_what_a_person_should_look_at_is_copied(outputs: Path, tmp_path: Path) -> None:
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
    for name, digits in (("one", DIGITS[:1]), ("two", DIGITS[:6:5])):
        Image.fromarray(number(list(digits), 40)).save(tmp_path / f"{name}.png")
    (one,), (two,) = answer_files(list_files([tmp_path]), load_runs((), outputs), workers=1)
    assert ("several" in one, two["several"], two["sure"]) == (False, True, False)
    assert as_text(two).endswith("%), one of several digits; --multiple reads all")
