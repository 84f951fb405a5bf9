"""Both training scripts on real digits: what a training leaves, what it computes, and what cannot be done.

One training is a process as a user starts it; all others run in pytest's own, with a stub in place of the ONNX export.
"""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import onnxruntime
import pytest
from conftest import Train, Trained
from frameworks import CHECKPOINT
from make_runs import make_run
from paths import ROOT

from mnist_twice.data.datasets import Dataset, load_dataset, write_own
from mnist_twice.errors import UserError, run_script
from mnist_twice.metrics import cross_entropy, wilson_interval
from mnist_twice.recipes.recipe import RECIPES, Recipe
from mnist_twice.runs.run import Run, read_run
from mnist_twice.training.batches import epoch_order, split_dataset
from mnist_twice.training.schedule import learning_rates
from mnist_twice.training.weights import parity_weights, read_weights

NUM_PARAMETERS = (9 + 1) * 16 + (16 * 9 + 1) * 32 + (7 * 7 * 32 + 1) * 128 + (128 + 1) * 10
EPOCH_LINE = re.compile(r"\d+/\d+ +\d+\.\d{4} +\d+\.\d\d% +(\d+\.\d{4} +\d+\.\d\d%|- +-) +\d+\.\d +[\d,]+")
MEASURED = {"seconds", "images_per_second", "peak_memory_mb", "created"}
"""What differs between any two trainings."""


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def numbers(run: Run) -> dict[str, Any]:
    """Return all that the run holds but what was measured, where it and its data lie, and the data's fingerprint."""
    names = ("predictions.npy", "probabilities.npy", "labels.npy", "losses.npy", "weights.safetensors")
    info = {key: value for key, value in run.info.items() if key not in {*MEASURED, "dataset_fingerprint", "files"}}
    info["command"] = re.sub(" --(data|output)-dir [^ ]+", "", str(info["command"]))
    history = [{key: value for key, value in row.items() if key not in MEASURED} for row in run.history]
    return {**{name: (run.path / name).read_bytes() for name in names}, "run.json": info, "history.csv": history}


# --- one training with default options, as a user starts it ---


@pytest.fixture
def trained(framework: str, train_once: Callable[[str], Trained]) -> Trained:
    return train_once(framework)


def test_default_training(trained: Trained, framework: str, workplace: Path) -> None:
    run = read_run(trained.path)
    info = run.info
    arrays = {"labels.npy", "losses.npy", "predictions.npy", "probabilities.npy", "weights.safetensors"}
    expected = {*arrays, "history.csv", "model.onnx", "run.json", CHECKPOINT[framework]}
    assert set(bytes_of(run.path)) == expected
    assert set(info["files"]) == expected - {"run.json"}
    assert info["recipe"] == json.loads(json.dumps(asdict(Recipe())))
    assert info["command"] == f"python mnist_{framework}.py --dataset mnist-sample --model cnn"
    assert info["hardware"]["threads"] == 1
    assert info["parameters"] == {"trainable": NUM_PARAMETERS, "non_trainable": 0}
    packages = {"pytorch": ["torch"], "tensorflow": ["tensorflow", "keras", "tf2onnx"]}[framework]
    assert info["versions"].keys() == {"python", "numpy", "onnx", *packages}
    assert all(info["versions"][name] == version(name) for name in ("numpy", "onnx", *packages))
    assert 0 < info["seconds"]["training"] < info["seconds"]["total"]
    assert 100 < info["peak_memory_mb"] < 100_000  # neither KB nor bytes
    dataset = load_dataset("mnist-sample", workplace / "mnist_data")
    assert (info["dataset_fingerprint"], info["evaluated_on"]) == (dataset.fingerprint, "test")
    np.testing.assert_array_equal(run.labels, dataset.test_labels)
    correct = int(np.sum(run.predictions == run.labels))
    assert correct >= 930
    assert info["test"] == {
        "n": 1000,
        "accuracy": correct / 1000,
        "loss": pytest.approx(cross_entropy(run.labels, run.probabilities)),
        "interval_95": list(wilson_interval(correct, 1000)),
    }


