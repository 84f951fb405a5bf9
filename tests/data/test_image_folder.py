"""PNG folders as datasets: there and back without a changed byte, every layout, every error by its file."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from in_process import run_download
from PIL import Image
from small_dataset import ARRAYS, SMALL, write_mirror

from mnist_twice.data import Dataset, image_folder, load_dataset
from mnist_twice.data.catalogue import stratified_sample
from mnist_twice.data.datasets import check_name, read_dataset, write_own
from mnist_twice.data.download import download_dataset
from mnist_twice.data.form import Changes
from mnist_twice.data.image_folder import list_images, read_image_folder, write_image_folder
from mnist_twice.errors import UserError

ONE = np.arange(784, dtype=np.uint16).reshape(28, 28).astype(np.uint8)


def save(path: Path, pixels: np.ndarray = ONE) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


@pytest.fixture
def written(tmp_path: Path) -> Path:
    """The small dataset as PNG files."""
    download_dataset(SMALL, tmp_path / "data", str(write_mirror(tmp_path / "mirror")))
    write_image_folder(read_dataset(SMALL, tmp_path / "data"), tmp_path / "pngs")
    return tmp_path / "pngs"


@given(
    names=st.lists(st.text("ab01 _-/.é", min_size=1, max_size=4), min_size=2, max_size=12, unique=True),
    data=st.data(),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_dataset_there_and_back(tmp_path_factory: pytest.TempPathFactory, names: list[str], data) -> None:
    labels = [*range(len(names)), *data.draw(st.lists(st.integers(0, len(names) - 1), max_size=15))]
    labels = np.array(data.draw(st.permutations(labels)), np.uint8)
    images = np.arange(len(labels) * 784, dtype=np.uint32).astype(np.uint8).reshape(-1, 28, 28)
    dataset = Dataset("any", images, labels, images[::-1], labels[::-1], tuple(names), "")
    folder = tmp_path_factory.mktemp("there") / "pngs"
    write_image_folder(dataset, folder)
    arrays, class_names = read_image_folder(folder, print, Changes())
    assert class_names in (tuple(names), tuple(map(str, range(len(names)))))
    for array, original in zip(arrays, (images, labels, images[::-1], labels[::-1]), strict=True):
        np.testing.assert_array_equal(array, original)


def test_the_command_makes_a_dataset_that_is_known_by_its_name(written: Path, tmp_path: Path) -> None:
    words = ["--data-dir", tmp_path / "mine", "--name", "my-digits", "--from-images", written]
    done = run_download(*words, "--to-images", tmp_path / "again")
    assert (done.status, done.err) == (0, "")
    assert "60 training and 20 test images" in done.out
    before = load_dataset("my-digits", tmp_path / "mine").fingerprint
    assert before == read_dataset(SMALL, written.parent / "data").fingerprint
    assert sorted(p.name for p in (tmp_path / "again").rglob("*")) == sorted(p.name for p in written.rglob("*"))
    twice, bad, *_ = (written / "test").iterdir()
    (written / "train" / f"{twice.name[0]}_999.png").write_bytes(twice.read_bytes())
    assert "warning: 1 of the test images are also training images" in run_download(*words).err
    before = load_dataset("my-digits", tmp_path / "mine").fingerprint
    bad.write_bytes(bad.read_bytes()[:-30])
    done = run_download(*words)
    assert (done.status, len(done.err.splitlines())) == (1, 1)
    assert str(bad) in done.err
    assert load_dataset("my-digits", tmp_path / "mine").fingerprint == before  # is as it was
    image = tmp_path / "mine" / "my-digits" / "raw" / "train-images-idx3-ubyte"
    image.write_bytes(image.read_bytes()[:-1] + b"x")
    with pytest.raises(UserError, match=r"--from-images FOLDER --name my-digits"):
        load_dataset("my-digits", tmp_path / "mine")
    for wrong in (["--name", "x"], ["--from-images", written], [*words, "--force"]):
        done = run_download("--data-dir", tmp_path / "mine", *wrong)
        assert (done.status, done.out, done.err.count("\n")) == (2, "", 1)
        assert done.err.startswith(("error: --name ", "error: --from-images needs --name."))


def test_a_folder_for_each_class_and_a_split_made_here(tmp_path: Path) -> None:
    for label, count in (("10", 14), ("9", 7), ("b", 21)):
        for i in range(count):
            save(tmp_path / label / f"picture {i}.PNG", np.full((28, 28), i, np.uint8))
    (train, train_labels, test, test_labels), class_names = read_image_folder(tmp_path, print, Changes())
    assert class_names == ("b", "9", "10")
    np.testing.assert_array_equal(np.bincount(train_labels), [18, 6, 12])
    np.testing.assert_array_equal(np.bincount(test_labels), [3, 1, 2])
    pairs = [(label, image[0, 0]) for image, label in zip([*train, *test], [*train_labels, *test_labels], strict=True)]
    assert len(set(pairs)) == 42


@pytest.mark.slow
def test_pictures_of_any_kind_are_converted_and_each_that_fails_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(image_folder, "FEW", 0)  # by several processes
    images, labels = stratified_sample()[2:]
    sample = {label: images[labels == label][:14] for label in range(3)}
    formats = ("png", "jpg", "webp", "tiff", "bmp")
    for label in range(3):
        for i, image in enumerate(sample[label]):
            if i % 2:  # as a picture: dark on light, in colour
                large = cv2.resize(image, (90, 90), interpolation=cv2.INTER_CUBIC)
                image = np.dstack([235 - (large * 0.8).astype(np.uint8)] * 2 + [np.full((90, 90), 200, np.uint8)])
            save(tmp_path / "in" / str(label) / f"{i}.{formats[i % 5 if i % 2 else 0]}", image)
    save(tmp_path / "in" / "1" / "empty.png", np.full((50, 50), 255, np.uint8))
    (tmp_path / "in" / "2" / "broken.jpg").write_bytes(b"\xff\xd8 nothing")
    words = ["--data-dir", tmp_path / "mine", "--from-images", tmp_path / "in", "--name", "mine", "--convert"]
    done = run_download(*words, "--allow-lost")
    assert done.status == 0, done.err
    first, second, *_, total = done.err.splitlines()
    assert first == f"warning: left out: '{tmp_path / 'in' / '1' / 'empty.png'}': no digit found."
    assert second.startswith(f"warning: left out: '{tmp_path / 'in' / '2' / 'broken.jpg'}': ")
    assert total == "warning: left out: 2 of the 44 pictures: 1 of 15 of class '1', 1 of 15 of class '2'."
    dataset = load_dataset("mine", tmp_path / "mine")
    assert (len(dataset.train_labels), len(dataset.test_labels)) == (36, 6)
    kept = {image.tobytes() for image in (*dataset.train_images, *dataset.test_images)}
    assert all(image.tobytes() in kept for label in range(3) for image in sample[label][::2])  # MNIST's form already


def test_what_is_not_read_is_counted_and_named(tmp_path: Path) -> None:
    for label in "01":
        for i in range(14):
            save(tmp_path / label / f"{i}.png", ONE)
    (tmp_path / "0" / "0.png").rename(tmp_path / "0" / "no_ending")
    Image.fromarray(ONE).save(tmp_path / "1" / "scan", format="PPM")
    save(tmp_path / "0" / "more" / "1.png", ONE)
    save(tmp_path / "0" / ".thumbnails" / "1.png", ONE)
    (tmp_path / "1" / "notes.txt").write_text("notes")
    (tmp_path / "README").write_text("notes")
    (tmp_path / "2").mkdir()
    notes: list[str] = []
    assert len(list_images(tmp_path, notes.append)) == 30  # by what is in them, whatever their names
    assert notes == [
        f"not read in '{tmp_path}': 2 files ({Path('1', 'notes.txt')}, README) not in an image format.",
        f"'{tmp_path}' has 1 folder (2) without any image; the dataset lacks these classes.",
    ]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda folder: None, "is not a folder with image files"),
        (lambda folder: save(folder / "seven.png"), r"seven\.png': its name does not give"),
        (lambda folder: (folder / "1_1.png").write_bytes(b""), r"1_1\.png': the file is empty"),
        (lambda folder: save(folder / "train" / "1_1.png"), r"test' is not a folder with image"),
    ],
)
def test_errors_name_the_file(tmp_path: Path, make, message: str) -> None:
    folder = tmp_path / "pngs"
    folder.mkdir()
    make(folder)
    if any(folder.glob("*.png")):
        save(folder / "2_1.png")  # a second class
    with pytest.raises(UserError, match=message):
        read_image_folder(folder, print, Changes())


def test_folders_of_both_parts_by_other_names(tmp_path: Path) -> None:
    for name in ("Training/1/a.png", "Training/2/a.png", "TESTING/1/a.png", "TESTING/2/a.png"):
        save(tmp_path / name)
    arrays, _ = read_image_folder(tmp_path, print, Changes())
    assert [len(array) for array in arrays] == [2, 2, 2, 2]


def test_classes_that_are_only_tested_are_refused(tmp_path: Path) -> None:
    for name in ("train/1_1.png", "train/2_1.png", "test/1_1.png", "test/seven_1.png"):
        save(tmp_path / name)
    with pytest.raises(UserError, match=r"test' has images of class 'seven'.*, '.*train' has none\.$"):
        read_image_folder(tmp_path, print, Changes())


def test_names_that_cannot_be(tmp_path: Path) -> None:
    for name in ("mnist", "MNIST", "all", "fashionmnist", "../x", "", "-x"):
        with pytest.raises(UserError, match=r"cannot name|is taken"):
            check_name(name, tmp_path)


def test_a_damaged_description_is_named(tmp_path: Path) -> None:
    write_own("mine", ARRAYS, tuple("0123456789"), tmp_path)
    for text in ("", '{"class_names": 12, "train": 60, "test": 20}', '{"class_names": ["a", "b"], "train": 60}'):
        (tmp_path / "mine" / "dataset.json").write_text(text)
        with pytest.raises(UserError, match=r"dataset\.json' is damaged"):
            load_dataset("mine", tmp_path)


@pytest.mark.slow
def test_classes_that_converting_loses_are_counted(tmp_path: Path) -> None:
    images, labels = stratified_sample()[2:]
    chosen = np.concatenate([np.flatnonzero(labels == digit)[:10] for digit in range(10)])
    for i, (image, label) in enumerate(zip(images[chosen], labels[chosen], strict=True)):
        (tmp_path / str(label)).mkdir(exist_ok=True)
        blank = label == 7 and i % 10 < 9
        Image.fromarray(image * 0 if blank else image).save(tmp_path / str(label) / f"{i}.png")
    reported: list[str] = []
    with pytest.raises(UserError, match=r"9 of the 100 pictures \(9\.0 %\) could not be converted.*--allow-lost"):
        read_image_folder(tmp_path, reported.append, Changes(), convert=True)
    assert reported[-1] == "left out: 9 of the 100 pictures: 9 of 10 of class '7'."
    arrays, class_names = read_image_folder(tmp_path, reported.append, Changes(), convert=True, allow_lost=True)
    assert (len(arrays[0]) + len(arrays[2]), class_names) == (91, tuple("0123456789"))
    assert reported[-1].endswith("9 of 10 of class '7'.")
    for path in (tmp_path / "7").iterdir():
        path.write_bytes(b"")
    with pytest.raises(UserError, match="has no picture of class '7' that can"):
        read_image_folder(tmp_path, reported.append, Changes(), convert=True, allow_lost=True)
