"""Prediction repeats what a dataset's images went through: as many are right as in the run itself, digits or not."""

import csv
from pathlib import Path

import numpy as np
import pytest
from in_process import predict, run_download
from linear_run import make_linear_run
from make_runs import add_info
from PIL import Image

from mnist_twice.data import Dataset, load_dataset
from mnist_twice.data.catalogue import stratified_sample
from mnist_twice.photos import as_is, read_photo
from mnist_twice.prediction import answer_files, list_files, load_run
from mnist_twice.prediction.trained_run import TrainedRun

RNG = np.random.default_rng(7)


def make_pictures(folder: Path, low: int, high: int, size: tuple[int, ...]) -> None:
    """Write 14 pictures of each of ten classes: a few large areas, of values from `low` to below `high`."""
    for label in "abcdefghij":
        (folder / label).mkdir(parents=True)
        for i in range(14):
            areas = Image.fromarray(RNG.integers(low, high, (4, 3, *size[2:]), np.uint8))
            areas.resize((size[0], size[1]), Image.Resampling.NEAREST).save(folder / label / f"{i}.png")


def write_table(path: Path, images: np.ndarray, labels: np.ndarray | None) -> None:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*([] if labels is None else ["label"]), *(f"pixel{i}" for i in range(784))])
        for i, image in enumerate(images.reshape(-1, 784)):
            writer.writerow([*([] if labels is None else [labels[i]]), *image])


def make_dataset(kind: str, tmp_path: Path) -> Dataset:
    words: list[object] = ["--name", "own", "--from-images", tmp_path / "in"]
    images, labels = stratified_sample()[2:]
    match kind:
        case "mnist-sample":
            words = ["--dataset", "mnist-sample"]
        case "photographs of digits":
            (tmp_path / "in").mkdir()
            for i, (image, label) in enumerate(zip(images[:200], labels[:200], strict=True)):
                Image.fromarray(255 - image).resize((90, 90)).save(tmp_path / "in" / f"{label}_{i}.jpg")
            words += ["--convert", "--allow-lost"]
        case "colour":
            make_pictures(tmp_path / "in", 0, 256, (50, 31, 3))
        case "dark on light":
            make_pictures(tmp_path / "in", 150, 256, (40, 40))
            words.append("--invert")
        case "pixels from 0 to 16":
            make_pictures(tmp_path / "in", 0, 17, (28, 28))
            words += ["--scale", 16]
        case "CSV":
            write_table(tmp_path / "in.csv", RNG.integers(0, 256, (100, 28, 28)), np.arange(100) % 10)
            words = ["--name", "own", "--from-csv", tmp_path / "in.csv"]
        case "CSV of digits":
            write_table(tmp_path / "in.csv", images, labels)
            words = ["--name", "own", "--from-csv", tmp_path / "in.csv"]
    done = run_download(*words, "--data-dir", tmp_path, "--to-images", tmp_path / "out")
    assert done.status == 0, done.err
    resized = "were in colour or not of 28x28 pixels; each was made grey as a whole, resized"
    assert (resized in done.err) == (kind in ("colour", "dark on light"))
    return load_dataset("mnist-sample" if kind == "mnist-sample" else "own", tmp_path)


