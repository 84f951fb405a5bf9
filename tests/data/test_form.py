"""Datasets of the user's own that lack MNIST's form are warned of, with the option that brings them into it."""

import io
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from digits.data import load_dataset
from digits.data.csv_read import import_csv
from digits.data.form import Changes, is_id, look_at
from digits.data.png_folder import read_png_folder
from digits.data.sample import stratified_sample
from digits.errors import UserError

NAMES = tuple("0123456789")
_images, _labels = stratified_sample()[2:]
CHOSEN = np.concatenate([np.flatnonzero(_labels == digit)[:20] for digit in range(10)])
IMAGES, LABELS = _images[CHOSEN], _labels[CHOSEN]


def signs(images: np.ndarray, changes: Changes = Changes(), names: tuple[str, ...] = NAMES) -> str:  # noqa: B008
    return "\n".join(look_at((images, LABELS, images[::2], LABELS[::2]), names, changes))


def test_what_has_the_form_is_not_warned_of() -> None:
    assert signs(IMAGES) == ""
    other = np.random.default_rng(0).permutation(10)[LABELS]  # glyphs that are not MNIST's digits
    assert look_at((IMAGES.transpose(0, 2, 1), other, IMAGES[:9], other[:9]), NAMES, Changes()) == []
    assert signs(IMAGES.transpose(0, 2, 1), names=tuple("abcdefghij")) == ""


@given(
    full=st.sampled_from([1, 15, 16, 100, 255]), invert=st.booleans(), transpose=st.booleans(), paper=st.floats(0, 0.3)
)
def test_the_named_options_bring_the_form_back(full: int, invert: bool, transpose: bool, paper: float) -> None:
    dark = np.maximum(IMAGES / 255, paper)
    bad = np.rint((1 - dark if invert else dark) * full).astype(np.uint8)
    bad = bad.transpose(0, 2, 1) if transpose else bad
    found = signs(bad)
    most = int(bad.max())
    assert (f"with --scale {most}." in found) == (most <= 128)
    assert ("with --invert." in found) == invert
    assert ("with --transpose." in found) == transpose
    changes = Changes(most if most <= 128 else None, invert, transpose)
    assert signs(changes.apply(bad), changes) == ""
    if (invert or transpose) and most > 128:  # an option that should not have been given is named too
        assert signs(changes.apply(IMAGES), changes).count(" without --") == invert + transpose


