"""predict_digit.py as a user runs it, on photos of every kind and on files that are not images."""

import hashlib
import json
import os
import shutil
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import Trained
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from paths import ROOT
from picture_runs import add_info
from PIL import Image

from digits.errors import UserError
from digits.inference.listing import output_names
from digits.photos.read import MAX_PIXELS, read_photo
from digits.photos.synthetic import photograph
from digits.web.answers import Networks

Pixels = np.ndarray


def predict(*arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "predict_digit.py"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd, timeout=60)


def answers(*arguments: object, cwd: Path, status: int = 0) -> list[dict]:
    done = predict(*arguments, "--json", cwd=cwd)
    assert done.returncode == status, done.stderr
    assert done.stderr == ""
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def place(workplace: Path, train_once: Callable[[str], Trained]) -> Path:
    """A folder with outputs/, in which a run of PyTorch is."""
    train_once("pytorch")
    return workplace


@pytest.fixture(scope="module")
def dataset(workplace: Path):
    from digits.data.datasets import load_dataset

    return load_dataset("mnist-sample", workplace / "mnist_data")


@pytest.fixture(scope="module")
def seven(dataset) -> Pixels:
    """A test image of a 7, uint8 (28, 28)."""
    return dataset.test_images[np.flatnonzero(dataset.test_labels == 7)[0]]


@pytest.fixture
def sheet(seven: Pixels) -> Pixels:
    """The 7 as dark ink on white, uint8 (200, 200, 3)."""
    ink = cv2.resize(seven, (140, 140), interpolation=cv2.INTER_CUBIC)
    photo = np.full((200, 200, 3), 240, np.uint8)
    photo[30:170, 30:170] -= (ink * 0.8).astype(np.uint8)[:, :, None]
    return photo


def test_every_kind_of_image_file(place: Path, tmp_path: Path, sheet: Pixels) -> None:
    image, grey = Image.fromarray(sheet), Image.fromarray(sheet[:, :, 0])
    for suffix in ("png", "jpg", "webp", "bmp", "tiff"):
        image.save(tmp_path / f"colour.{suffix}")
        grey.save(tmp_path / f"grey.{suffix}")
    image.save(tmp_path / "frames.gif", save_all=True, append_images=[Image.new("RGB", (200, 200))])
    Image.fromarray(sheet[:, :, 0].astype(np.uint16) * 257).save(tmp_path / "deep.png")
    Image.fromarray(sheet[:, :, 0].astype(np.float32) / 255).save(tmp_path / "float.tiff")
    image.convert("P").save(tmp_path / "palette.png")
    image.convert("CMYK").save(tmp_path / "print.jpg")
    grey.point(lambda value: 255 * (value > 128)).convert("1").save(tmp_path / "fax.png")
    alpha = 255 - sheet[:, :, 0]
    for name, colour in (("dark", 0), ("light", 255)):
        pixels = np.dstack([np.full((200, 200, 3), colour, np.uint8), alpha])
        Image.fromarray(pixels).save(tmp_path / f"transparent-{name}.png")
    turned = Image.fromarray(np.rot90(sheet))
    turned.save(tmp_path / "turned.jpg", exif=_orientation(6))
    Image.fromarray(255 - sheet).save(tmp_path / "negative.png")
    found = answers(tmp_path, cwd=place)
    assert len(found) == len(list(tmp_path.iterdir())) == 20
    assert {answer["path"]: answer["digit"] for answer in found if answer["digit"] != 7} == {}
    assert set(found[0]) == {"path", "digit", "probability", "runner_up", "runner_up_probability", "sure", "box"}
    assert all(answer["sure"] for answer in found)


