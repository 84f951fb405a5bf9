"""predict_digit.py as a user runs it, on photos of every kind and on files that are not images."""

import hashlib
import json
import os
import shutil
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from linear_run import make_linear_run
from paths import ROOT
from picture_runs import add_info
from PIL import Image

from benchmarks.synthetic_photos import photograph
from digits.data.sample import stratified_sample
from digits.photos import find_digit
from digits.prediction import load_runs

IMAGES, LABELS = stratified_sample()[2:]
Pixels = np.ndarray


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
def answers(predict, outputs: Path):
    def answer(*words: object, status: int = 0) -> list[dict]:
        done = predict(*words, "--output-dir", outputs, "--json")
        assert done.status == status, done.err
        assert (done.err == "") == (status == 0)
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
    assert {answer["path"]: answer["digit"] for answer in found if answer["digit"] != 7} == {}
    assert set(found[0]) == {"path", "digit", "probability", "runner_up", "runner_up_probability", "sure", "box"}
    assert all(answer["sure"] for answer in found)


def test_bad_files_are_named_and_the_rest_is_answered(
    answers, predict, outputs: Path, tmp_path: Path, sheet: Pixels
) -> None:
    Image.fromarray(sheet).save(tmp_path / "good.png")
    whole = (tmp_path / "good.png").read_bytes()
    (tmp_path / "cut.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "text.jpg").write_text("not a photo")
    (tmp_path / "bomb.png").write_bytes(_png_header(20_000, 20_000))
    Image.new("RGB", (300, 200), (230, 230, 225)).save(tmp_path / "blank.png")
    (tmp_path / "folder").mkdir()
    done = predict(tmp_path, tmp_path / "folder", tmp_path / "missing.png", "--output-dir", outputs)
    assert done.status == 1
    assert f"{tmp_path / 'good.png'}: 7 (" in done.out
    assert f"{tmp_path / 'blank.png'}: no digit found" in done.out
    *errors, note = done.err.splitlines()
    assert note == f"note: '{tmp_path}' has 1 subfolder (folder), not read; --recursive reads them."
    assert len(errors) == 6
    for name in ("cut.png", "empty.png", "text.jpg", "bomb.png", "folder", "missing.png"):
        assert sum(line.startswith(f"error: {tmp_path / name}: ") for line in errors) == 1, name
    found = answers(tmp_path, status=1)
    assert [answer["digit"] for answer in found if "error" not in answer] == [None, 7]


def _png_header(width: int, height: int) -> bytes:
    """Return the beginning of a PNG that claims so many pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")


@pytest.mark.slow
def test_several_digits_are_marked_in_copies_with_names_of_their_own(answers, tmp_path: Path) -> None:
    first = [IMAGES[np.flatnonzero(digit == LABELS)[1]] for digit in (4, 0, 7, 1)]
    photo = photograph([first], "mild", np.random.default_rng(1))
    (tmp_path / "in").mkdir()
    for name in ("a b.png", "a_b.png"):
        Image.fromarray(photo).save(tmp_path / "in" / name)
    folders = ["--boxes", tmp_path / "boxes", "--save-steps", tmp_path / "steps"]
    found = answers(tmp_path / "in", "--multiple", *folders)
    assert {Path(answer["boxes"]) for answer in found} == set((tmp_path / "boxes").iterdir())
    assert len(list((tmp_path / "boxes").iterdir())) == len(list((tmp_path / "steps").glob("*-1-grey.png"))) == 2
    for answer in found:
        assert [len(number) for number in answer["numbers"]] == [4]
        lefts = [digit["box"][0] for digit in answer["digits"]]
        assert lefts == sorted(lefts)
        copy = np.asarray(Image.open(answer["boxes"]))
        assert copy.shape == photo.shape
        assert (copy != photo).any()


def test_a_damaged_run_is_left_out_with_a_note(predict, outputs: Path, tmp_path: Path, sheet: Pixels) -> None:
    (run,) = outputs.iterdir()
    for name in ("bad-model", "good", "half"):
        shutil.copytree(run, tmp_path / "outputs" / name)
    (tmp_path / "outputs" / "half" / "labels.npy").unlink()
    bad = tmp_path / "outputs" / "bad-model"
    (bad / "model.onnx").write_bytes(b"no model")
    files = json.loads((bad / "run.json").read_text())["files"]
    if "model.onnx" in files:
        files["model.onnx"] = hashlib.sha256(b"no model").hexdigest()
    add_info(bad, validation={"n": 4000, "accuracy": 1.0, "loss": 0.0}, files=files)  # the best
    Image.fromarray(sheet).save(tmp_path / "photo.png")
    done = predict(tmp_path / "photo.png", "--output-dir", tmp_path / "outputs")
    assert done.status == 0, done.err
    assert ": 7 (" in done.out
    notes = sorted(done.err.splitlines())
    assert len(notes) == 2
    for note, name in zip(notes, ("bad-model", "half"), strict=True):
        assert note.startswith(f"note: left out: '{tmp_path / 'outputs' / name}{os.sep}")


def test_runs_are_averaged_and_wrong_ones_refused(
    answers, predict, outputs: Path, tmp_path: Path, sheet: Pixels
) -> None:
    Image.fromarray(sheet).save(tmp_path / "photo.png")
    runs = [next(outputs.iterdir()), make_linear_run(tmp_path / "outputs", framework="tensorflow")]
    mean = answers(tmp_path / "photo.png", "--run", *runs)[0]
    image = find_digit(sheet).image[None]
    expected = np.mean([load_runs([str(run)], outputs)[0].predict(image)[0] for run in runs], axis=0)
    assert mean["digit"] == expected.argmax()
    assert mean["probability"] == pytest.approx(expected.max(), abs=2e-4)
    done = predict(tmp_path / "photo.png", "--run", "nowhere", "--output-dir", outputs)
    assert (done.status, done.out) == (1, "")
    assert f"there is no run '{outputs / 'nowhere'}'" in done.err
    done = predict(tmp_path / "photo.png", "--output-dir", tmp_path / "empty")
    assert done.status == 1
    assert "python mnist_pytorch.py" in done.err


def test_usage(predict) -> None:
    assert predict("--help").status == 0
    for words, sentence in (
        ([], "no photo is named; "),
        (["photo.jpg", "--boxes", "b"], "--boxes must go with --multiple."),
        (["photo.jpg", "--resume"], "--resume must go with --csv."),
        (["photo.jpg", "--json", "--csv", "x.csv"], "--json, --jsonl and --csv cannot go together; "),
        (["photo.jpg", "--workers", "-1"], "--workers -1 must be at least 0."),
        (["photos", "--multiple", "--boxes", "./photos"], "'photos' is for copies, "),
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
    assert (done.returncode, done.stderr) == (0, "set()\n")
    assert list((tmp_path / "home").rglob("*")) == []