def run_on(dataset: Dataset, outputs: Path) -> TrainedRun:
    path = make_linear_run(outputs, class_names=dataset.class_names)
    return load_run(add_info(path, preprocessing=dataset.preprocessing))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "preprocessing"),
    [
        ("mnist-sample", "digits"),
        ("photographs of digits", "digits"),
        ("colour", "as is"),
        ("dark on light", "as is --invert"),
        ("pixels from 0 to 16", "as is --scale 16"),
        ("CSV", "as is"),
        ("CSV of digits", "digits"),
    ],
)
def test_exported_images_are_answered_as_in_the_run(kind: str, preprocessing: str, tmp_path: Path) -> None:
    dataset = make_dataset(kind, tmp_path)
    assert dataset.preprocessing == preprocessing
    run = run_on(dataset, tmp_path / "outputs")
    answers = [answer for some in answer_files(list_files([tmp_path / "out" / "test"]), [run]) for answer in some]
    answers.sort(key=lambda answer: int(Path(answer["path"]).stem.rpartition("_")[2]))
    expected = [dataset.class_names[number] for number in run.predict(dataset.test_images).argmax(axis=1)]
    assert np.mean([str(a["label"]) == e for a, e in zip(answers, expected, strict=True)]) >= 0.999
    if preprocessing.startswith("as is") and kind != "CSV":  # the pictures themselves too
        images = {image.tobytes() for image in (*dataset.train_images, *dataset.test_images)}
        again = {as_is(read_photo(file).pixels, preprocessing).tobytes() for file in (tmp_path / "in").rglob("*.png")}
        assert again == images


@pytest.mark.parametrize("size", [(1, 1), (3, 900), (900, 3), (28, 27), (200, 130)])
def test_pictures_of_any_size_are_taken(size: tuple[int, int]) -> None:
    image = as_is(np.full(size, 200, np.uint8), "as is")
    assert (image.shape, str(image.dtype)) == ((28, 28), "uint8")
    assert 0 < image.max() < 210
    assert abs(image.mean() / 200 - min(size) / max(size)) < 0.03


def test_runs_of_earlier_versions_are_for_digits_or_not(tmp_path: Path) -> None:
    for name, preprocessing in (("mnist", "digits"), ("fashion-mnist", "as is")):
        run = load_run(add_info(make_linear_run(tmp_path, dataset=name)))
        assert run.preprocessing == preprocessing


def test_a_table_without_labels_becomes_a_submission(tmp_path: Path) -> None:
    images = stratified_sample()[2][:50]
    run = load_run(add_info(make_linear_run(tmp_path / "outputs")))
    write_table(tmp_path / "test.csv", images, None)
    words = [tmp_path / "test.csv", "--output-dir", tmp_path / "outputs", "--csv"]
    assert predict(*words, tmp_path / "new" / "submission.csv").status == 0
    with (tmp_path / "new" / "submission.csv").open(newline="") as file:
        header, *rows = csv.reader(file)
    answers = run.predict(images).argmax(axis=1)
    assert (header, rows) == (["ImageId", "Label"], [[str(i + 1), str(label)] for i, label in enumerate(answers)])

    text = (tmp_path / "test.csv").read_text().splitlines()
    numbered = ["id," + text[0], *(f"x{i}.png,{line}" for i, line in enumerate(text[1:]))]
    (tmp_path / "test.csv").write_text("\n".join(numbered))
    assert predict(*words, tmp_path / "2.csv").status == 0
    assert (tmp_path / "2.csv").read_text().splitlines()[:2] == ["id,Label", f"x0.png,{answers[0]}"]
    for lines, fault in (
        ([*numbered[:4], numbered[4].replace(",0,", ",256,", 1)], "row 4 has a cell that is no number from 0 to 255"),
        ([line + ",1" for line in numbered], "has 786 columns instead of 784 pixels"),
        (numbered[:1], "it has no rows"),
    ):
        (tmp_path / "test.csv").write_text("\n".join(lines))
        done = predict(*words, tmp_path / "3.csv")
        assert (done.status, fault in done.err, (tmp_path / "3.csv").exists()) == (1, True, False), done.err
    assert predict(*words[:-1]).status == 2


def test_runs_that_take_pictures_in_other_ways_are_not_averaged(tmp_path: Path) -> None:
    first, second = (make_linear_run(tmp_path, framework=framework) for framework in ("pytorch", "tensorflow"))
    add_info(second, preprocessing="as is")
    done = predict("x.png", "--run", first, second)
    assert (done.status, "in how pictures are prepared" in done.err) == (1, True)
    assert "--multiple needs a run for photographs of digits" in predict("x.png", "--run", second, "--multiple").err