def test_history_and_what_is_printed(trained: Trained, framework: str) -> None:
    run = read_run(trained.path)
    name = {"pytorch": "PyTorch", "tensorflow": "TensorFlow"}[framework]
    first, _, *epochs, outcome, place = trained.stdout.splitlines()
    assert re.fullmatch(rf"cnn in {name} \S+ on cpu: 206,922 parameters, mnist-sample", first)
    assert len(run.history) == len(epochs) == 3
    for epoch, (line, row) in enumerate(zip(epochs, run.history, strict=True), start=1):
        assert EPOCH_LINE.fullmatch(line)
        assert line.split()[:3] == [f"{epoch}/3", f"{row['train_loss']:.4f}", f"{row['train_accuracy']:.2%}"]
        assert (row["epoch"], row["learning_rate"]) == (epoch, pytest.approx(1e-3))
        assert row["images_per_second"] == pytest.approx(3600 / row["seconds"], rel=0.01)
    for column in ("train_loss", "validation_loss"):
        assert 0 < run.history[-1][column] < min(run.history[0][column], 0.5)
    kept = {"n": 400, **{name: run.history[-1][f"validation_{name}"] for name in ("accuracy", "loss")}}
    assert run.info["validation"] == kept
    low, high = run.info["test"]["interval_95"]
    correct = f"{run.accuracy:.2%} ({run.accuracy * 1000:.0f} of 1,000; 95 % interval {low:.2%} to {high:.2%})"
    assert outcome.startswith(f"test accuracy {correct}, training ")
    assert place.startswith(f"{Path('outputs', run.path.name)}: ")
    assert trained.stderr == ""  # no live line where there is no terminal, and nothing of the framework's own


def test_the_files_of_the_network_all_compute_the_same(
    trained: Trained, framework: str, script: ModuleType, tools: Any, test_images: np.ndarray
) -> None:
    run = read_run(trained.path)
    session = onnxruntime.InferenceSession(run.path / "model.onnx", providers=["CPUExecutionProvider"])
    (images,), (output,) = session.get_inputs(), session.get_outputs()
    assert (images.name, images.type, images.shape) == ("images", "tensor(uint8)", ["N", 28, 28])
    assert (output.name, output.type, output.shape) == ("probabilities", "tensor(float)", ["N", 10])
    facts = session.get_modelmeta().custom_metadata_map
    assert (json.loads(facts["class_names"]), facts["preprocessing"]) == (list("0123456789"), "digits")
    for n in (1, len(test_images)):
        found = session.run(None, {"images": test_images[:n]})[0]
        np.testing.assert_allclose(found, run.probabilities[:n], atol=1e-5)

    for load, name in ((tools.load_own, CHECKPOINT[framework]), (tools.files.load_weights, "weights.safetensors")):
        found = script.predict(load(run.path / name), test_images, 10)
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, run.probabilities, atol=1e-5, err_msg=name)
    assert read_weights(run.path / "weights.safetensors")[0].pixel_range == pytest.approx(
        {"pytorch": (-1, 1), "tensorflow": (0, 1)}[framework]
    )


# --- interrupted and continued ---

EVERYTHING_KEPT = ("--epochs", "4", "--augment", "--ema", "0.9", "--keep-best", "--schedule", "cosine")


class Terminal(io.StringIO):
    """A terminal on which somebody presses Ctrl-C when the third epoch has begun."""

    pressed = False

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> int:
        super().write(text)
        if "epoch 3/4" in text and not self.pressed:
            self.pressed = True
            signal.raise_signal(signal.SIGINT)
        return len(text)


