"""PNG folders as datasets: there and back without a changed byte, every layout, every error by its file."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from small_dataset import ARRAYS, SMALL, write_mirror

from digits.datasets import load_dataset, read_dataset
from digits.download import download_dataset
from digits.errors import UserError
from digits.own_datasets import write_own
from digits.png_folder import read_png_folder, write_png_folder

ROOT = Path(__file__).resolve().parents[1]
ONE = np.arange(784, dtype=np.uint16).reshape(28, 28).astype(np.uint8)


def save(path: Path, pixels: np.ndarray = ONE) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


@pytest.fixture
def written(tmp_path: Path) -> Path:
    """The small dataset as PNG files."""
    download_dataset(SMALL, tmp_path / "data", str(write_mirror(tmp_path / "mirror")))
    write_png_folder(read_dataset(SMALL, tmp_path / "data"), tmp_path / "pngs")
    return tmp_path / "pngs"


def test_there_and_back(written: Path) -> None:
    arrays, class_names = read_png_folder(written)
    assert class_names == tuple("0123456789")
    for images, labels, (old_images, old_labels) in zip(
        arrays[::2], arrays[1::2], (ARRAYS[:2], ARRAYS[2:]), strict=True
    ):
        order = np.argsort(old_labels, kind="stable")  # files sort by label, then by index
        np.testing.assert_array_equal(images, old_images[order])
        np.testing.assert_array_equal(labels, old_labels[order])


def test_the_command_makes_a_dataset_that_is_known_by_its_name(written: Path, tmp_path: Path) -> None:
    data_dir = tmp_path / "mine"
    command = [sys.executable, str(ROOT / "download_mnist.py"), "--data-dir", str(data_dir)]
    done = subprocess.run(
        [*command, "--from-images", str(written), "--name", "my-digits"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "60 training and 20 test images" in done.stdout
    dataset = load_dataset("my-digits", data_dir)
    np.testing.assert_array_equal(np.bincount(dataset.train_labels), np.full(10, 6))
    image = data_dir / "my-digits" / "raw" / "train-images-idx3-ubyte"
    image.write_bytes(image.read_bytes()[:-1] + b"x")
    with pytest.raises(UserError, match=r"--from-images FOLDER --name my-digits"):
        load_dataset("my-digits", data_dir)
    for wrong in (["--name", "x"], ["--from-images", str(written)]):
        done = subprocess.run([*command, *wrong], capture_output=True, text=True, check=False)
        assert done.returncode == 1
        assert "belong together" in done.stderr


def test_to_images(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "download_mnist.py"), "--dataset", "mnist-sample", "--to-images", "pngs"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    assert len(list((tmp_path / "pngs" / "train").iterdir())) == 4_000
    again = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert again.returncode == 1
    assert "'pngs' is there already" in again.stderr


def test_a_folder_for_each_class_and_a_split_made_here(tmp_path: Path) -> None:
    for label, count in (("10", 14), ("9", 7), ("b", 21)):
        for i in range(count):
            save(tmp_path / label / f"picture {i}.PNG", np.full((28, 28), i, np.uint8))
    (train, train_labels, test, test_labels), class_names = read_png_folder(tmp_path)
    assert class_names == ("b", "9", "10")
    np.testing.assert_array_equal(np.bincount(train_labels), [18, 6, 12])
    np.testing.assert_array_equal(np.bincount(test_labels), [3, 1, 2])
    pairs = [(label, image[0, 0]) for image, label in zip([*train, *test], [*train_labels, *test_labels], strict=True)]
    assert len(set(pairs)) == 42


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda folder: None, "has no PNG files"),
        (lambda folder: save(folder / "seven.png"), r"seven\.png': its name does not tell"),
        (lambda folder: save(folder / "1_1.png", np.zeros((28, 30), np.uint8)), r"1_1\.png' has 30 x 28 pixels"),
        (lambda folder: save(folder / "1_1.png", np.dstack([ONE, ONE, ONE + 1])), r"1_1\.png' is in colour"),
        (lambda folder: (folder / "1_1.png").write_bytes(b""), r"1_1\.png': the file is empty"),
        (lambda folder: (folder / "1_1.png").write_bytes(b"none"), r"1_1\.png': it is not a picture"),
        (lambda folder: save(folder / "train" / "1_1.png"), r"test' is missing"),
    ],
)
def test_errors_name_the_file(tmp_path: Path, make, message: str) -> None:
    folder = tmp_path / "pngs"
    folder.mkdir()
    make(folder)
    if any(folder.glob("*.png")):
        save(folder / "2_1.png")  # a second class
    with pytest.raises(UserError, match=message):
        read_png_folder(folder)


def test_one_class_or_too_few_are_refused(tmp_path: Path) -> None:
    save(tmp_path / "1_1.png")
    with pytest.raises(UserError, match="1 classes"):
        read_png_folder(tmp_path)


@pytest.mark.parametrize("name", ["mnist", "MNIST", "all", "fashionmnist", "../x", "", "a b", "-x", "x" * 41])
def test_names_that_cannot_be(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match=r"cannot name|is taken"):
        write_own(name, ARRAYS, tuple("0123456789"), tmp_path)
    assert not list(tmp_path.rglob("*-ubyte"))


@pytest.mark.parametrize("text", ["", "[]", "{", '{"class_names": [1, 2], "train": 1, "test": 1}', "[" * 100_000])
def test_a_damaged_description_is_named(tmp_path: Path, text: str) -> None:
    write_own("mine", ARRAYS, tuple("0123456789"), tmp_path)
    (tmp_path / "mine" / "dataset.json").write_text(text)
    with pytest.raises(UserError, match=r"dataset\.json' is damaged"):
        load_dataset("mine", tmp_path)
