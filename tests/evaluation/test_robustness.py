"""Runs on corrupted images: the numbers, the file that keeps them, figures and table, and what is refused."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from figure_checks import assert_readable, words
from in_process import call
from linear_run import make_linear_run
from make_runs import make_sample_run

from mnist_twice.data import load_dataset
from mnist_twice.errors import UserError
from mnist_twice.evaluation.corruptions import CORRUPTIONS, STRENGTHS, corrupt
from mnist_twice.evaluation.robustness import Robustness, measure_robustness, read_robustness, robustness_as_csv
from mnist_twice.figures.robustness import plot_corruptions, plot_robustness
from mnist_twice.figures.style import NARROW, WIDE
from mnist_twice.prediction import load_run
from mnist_twice.recipes import Recipe
from mnist_twice.runs import Run, read_run
from mnist_twice.training import evaluation_set


@pytest.fixture
def sample_data(workplace: Path) -> Path:
    return workplace / "mnist_data"


@pytest.fixture
def run(tmp_path: Path, sample_data: Path) -> Run:
    """A run on mnist-sample whose network is one random matrix."""
    return with_network(make_sample_run(tmp_path / "outputs", sample_data))


@pytest.fixture
def uncorrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the images as they are, where it does not matter what is done to them: it takes most of the time."""
    monkeypatch.setattr("mnist_twice.evaluation.robustness.corrupt", lambda images, *_: images)


def with_network(run: Run) -> Run:
    """Give the run a model.onnx."""
    shutil.copy(make_linear_run(run.path.parent.parent / "other") / "model.onnx", run.path)
    return read_run(run.path)


@pytest.mark.slow
def test_numbers_are_those_of_the_network_on_the_corrupted_images(run: Run, sample_data: Path) -> None:
    ((same, found),) = measure_robustness([run], sample_data)
    assert same is run
    images = load_dataset("mnist-sample", sample_data).test_images
    network = load_run(run)

    def accuracy(images: np.ndarray) -> float:
        return float(np.mean(network.predict(images).argmax(axis=1) == run.labels))

    assert found.clean == accuracy(images)
    assert list(found.accuracy) == list(CORRUPTIONS)
    for name, strength in (("rotate", 1), ("stripe", 4), ("canny_edges", 5)):
        assert found.accuracy[name][strength - 1] == accuracy(corrupt(images, name, strength))
    assert found.mean == pytest.approx(np.mean([*found.accuracy.values()]))
    starred = [accuracies[CORRUPTIONS[name].published - 1] for name, accuracies in found.accuracy.items()]
    assert found.starred_mean == pytest.approx(np.mean(starred))
    assert found.interval_95[0] < found.mean < found.interval_95[1]
    assert (found.n, found.evaluated_on) == (1000, "test")
    assert read_robustness(run) == found
    # What is known is not measured again; another network's numbers are not taken for this one's.
    file = run.path / "robustness.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "clean": 0.125}))
    assert measure_robustness([run], sample_data)[0][1].clean == 0.125
    with (run.path / "model.onnx").open("ab") as model:
        model.write(b"\x32\x00")  # a field that is empty
    assert read_robustness(run) is None


@pytest.mark.usefixtures("uncorrupted")
def test_a_run_on_validation_images_is_measured_on_them(tmp_path: Path, sample_data: Path) -> None:
    dataset = load_dataset("mnist-sample", sample_data)
    held_out = {"validation_fraction": 0.1, "split": "random", "seed": 3}
    images, labels, _ = evaluation_set(dataset, Recipe(**held_out))
    run = with_network(make_sample_run(tmp_path / "outputs", sample_data, held_out=held_out))
    object.__setattr__(run, "labels", labels.astype(np.int64))
    ((_, found),) = measure_robustness([run], sample_data)
    assert (found.n, found.evaluated_on) == (len(images), "validation")