def test_ctrl_c_then_resume_gives_the_same_bytes(
    train: Train, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = train(*EVERYTHING_KEPT, "--output-dir", "whole")
    terminal = Terminal()
    with monkeypatch.context() as patched:
        patched.setattr(sys, "stderr", terminal)
        assert run_script(lambda: train(*EVERYTHING_KEPT) and None) == 130
    assert re.search(r"epoch 3/4: +0%\|.+\| 0/400 \[", terminal.getvalue())
    assert "\nStopped after epoch 2 of 4. Add --resume to continue.\n" in terminal.getvalue()
    assert [path.name for path in Path("outputs").iterdir()] == [".run.checkpoint"]

    capsys.readouterr()
    run = train(*EVERYTHING_KEPT, "--resume")
    epochs = [line.split()[0] for line in capsys.readouterr().out.splitlines() if EPOCH_LINE.fullmatch(line)]
    assert epochs == ["3/4", "4/4"]
    assert numbers(run) == numbers(whole)
    assert [path.name for path in Path("outputs").iterdir()] == ["run"]


# --- what a training computes ---


def softmax(logits: np.ndarray) -> np.ndarray:
    exponents = np.exp(logits - logits.max(axis=1, keepdims=True))
    return exponents / exponents.sum(axis=1, keepdims=True)


def trained_by_hand(dataset: Dataset, recipe: Recipe) -> tuple[list[float], list[np.ndarray], list[dict[str, Any]]]:
    """Train `mlp` in NumPy; return the loss of each step, and of each epoch the held-out images' probabilities and the
    moving averages of the weights, from which these come."""
    rows, held_out = split_dataset(dataset, recipe)
    inputs = dataset.train_images.reshape(len(dataset.train_images), -1) / 255
    targets = np.eye(10)[dataset.train_labels] * (1 - recipe.label_smoothing) + recipe.label_smoothing / 10
    widths = {"dense1": (64, 784), "dense2": (64, 64), "head": (10, 64)}
    shapes = {f"{name}.{kind}": np.zeros(shape[:n]) for name, shape in widths.items() for kind, n in PARTS.items()}
    weights = parity_weights(shapes, recipe.seed)
    average: dict[str, Any] = {}
    losses, probabilities, averages = [], [], []
    for epoch in range(recipe.epochs):
        order = epoch_order(rows, recipe.seed, epoch, recipe.batch_size)
        starts = range(0, len(order), recipe.batch_size)
        for start, rate in zip(starts, learning_rates(recipe, len(starts), [{}] * epoch), strict=True):
            batch = order[start : start + recipe.batch_size]
            first, second, logits = layers(weights, inputs[batch])
            losses.append(-np.mean(np.sum(targets[batch] * np.log(softmax(logits)), axis=1)))
            gradient = (softmax(logits) - targets[batch]) / len(batch)
            for name, below in (("head", second), ("dense2", first), ("dense1", inputs[batch])):
                next_gradient = gradient @ weights[f"{name}.weight"] * (below > 0)
                weights[f"{name}.weight"] = weights[f"{name}.weight"] - rate * gradient.T @ below
                weights[f"{name}.bias"] = weights[f"{name}.bias"] - rate * gradient.sum(axis=0)
                gradient = next_gradient
            average = {
                name: recipe.ema * average.get(name, weight) + (1 - recipe.ema) * weight
                for name, weight in weights.items()
            }
        probabilities.append(softmax(layers(average, inputs[held_out])[-1]))
        averages.append(average)
    return losses, probabilities, averages


PARTS = {"weight": 2, "bias": 1}


def layers(weights: dict[str, Any], inputs: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    first = np.maximum(inputs @ weights["dense1.weight"].T + weights["dense1.bias"], 0)
    second = np.maximum(first @ weights["dense2.weight"].T + weights["dense2.bias"], 0)
    return first, second, second @ weights["head.weight"].T + weights["head.bias"]


def test_training_is_what_it_is_by_hand(train: Train, tiny_data: Path) -> None:
    """The order of the images, the rates, label smoothing in training alone, the moving average, the epoch kept, and
    the same numbers in the event files."""
    words = ["--model", "mlp", "--parity", "--precision", "float64", "--optimizer", "sgd", "--betas", "0", "0.999"]
    words += ["--epochs", "5", "--batch-size", "30", "--learning-rate", "0.5", "--schedule", "cosine", "--keep-best"]
    run = train(*words, "--label-smoothing", "0.2", "--ema", "0.8", "--log-dir", "logs", "--seed", "4")
    dataset = load_dataset("tiny", tiny_data)
    recipe = Recipe(**run.recipe)
    losses, probabilities, averages = trained_by_hand(dataset, recipe)
    np.testing.assert_allclose(np.load(run.path / "losses.npy"), losses, rtol=1e-9)
    labels = dataset.train_labels[split_dataset(dataset, recipe)[1]]
    for row, found in zip(run.history, probabilities, strict=True):
        assert row["validation_loss"] == pytest.approx(cross_entropy(labels, found), rel=1e-5)  # not smoothed
        assert row["validation_accuracy"] == pytest.approx(np.mean(found.argmax(axis=1) == labels))
    scores = [(row["validation_accuracy"], -row["validation_loss"]) for row in run.history]
    best = scores.index(max(scores))
    assert best < 4, "choose another seed: the last epoch would be kept anyway"
    for name, array in read_weights(run.path / "weights.safetensors")[1].items():
        np.testing.assert_allclose(array, averages[best][name], rtol=1e-5, atol=1e-7, err_msg=name)
    images = dataset.test_images.reshape(100, -1) / 255
    np.testing.assert_allclose(run.probabilities, softmax(layers(averages[best], images)[-1]), atol=1e-5)

    expected = {(tag, int(row["epoch"])): row[tag] for row in run.history for tag in row if tag != "epoch"}
    expected |= {("step_loss", step): loss for step, loss in enumerate(losses, 1)}
    found = scalars(Path("logs", "run"))
    assert found.keys() == expected.keys()
    assert found == pytest.approx(expected, rel=1e-5)  # they hold float32


def scalars(folder: Path) -> dict[tuple[str, int], float]:
    """Return the values in TensorBoard's event files by tag and step, each of which must be there once."""
    sys.modules.setdefault("tensorboard.compat.notf", ModuleType("notf"))  # or it imports TensorFlow
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.util.tensor_util import make_ndarray

    log = EventAccumulator(str(folder), {"tensors": 0}).Reload()
    events = [(tag, event) for tag in log.Tags()["tensors"] for event in log.Tensors(tag)]
    found = {(tag, event.step): float(make_ndarray(event.tensor_proto)) for tag, event in events}
    assert len(found) == len(events)
    return found


EXACT = ("--parity", "--precision", "float64")
STILL = ("--rotation", "0", "--shift", "0", "--scale", "0", "--shear", "0", "--elastic", "0")
COMPARED = {
    # Adam, and all that follows from the recipe step by step. Images are only mirrored and cut: exact on every machine.
    "everything": [
        *("--schedule", "one-cycle", "--label-smoothing", "0.1", "--ema", "0.9", "--weight-decay", "0.1"),
        *("--augment", *STILL, "--flip", "0.5", "--cutout", "9", "--learning-rate", "0.003"),
    ],
    # No momentum: when the learning rate changes, PyTorch scales what momentum has gathered, and Keras does not.
    "plateaus": [
        *("--model", "lenet5", "--schedule", "constant", "--reduce-on-plateau", "1", "--early-stopping", "3"),
        *("--keep-best", "--epochs", "40", "--learning-rate", "0.1", "--optimizer", "sgd", "--betas", "0", "0.999"),
        *("--batch-size", "40"),
    ],
    # Batch normalisation, and Nesterov's momentum.
    "deep-cnn": [
        *("--model", "deep-cnn", "--filters", "8", "8", "16", "--dense", "16", "16", "--no-keep-best", "--epochs", "1"),
        *("--optimizer", "sgd", "--learning-rate", "0.001", "--batch-size", "8"),
    ],
}


@pytest.mark.parametrize("what", ["everything", "plateaus", pytest.param("deep-cnn", marks=pytest.mark.nightly)])
def test_losses_are_those_of_the_other_framework(train: Train, golden: Callable[..., None], what: str) -> None:
    run = train(*EXACT, *COMPARED[what])
    tolerance = 1e-11 if what == "deep-cnn" else 1e-6  # as docs/parity.md says
    golden("histories", {f"{what} losses": np.load(run.path / "losses.npy")}, rtol=tolerance)
    golden("histories", {f"{what} rows": rows_of(run)}, rtol=1e-5)
    if what == "plateaus":
        rates = [row["learning_rate"] for row in run.history]
        losses = [row["validation_loss"] for row in run.history]
        assert set(np.diff(np.log2(rates)).round(9)) == {0.0, -1.0}
        assert len(losses) - 1 - losses.index(min(losses)) == 3
        assert len(losses) < 40


def rows_of(run: Run) -> np.ndarray:
    """Return history.csv without what was measured, (epochs, columns)."""
    return np.array([[row[name] for name in sorted(row.keys() - MEASURED)] for row in run.history])


def test_bfloat16_trains_and_leaves_a_float32_model(
    train: Train, framework: str, script: ModuleType, tools: Any, tiny_data: Path
) -> None:
    exact = train("--epochs", "1", "--name", "exact")
    rounded = train("--epochs", "1", "--precision", "bfloat16", "--name", "rounded")
    assert rounded.history[0]["train_loss"] != exact.history[0]["train_loss"]
    assert rounded.history[0]["train_loss"] == pytest.approx(exact.history[0]["train_loss"], rel=0.05)
    # bfloat16 has 8 bits: a model that computed in it would be off by 1e-3.
    images = load_dataset("tiny", tiny_data).test_images
    for load, name in ((tools.load_own, CHECKPOINT[framework]), (tools.files.load_weights, "weights.safetensors")):
        found = script.predict(load(rounded.path / name), images, 10)
        np.testing.assert_allclose(found, rounded.probabilities, atol=1e-5)
    # After each epoch the network is evaluated in float32 too, and with the averaged weights if there are any.
    run = train("--precision", "bfloat16", "--epochs", "2", "--ema", "0.5", "--evaluate-on", "validation")
    assert run.history[-1]["validation_loss"] == pytest.approx(run.info["validation"]["loss"], rel=1e-5)


def test_all_images_in_one_step_and_none_held_out(train: Train) -> None:
    run = train("--epochs", "1", "--validation-fraction", "0", "--batch-size", "100000")
    (row,) = run.history
    assert (run.info["validation"], row.get("validation_loss")) == (None, None)
    assert row["train_loss"] == pytest.approx(np.log(10), rel=0.1)  # before the only step: a guess


def test_the_output_for_what_is_no_digit_is_left_out_of_evaluation(train: Train, tools: Any, tiny_data: Path) -> None:
    """Accuracy, loss and probabilities, of validation and test images, are those of the ten classes alone."""
    run = train("--non-digits", "0.5", "--epochs", "1", "--model", "lenet5")
    config, arrays = read_weights(run.path / "weights.safetensors")
    assert config.num_classes == len(arrays["head.bias"]) == 11
    assert run.probabilities.shape == (len(run.labels), 10)
    dataset = load_dataset("tiny", tiny_data)
    held_out = split_dataset(dataset, Recipe(validation_fraction=0.2))[1]
    logits = tools.logits(tools.files.load_weights(run.path / "weights.safetensors"), dataset.train_images[held_out])
    shares = np.exp(logits[:, :10]) / np.exp(logits[:, :10]).sum(axis=1, keepdims=True)
    expected = cross_entropy(dataset.train_labels[held_out], shares)
    assert run.history[0]["validation_loss"] == pytest.approx(expected, rel=1e-4)


def test_with_evaluate_on_validation_no_number_depends_on_the_test_images(
    train: Train, tiny_data: Path, tmp_path: Path
) -> None:
    tiny = load_dataset("tiny", tiny_data)
    words = ["--model", "mlp", "--epochs", "3", "--keep-best", "--ema", "0.5", "--learning-rate", "0.03", "--seed", "3"]
    words += ["--evaluate-on", "validation", "--dataset", "other"]
    found = []
    for name, images, labels in (
        ("honest", tiny.test_images, tiny.test_labels),
        ("spoiled", np.zeros((300, 28, 28), np.uint8), np.arange(300).astype(np.uint8) % 10),
    ):
        write_own("other", (tiny.train_images, tiny.train_labels, images, labels), tiny.class_names, tmp_path / name)
        found.append(train(*words, "--data-dir", tmp_path / name, "--output-dir", f"{name}-runs"))
    honest, spoiled = found
    assert numbers(honest) == numbers(spoiled)
    assert honest.fingerprint != spoiled.fingerprint
    held_out = split_dataset(tiny, Recipe(**honest.recipe))[1]
    np.testing.assert_array_equal(honest.labels, tiny.train_labels[held_out])
    assert (honest.info["evaluated_on"], honest.info["test"]) == ("validation", None)
    assert honest.info["held_out"] == {"validation_fraction": 0.2, "split": "random", "seed": 3}
    assert honest.info["validation"] == honest.score
    assert honest.score["n"] == 100
    assert honest.score["accuracy"] == pytest.approx(max(row["validation_accuracy"] for row in honest.history))


def test_a_loss_that_is_not_finite_ends_in_a_sentence(train: Train) -> None:
    with pytest.raises(UserError, match=r"the training diverged: the loss became .*; lower --learning-rate"):
        train("--learning-rate", "1e38", "--epochs", "30", "--optimizer", "sgd", "--model", "mlp")
    assert not Path("outputs", "run").exists()


# --- what cannot be done is said before any training ---


@pytest.mark.parametrize("device", ["cuda", "mps"])
@pytest.mark.skipif(sys.platform == "darwin", reason="PyTorch may see an Apple GPU there")
def test_a_device_that_is_not_there(train: Train, device: str) -> None:
    with pytest.raises(UserError, match=f"--device {device}.*--device cpu"):
        train("--device", device)
    assert not Path("outputs").exists()


def test_only_the_same_recipe_replaces_a_finished_run(train: Train, framework: str) -> None:
    mlp = replace(RECIPES["mlp"], epochs=0, validation_fraction=0.2)
    path = make_run(Path("outputs"), "tiny", framework, model="mlp", folder="run", recipe=mlp)
    before = bytes_of(path)
    same = ("--model", "mlp", "--epochs", "0")
    for words, field in (
        (("--learning-rate", "0.002"), "learning rate 0.003, not 0.002"),
        (("--evaluate-on", "validation"), "evaluate on test, not validation"),
        (("--seed", "1"), "seed 0, not 1"),
    ):
        with pytest.raises(UserError, match=f"'{path}' holds a finished run with {field}; .*another --name, or delete"):
            train(*same, *words)
        assert bytes_of(path) == before
    (path / "labels.npy").unlink()  # a damaged one is replaced by any
    assert train(*same, "--seed", "1").seed == 1
    assert train(*same, "--seed", "1").info["created"]


# --- settings for Keras, made for other programs ---

WITH_OUR_NETWORKS = """
import mnist_twice.tensorflow
import keras
from mnist_twice.recipes import RECIPES
from mnist_twice.training import model_config
print(keras.config.backend(), keras.config.floatx(), keras.config.epsilon())
keras.config.set_image_data_format("channels_first")  # as a program may that uses our networks
print(mnist_twice.tensorflow.build_model(model_config(RECIPES["cnn"], 10, "tensorflow")).output_shape)
"""


@pytest.mark.tensorflow
def test_settings_for_other_programs_change_nothing(tmp_path: Path) -> None:
    settings = {"backend": "jax", "image_data_format": "channels_first", "floatx": "float16", "epsilon": 0.1}
    (tmp_path / "keras.json").write_text(json.dumps(settings))
    theirs = {"KERAS_HOME": str(tmp_path), "KERAS_BACKEND": "torch", "KERAS_MAX_EPOCHS": "1"}
    command, environment = [sys.executable, "-c", WITH_OUR_NETWORKS], os.environ | theirs
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.stdout.splitlines() == ["tensorflow float32 1e-07", "(None, 10)"], done.stderr