def _orientation(value: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = value
    return exif


def test_bad_files_are_named_and_the_rest_is_answered(place: Path, tmp_path: Path, sheet: Pixels) -> None:
    Image.fromarray(sheet).save(tmp_path / "good.png")
    whole = (tmp_path / "good.png").read_bytes()
    (tmp_path / "cut.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "text.jpg").write_text("not a photo")
    (tmp_path / "bomb.png").write_bytes(_png_header(20_000, 20_000))
    (tmp_path / "large.png").write_bytes(_png_header(10_000, 10_000))
    Image.new("RGB", (300, 200), (230, 230, 225)).save(tmp_path / "blank.png")
    Image.new("L", (300, 200), 0).save(tmp_path / "black.png")
    (tmp_path / "folder").mkdir()
    done = predict(tmp_path, tmp_path / "folder", tmp_path / "missing.png", cwd=place)
    assert done.returncode == 1
    assert f"{tmp_path / 'good.png'}: 7 (" in done.stdout
    for name in ("blank", "black"):
        assert f"{tmp_path / f'{name}.png'}: no digit found" in done.stdout
    *errors, note = done.stderr.splitlines()
    assert note == f"note: '{tmp_path}' has 1 subfolder (folder), not read; --recursive reads them."
    assert len(errors) == 7
    assert all(line.startswith("error: ") for line in errors)
    for name in ("cut.png", "empty.png", "text.jpg", "bomb.png", "large.png", "folder", "missing.png"):
        assert sum(f"{tmp_path / name}:" in line for line in errors) == 1, name
    (tmp_path / "folder").rmdir()
    found = answers(tmp_path, cwd=place, status=1)
    assert [answer["digit"] for answer in found if "error" in answer] == [None] * 5
    assert [answer["digit"] for answer in found if "error" not in answer] == [None, None, 7]


def _png_header(width: int, height: int) -> bytes:
    """Return the beginning of a PNG that claims so many pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")


def test_the_limit_on_pixels_is_below_a_hundred_million() -> None:
    assert 50_000_000 <= MAX_PIXELS < 100_000_000


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_bytes_give_a_photo_or_a_sentence(tmp_path: Path, sheet: Pixels, data: st.DataObject) -> None:
    suffix = data.draw(st.sampled_from(["png", "jpeg", "webp", "bmp", "tiff", "gif"]))
    path = tmp_path / f"photo.{suffix}"
    Image.fromarray(sheet).save(path)
    raw = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 5))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(raw[: data.draw(st.integers(0, len(raw)))])
    try:
        pixels = read_photo(path).pixels
    except UserError as error:
        assert str(error)  # noqa: PT017
    else:
        assert pixels.dtype == np.uint8


def test_several_digits(place: Path, tmp_path: Path, dataset) -> None:
    first = {digit: dataset.test_images[np.flatnonzero(dataset.test_labels == digit)[1]] for digit in range(10)}
    photo = photograph([[first[4], first[0], first[7], first[1]]], "mild", np.random.default_rng(1))
    Image.fromarray(photo).save(tmp_path / "number.png")
    (answer,) = answers(tmp_path / "number.png", "--multiple", "--boxes", tmp_path / "boxes", cwd=place)
    assert answer["numbers"] == ["4071"]
    lefts = [digit["box"][0] for digit in answer["digits"]]
    assert lefts == sorted(lefts)
    copy = np.asarray(Image.open(answer["boxes"]))
    assert copy.shape == photo.shape
    assert (copy != photo).any()


def test_each_copy_has_a_name_of_its_own(place: Path, tmp_path: Path, sheet: Pixels) -> None:
    names = ["a b.png", "a_b.png", "ß" * 122 + ".png", "9" * 251 + ".png"]
    for name in names:
        Image.fromarray(sheet).save(tmp_path / name)
    found = answers(
        tmp_path, "--multiple", "--boxes", tmp_path / "boxes", "--save-steps", tmp_path / "steps", cwd=place
    )
    assert [answer["digit"] for answer in found] == [7] * len(names)
    assert {Path(answer["boxes"]) for answer in found} == set((tmp_path / "boxes").iterdir())
    assert len(list((tmp_path / "boxes").iterdir())) == len(names)
    assert len(list((tmp_path / "steps").glob("*-1-grey.png"))) == len(names)


def test_names_for_output_are_unique_and_short() -> None:
    files = [Path(folder, f"{i}.png") for folder in "ab" for i in range(25_000)]  # comparing each with all: minutes
    odd = ["2-x.png", "x.png", "X.png", "x .png", "x_.png", "1-x.png", "é" * 126, "é" * 127, "a\n\udcff.png", "a__.png"]
    for paths in (files, list(map(Path, odd)), list(map(Path, reversed(odd)))):
        names = output_names(paths)
        assert len({name.casefold() for name in names}) == len(paths)
        assert max(len(f"{name}-6-as-MNIST.png".encode()) for name in names) < 256
    assert output_names([Path("a/photo.png"), Path("b/other.png")]) == ["photo.png", "other.png"]


def test_a_damaged_run_is_left_out_with_a_note(place: Path, tmp_path: Path, sheet: Pixels) -> None:
    outputs = tmp_path / "outputs"
    for name in ("bad-model", "bad-validation", "good", "half"):
        shutil.copytree(place / "outputs" / "mnist-sample-cnn-pytorch", outputs / name)
    with pytest.raises(UserError):
        add_info(outputs / "bad-validation", validation={"n": 400})
    (outputs / "half" / "labels.npy").unlink()
    model = b"no model"
    (outputs / "bad-model" / "model.onnx").write_bytes(model)
    files = json.loads((outputs / "bad-model" / "run.json").read_text())["files"]
    files["model.onnx"] = hashlib.sha256(model).hexdigest()
    add_info(outputs / "bad-model", validation={"n": 4000, "accuracy": 1.0, "loss": 0.0}, files=files)  # the best
    Image.fromarray(sheet).save(tmp_path / "photo.png")
    done = predict(tmp_path / "photo.png", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert ": 7 (" in done.stdout
    notes = sorted(done.stderr.splitlines())
    assert len(notes) == 3
    for note, name in zip(notes, ("bad-model", "bad-validation", "half"), strict=True):
        assert note.startswith(f"note: left out: 'outputs/{name}/")
    assert "run.json' lacks 'validation.accuracy'" in notes[1]
    shutil.rmtree(outputs / "bad-model")
    assert [run.name for run in Networks((), outputs).find()] == ["good"]  # what draw_digit.py shows


def test_steps_are_written(place: Path, tmp_path: Path, sheet: Pixels) -> None:
    Image.fromarray(sheet).save(tmp_path / "photo.png")
    assert predict(tmp_path / "photo.png", "--save-steps", tmp_path / "steps", cwd=place).returncode == 0
    names = sorted(path.name for path in (tmp_path / "steps").iterdir())
    assert names[0] == "photo.png-1-grey.png"
    assert names[-1] == "photo.png-6-as-MNIST.png"
    assert Image.open(tmp_path / "steps" / names[-1]).size == (280, 280)


def test_runs_are_averaged_and_wrong_ones_refused(
    place: Path, tmp_path: Path, sheet: Pixels, train_once: Callable[[str], Trained]
) -> None:
    Image.fromarray(sheet).save(tmp_path / "photo.png")
    both = [train_once(framework).path.name for framework in ("pytorch", "tensorflow")]
    one, other, mean = (
        answers(tmp_path / "photo.png", *options, cwd=place)[0]["probability"]
        for options in (["--run", both[0]], ["--run", both[1]], ["--run", *both])
    )
    assert mean == pytest.approx((one + other) / 2, abs=2e-4)
    done = predict(tmp_path / "photo.png", "--run", "nowhere", cwd=place)
    assert (done.returncode, done.stdout) == (1, "")
    assert "there is no run 'outputs/nowhere'" in done.stderr
    done = predict(tmp_path / "photo.png", cwd=tmp_path)
    assert done.returncode == 1
    assert "python mnist_pytorch.py" in done.stderr


def test_usage(place: Path) -> None:
    assert predict("--help", cwd=place).returncode == 0
    assert predict("--nonsense", cwd=place).returncode == 2
    for words, sentence in (
        ([], "no photo is named; "),
        (["--run", "a", "photo.jpg"], "no photo is named; "),
        (["photo.jpg", "--boxes", "b"], "--boxes must go with --multiple."),
        (["photo.jpg", "--resume"], "--resume must go with --csv."),
        (["photo.jpg", "--json", "--csv", "x.csv"], "--json, --jsonl and --csv cannot go together; "),
        (["photo.jpg", "--shard", "4/3"], "--shard 4/3 must be K/N, "),
        (["photo.jpg", "--shard", "0/3"], "--shard 0/3 must be K/N, "),
        (["photo.jpg", "--workers", "-1"], "--workers -1 must be at least 0."),
        (["photos/a", "--unsure", "photos"], "'photos' is for copies, "),
        (["photos", "--multiple", "--boxes", "./photos"], "'photos' is for copies, "),
    ):
        done = predict(*words, cwd=place)
        assert done.returncode == 2
        assert done.stderr.startswith(f"error: {sentence}")
        assert done.stderr.count("\n") == 1


def test_each_photo_of_a_large_folder_gets_its_own_answer(place: Path, tmp_path: Path, dataset) -> None:
    for i in range(300):
        Image.fromarray(dataset.test_images[i]).save(tmp_path / f"{i}.png")
    found = answers(tmp_path, cwd=place)
    order = [int(Path(answer["path"]).stem) for answer in found]
    right = [answer["digit"] == dataset.test_labels[i] for answer, i in zip(found, order, strict=True)]
    assert np.mean(right) > 0.93  # the run was trained on 4,000 digits


def test_no_framework_is_imported(place: Path, tmp_path: Path, sheet: Pixels) -> None:
    Image.fromarray(sheet).save(tmp_path / "photo.png")
    code = (
        "import sys, predict_digit; predict_digit.main()\n"
        "print({'torch', 'tensorflow', 'sklearn', 'matplotlib', 'gradio'} & set(sys.modules), file=sys.stderr)"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", code, str(tmp_path / "photo.png")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=place, env=environment)
    assert (done.returncode, done.stderr) == (0, "set()\n")


def test_onnxruntime_reports_to_nobody(place: Path, tmp_path: Path) -> None:
    """Where it does, it leaves an id of the machine in ~/.cache, events not yet sent, and a session's id in /tmp."""
    imports = "import time; from digits.inference.trained_run import load_runs; from pathlib import Path"
    code = f"{imports}; load_runs((), Path('outputs'))"
    env = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    env |= {"HOME": str(tmp_path), "TMPDIR": str(tmp_path), "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", f"{code}; time.sleep(1)"], cwd=place, env=env, check=True, timeout=60)
    assert list(tmp_path.rglob("*")) == []