@pytest.mark.usefixtures("uncorrupted")
def test_mnist_c_is_read_where_its_folder_is(
    run: Run, sample_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sample = load_dataset("mnist-sample", sample_data)  # for MNIST itself, whose test set a clone does not have
    monkeypatch.setattr("mnist_twice.evaluation.robustness.load_dataset", lambda *_: sample)
    run.info["dataset"] = "mnist"
    ((_, alone),) = measure_robustness([run], tmp_path)
    assert alone.mnist_c == {}
    blank = np.zeros((1000, 28, 28, 1))
    for name in CORRUPTIONS:
        folder = tmp_path / "mnist_c" / name
        folder.mkdir(parents=True)
        images = blank if name == "fog" else sample.test_images[..., None].astype(float if name == "zigzag" else "u1")
        np.save(folder / "test_images.npy", images)
        np.save(folder / "test_labels.npy", sample.test_labels)
    ((_, found),) = measure_robustness([run], tmp_path)
    guess = load_run(run).predict(np.zeros((1, 28, 28), np.uint8)).argmax()
    assert found.mnist_c == {**dict.fromkeys(CORRUPTIONS, found.clean), "fog": np.mean(run.labels == guess)}
    assert read_robustness(run) == found
    assert f"{run.name},zigzag,MNIST-C,{found.clean}," in robustness_as_csv([(run, found)])
    np.save(tmp_path / "mnist_c" / "fog" / "test_labels.npy", sample.test_labels[::-1])
    (run.path / "robustness.json").unlink()
    with pytest.raises(UserError, match=r"mnist_c/fog' has other test images than MNIST; unpack mnist_c\.zip"):
        measure_robustness([run], tmp_path)
    (tmp_path / "mnist_c" / "fog" / "test_labels.npy").write_bytes(b"")
    with pytest.raises(UserError, match=r"mnist_c/fog' is not MNIST-C's \(.*\); unpack mnist_c\.zip there again"):
        measure_robustness([run], tmp_path)


def test_what_cannot_be_measured_is_refused(run: Run, sample_data: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="mnist-sample"):
        measure_robustness([run], tmp_path)
    object.__setattr__(run, "labels", run.labels[::-1].copy())
    with pytest.raises(UserError, match="has other images of mnist-sample than"):
        measure_robustness([run], sample_data)
    (run.path / "model.onnx").unlink()
    with pytest.raises(UserError, match=r"model\.onnx' is missing"):
        measure_robustness([run], sample_data)
    (run.path / "robustness.json").write_text('{"clean": 2}')
    with pytest.raises(UserError, match=r"robustness\.json' is damaged; delete it"):
        read_robustness(run)


@pytest.mark.slow
@pytest.mark.usefixtures("uncorrupted")
def test_script_prints_a_table_and_later_calls_show_the_figures(run: Run, sample_data: Path) -> None:
    outputs = run.path.parent

    def visualize(*words: str) -> str:
        done = call("visualize_results", "--output-dir", outputs, "--data-dir", sample_data, *words)
        assert (done.status, done.err) == (0, "")
        return done.out

    table = visualize("--robustness", run.name, "--only", "robustness", "corruptions").splitlines()[:2]
    assert " ".join(table[0].split()) == "run clean corrupted 95 % interval starred MNIST-C worst corruption"
    assert table[1].startswith(run.name)
    folder = outputs / "mnist-sample"
    assert {path.name for path in folder.iterdir()} == {"corruptions.png", "robustness.png", "robustness.csv"}
    with (folder / "robustness.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 1 + len(CORRUPTIONS) * len(STRENGTHS)
    assert {(row["run"], row["n"], row["evaluated_on"]) for row in rows} == {(run.name, "1000", "test")}
    shutil.rmtree(folder)
    visualize("--only", "robustness")
    assert (folder / "robustness.png").is_file()


@pytest.mark.slow
def test_figures_can_be_read(run: Run) -> None:
    random = np.random.default_rng(0)
    measured = []
    for _ in range(14):
        accuracy = {name: tuple(sorted(random.random(5), reverse=True)) for name in CORRUPTIONS}
        measured.append((run, Robustness("", 0, 1000, "test", 0.99, accuracy, (0.4, 0.6))))
    figure = plot_robustness(measured)
    for width in (WIDE, NARROW):
        assert_readable(plot_robustness(measured, width=width))
    best = max(one.mean for _, one in measured)
    assert f"{100 * best:.1f} % under corruption" in words(figure)
    assert "The best 12 of 14 runs" in words(figure)
    figure = plot_corruptions(measured, np.zeros((3, 28, 28), np.uint8))
    assert figure is not None
    assert_readable(figure)
    assert len(figure.axes[0].images) == len(CORRUPTIONS) * len(STRENGTHS)