def test_what_no_option_brings_into_form_is_not_told_to_use_one() -> None:
    """Grey paper, little contrast, a frame: --scale and --invert are no remedy."""
    for bad in (254 + IMAGES // 128, 100 + IMAGES // 2, 255 - IMAGES // 4, 127 + IMAGES // 255):
        assert "stretch them" in (found := signs(bad))
        assert not re.search("--(scale|invert)", found)
        assert "--scale" not in signs(255 - bad, Changes(invert=True))
    for paper in (0, 255):
        framed = np.full_like(IMAGES, 255 - paper)
        framed[:, 1:-1, 1:-1] = IMAGES[:, 1:-1, 1:-1] ^ paper
        assert "have a frame" in (found := signs(framed))
        assert "--invert" not in found


def test_parts_that_differ_are_warned_of() -> None:
    assert look_at((IMAGES, LABELS, 255 - IMAGES, LABELS), NAMES, Changes())[0].startswith("the test images have a li")
    mixed = np.where(np.arange(len(IMAGES))[:, None, None] % 4 == 1, 255 - IMAGES, IMAGES)
    assert "50 of 200 have a light background" in signs(mixed)
    assert "have only pixels of 0" in signs(IMAGES * 0)
    numbers = np.arange(len(IMAGES), dtype=np.uint8)
    found = look_at((IMAGES, numbers, IMAGES, numbers), list(map(str, numbers)), Changes())
    assert "200 classes of 200 training images" in found[0]


def test_columns_that_number_the_rows_are_no_labels(tmp_path: Path) -> None:
    assert all(map(is_id, ["id", "ID", "index", "ImageId", "Unnamed: 0", "", "row_id", "image_idx", "filename"]))
    assert not any(map(is_id, ["label", "Label", "class", "class_id", "labelIdx", "digit", "target", "y"]))
    header = ",".join(["ImageId", "label", *(f"pixel{i}" for i in range(784))])
    (tmp_path / "train.csv").write_text(f"{header}\n0,1,{','.join(['0'] * 784)}\n")
    with pytest.raises(UserError, match="which numbers the rows; remove that column"):
        import_csv("mine", tmp_path / "train.csv", None, tmp_path, pytest.fail)


def table(images: np.ndarray, labels: np.ndarray) -> str:
    text = io.StringIO()
    np.savetxt(text, np.column_stack([labels, images.reshape(-1, 784)]), delimiter=",", fmt="%g")
    return text.getvalue()


def test_fractions_ids_and_changes_in_tables(tmp_path: Path) -> None:
    train, numbered = tmp_path / "train.csv", tmp_path / "numbered.csv"
    train.write_text(table(1 - IMAGES / 255, LABELS))
    faults: list[str] = []
    with pytest.raises(UserError, match="bad rows"):
        import_csv("mine", train, None, tmp_path, faults.append)
    assert "a whole number from 0 to 255 is expected; --scale takes other ranges." in faults[0]
    changes = Changes(1, invert=True)
    made = import_csv("mine", train, None, tmp_path, pytest.fail, changes)
    assert made.warnings == []
    dataset = load_dataset("mine", tmp_path)
    assert {image.tobytes() for image in IMAGES} == {
        image.tobytes() for part in (dataset.train_images, dataset.test_images) for image in part
    }
    with pytest.raises(UserError, match="bad rows"):
        import_csv("mine", train, None, tmp_path, faults.append, Changes(0.5))
    assert "where a number from 0 to --scale 0.5 is expected" in faults[-1]
    numbered.write_text(table(1 - IMAGES[:10] / 255, np.arange(10)))
    made = import_csv("mine", train, numbered, tmp_path, pytest.fail, changes)
    assert "10 different labels in 10 rows" in made.warnings[0]
    (tmp_path / "mine" / "raw" / "t10k-labels-idx1-ubyte").write_bytes(b"")
    with pytest.raises(UserError, match="--from-csv TRAIN TEST --scale 1 --invert --name"):
        load_dataset("mine", tmp_path)


def test_classes_that_converting_loses_are_counted(tmp_path: Path) -> None:
    for i, (image, label) in enumerate(zip(IMAGES[::2], LABELS[::2], strict=True)):  # too few to start processes for
        (tmp_path / str(label)).mkdir(exist_ok=True)
        blank = label == 7 and i % 10 < 9
        Image.fromarray(image * 0 if blank else image).save(tmp_path / str(label) / f"{i}.png")
    reported: list[str] = []
    with pytest.raises(UserError, match=r"9 of the 100 pictures \(9\.0 %\) could not be converted.*--allow-lost"):
        read_png_folder(tmp_path, reported.append)
    assert reported[-1] == f"9 of the 10 pictures of class '7' in '{tmp_path}'."
    arrays, class_names = read_png_folder(tmp_path, reported.append, allow_lost=True)
    assert (len(arrays[0]) + len(arrays[2]), class_names) == (91, NAMES)
    assert reported[-1] == "9 of the 100 pictures in all."
    for path in (tmp_path / "7").iterdir():
        path.write_bytes(b"")
    with pytest.raises(UserError, match="has no picture of class '7' that can"):
        read_png_folder(tmp_path, reported.append, allow_lost=True)


def test_a_class_without_an_image_that_is_read_is_named(tmp_path: Path) -> None:
    for name in ("0", "1", "2"):
        (tmp_path / name).mkdir()
        for index in range(8):
            Image.new("L", (28, 28), index).save(tmp_path / name / f"{index}.{'jpg' if name == '2' else 'png'}")
    notes: list[str] = []
    assert read_png_folder(tmp_path, note=notes.append)[1] == ("0", "1")
    assert any("1 folder (2) without any image" in note for note in notes)
