"""--evaluate-on validation: the held-out images are evaluated, and nothing in the run depends on the test images."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from framework_process import ask, run_forked

from digits.data import load_dataset, split_indices
from digits.data.own import write_own
from digits.runs import Run, read_run
from digits.training import Recipe, evaluation_set

pytestmark = pytest.mark.training
TRAIN, TEST = 600, 100
COMMON = ("--dataset", "mine", "--evaluate-on", "validation", "--validation-fraction", "0.3", "--batch-size", "32")
VARIANTS = {
    "cnn": ["--epochs", "2"],
    "best": [
        "--model",
        "mlp",
        "--epochs",
        "4",
        "--keep-best",
        "--learning-rate",
        "0.03",
        "--ema",
        "0.5",
        "--seed",
        "3",
    ],
    "untrained": ["--epochs", "0", "--model", "lenet5"],
}
MEASURED = {"seconds", "images_per_second", "peak_memory_mb", "created"}
"""What differs between any two trainings."""


@pytest.fixture
def place(workplace: Path, tmp_path: Path) -> Path:
    """A folder with one dataset in honest/, and in zeros/ and longer/ the same with spoiled test images."""
    sample = load_dataset("mnist-sample", workplace / "mnist_data")
    train = (sample.train_images[:TRAIN], sample.train_labels[:TRAIN])
    images, labels = sample.test_images[:TEST], sample.test_labels[:TEST]
    spoiled = {
        "honest": (images, labels),
        "zeros": (np.zeros_like(images), labels[::-1].copy()),
        "longer": (np.tile(images[::-1], (3, 1, 1)), np.tile((labels + 1) % 10, 3)),
    }
    for folder, test in spoiled.items():
        (tmp_path / folder).mkdir()
        write_own("mine", (*train, *test), sample.class_names, tmp_path / folder)
    return tmp_path


def numbers(run: Run) -> dict[str, Any]:
    """Return all that the run holds but what was measured, the fingerprint, and where its data and it lie."""
    names = ("predictions.npy", "probabilities.npy", "labels.npy", "losses.npy", "weights.safetensors")
    info = {key: value for key, value in run.info.items() if key not in {*MEASURED, "dataset_fingerprint", "files"}}
    info["command"] = re.sub(" --(data|output)-dir [a-z-]+", "", str(info["command"]))
    history = [{key: value for key, value in row.items() if key not in MEASURED} for row in run.history]
    return {**{name: (run.path / name).read_bytes() for name in names}, "run.json": info, "history.csv": history}


def test_not_one_number_depends_on_the_test_images(framework: str, place: Path) -> None:
    found: dict[str, list[Run]] = {}
    for folder in ("honest", "zeros", "longer"):
        where = ["--data-dir", folder, "--output-dir", f"{folder}-runs"]
        commands = [[*COMMON, *options, *where] for options in VARIANTS.values()]
        paths = ask(framework, "trainings.train_runs", str(place), commands)
        found[folder] = [read_run(place / path) for path in paths]
    for honest, zeros, longer in zip(*found.values(), strict=True):
        assert numbers(honest) == numbers(zeros) == numbers(longer)
        assert len({run.fingerprint for run in (honest, zeros, longer)}) == 3
    dataset = load_dataset("mine", place / "honest")
    for run in found["honest"]:
        held_out = split_indices(dataset.train_labels, 0.3, run.seed)[1]
        images, labels, _ = evaluation_set(dataset, Recipe(**run.recipe))
        np.testing.assert_array_equal(images, dataset.train_images[held_out])
        np.testing.assert_array_equal(run.labels, labels)
        session = onnxruntime.InferenceSession(run.path / "model.onnx", providers=["CPUExecutionProvider"])
        np.testing.assert_allclose(session.run(None, {"images": images})[0], run.probabilities, atol=1e-5)
        assert (run.info["evaluated_on"], run.info["test"]) == ("validation", None)
        assert run.info["held_out"] == {"validation_fraction": 0.3, "split": "random", "seed": run.seed}
        assert run.info["validation"] == run.score
        assert (run.score["n"], run.score["accuracy"]) == (180, run.accuracy)
    cnn, best, untrained = found["honest"]
    assert cnn.score["accuracy"] == pytest.approx(cnn.history[-1]["validation_accuracy"])
    assert cnn.score["loss"] == pytest.approx(cnn.history[-1]["validation_loss"], rel=1e-5)
    assert best.score["accuracy"] == pytest.approx(max(row["validation_accuracy"] for row in best.history))
    assert untrained.history == []
    assert untrained.accuracy < 0.4


def test_killed_and_resumed(framework: str, place: Path) -> None:
    options = [*COMMON, "--model", "mlp", "--epochs", "60", "--data-dir", "honest", "--name", "killed", "--resume"]
    checkpoint = place / "outputs" / ".killed.checkpoint"
    run_forked(framework, *options, cwd=place, kill_when=lambda _: checkpoint.exists())
    other = run_forked(framework, *options, "--evaluate-on", "test", cwd=place)
    assert other.returncode == 1
    assert "was made with evaluate_on validation, not test" in other.stderr
    done = run_forked(framework, *options, cwd=place)
    assert (done.returncode, done.stderr) == (0, "")
    assert " 1/60" not in done.stdout
    assert re.search(r"\nvalidation accuracy \d+\.\d\d% \(\d+ of 180; 95 % interval ", done.stdout)
    whole = run_forked(framework, *options, "--output-dir", "whole", cwd=place)
    assert (whole.returncode, whole.stderr) == (0, "")
    assert numbers(read_run(place / "outputs" / "killed")) == numbers(read_run(place / "whole" / "killed"))


def test_run_json_of_a_test_run_says_so(trained: Any) -> None:
    info = json.loads((trained.path / "run.json").read_text())
    assert (info["evaluated_on"], info["held_out"]) == ("test", None)
