"""Both training scripts, run as a user runs them on real digits, each as if the other framework were not installed."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from conftest import Once, Trained
from framework_process import (
    OTHER,
    PACKAGES,
    ROOT,
    ask,
    environment,
    run_forked,
    script_command,
)

from digits.data.datasets import load_dataset
from digits.files.whole import leftovers
from digits.metrics import cross_entropy, wilson_interval
from digits.runs.run import Run, find_runs, read_run
from digits.training.batches import epoch_order
from digits.training.recipe import Recipe
from digits.training.weights import read_weights, write_weights

pytestmark = pytest.mark.training
SAMPLE = ("--dataset", "mnist-sample")
CHECKPOINT = {"pytorch": "model.pt", "tensorflow": "model.keras"}
# The parameters of `cnn`: weights and biases of conv 16, conv 32, dense 128 and dense 10.
NUM_PARAMETERS = (9 + 1) * 16 + (16 * 9 + 1) * 32 + (7 * 7 * 32 + 1) * 128 + (128 + 1) * 10
EPOCH_LINE = re.compile(r"\d+/\d+ +\d+\.\d{4} +\d+\.\d\d% +(\d+\.\d{4} +\d+\.\d\d%|- +-) +\d+\.\d +[\d,]+")


@pytest.fixture
def run(trained: Trained) -> Run:
    return read_run(trained.path)


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def onnx_probabilities(run: Path, images: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(run / "model.onnx", providers=["CPUExecutionProvider"])
    return session.run(["probabilities"], {"images": images})[0]


# --- the run of default options ---


def test_run_is_whole_and_has_every_file(trained: Trained, run: Run) -> None:
    arrays = {"labels.npy", "losses.npy", "predictions.npy", "probabilities.npy", "weights.safetensors"}
    expected = {*arrays, "history.csv", "model.onnx", "run.json", CHECKPOINT[trained.framework]}
    assert set(bytes_of(trained.path)) == expected
    assert set(run.info["files"]) == expected - {"run.json"}
    assert run.name == f"mnist-sample-cnn-{trained.framework}"
    assert find_runs(trained.path.parent).count(trained.path) == 1
    assert not [entry for entry in trained.path.parent.iterdir() if entry.name.startswith(".")]


def test_it_has_learned(run: Run) -> None:
    assert run.accuracy >= 0.93
    assert run.info["validation"]["accuracy"] >= 0.88  # of 400 images


def test_history_has_a_row_an_epoch(run: Run) -> None:
    assert [row["epoch"] for row in run.history] == [1, 2, 3]
    for row in run.history:
        assert row["learning_rate"] == pytest.approx(1e-3)
        assert row["images_per_second"] == pytest.approx(3600 / row["seconds"], rel=0.01)
    first, _, last = run.history
    for name in ("train_loss", "validation_loss"):
        assert 0 < last[name] < min(first[name], 0.5)
    assert first["train_accuracy"] < last["train_accuracy"]
    assert run.info["validation"] == {
        "n": 400,
        "accuracy": last["validation_accuracy"],
        "loss": last["validation_loss"],
    }
    assert last["validation_accuracy"] * 400 == pytest.approx(round(last["validation_accuracy"] * 400), abs=1e-3)


def test_run_json_says_what_was_done(trained: Trained, run: Run, workplace: Path) -> None:
    info = run.info
    assert info["recipe"] == json.loads(json.dumps(asdict(Recipe())))
    assert info["command"] == f"python mnist_{trained.framework}.py --dataset mnist-sample --model cnn"
    assert info["parameters"] == {"trainable": 206_922, "non_trainable": 0}
    assert NUM_PARAMETERS == 206_922
    assert info["dataset_fingerprint"] == load_dataset("mnist-sample", workplace / "mnist_data").fingerprint
    assert info["class_names"] == list("0123456789")
    packages = {"pytorch": ["torch"], "tensorflow": ["tensorflow", "keras", "tf2onnx"]}[trained.framework]
    assert info["versions"].keys() == {"python", "numpy", "onnx", *packages}
    assert all(info["versions"][name] == version(name) for name in ("numpy", "onnx", *packages))
    assert info["hardware"]["device"] == "cpu"
    assert 1 <= info["hardware"]["cores"] <= os.cpu_count()
    assert 0 < info["seconds"]["training"] < info["seconds"]["total"]
    assert info["seconds"]["training"] == pytest.approx(sum(row["seconds"] for row in run.history), abs=0.002)
    assert info["images_per_second"] == pytest.approx(3 * 3600 / info["seconds"]["training"], rel=0.01)
    assert 100 < info["peak_memory_mb"] < 100_000  # neither KB nor bytes


def test_run_json_says_what_came_out(run: Run, workplace: Path) -> None:
    labels = load_dataset("mnist-sample", workplace / "mnist_data").test_labels
    np.testing.assert_array_equal(run.labels, labels)
    correct = int(np.sum(run.predictions == labels))
    assert run.info["test"] == {
        "n": 1000,
        "accuracy": correct / 1000,
        "loss": pytest.approx(cross_entropy(labels, run.probabilities)),
        "interval_95": list(wilson_interval(correct, 1000)),
    }
    low, high = run.info["test"]["interval_95"]
    assert low < run.accuracy < high


def test_without_a_terminal_only_the_table_is_printed(trained: Trained, run: Run) -> None:
    name = {"pytorch": "PyTorch", "tensorflow": "TensorFlow"}[trained.framework]
    first, header, *epochs, outcome, place = trained.stdout.splitlines()
    assert re.fullmatch(rf"cnn in {name} \S+ on cpu: 206,922 parameters, mnist-sample", first)
    assert header.split() == ["epoch", "loss", "accuracy", "val.", "loss", "val.", "accuracy", "seconds", "images/s"]
    assert len(epochs) == 3
    for epoch, (line, row) in enumerate(zip(epochs, run.history, strict=True), start=1):
        assert EPOCH_LINE.fullmatch(line)
        assert line.split()[:3] == [f"{epoch}/3", f"{row['train_loss']:.4f}", f"{row['train_accuracy']:.2%}"]
    low, high = run.info["test"]["interval_95"]
    correct = f"{run.accuracy:.2%} ({run.accuracy * 1000:.0f} of 1,000; 95 % interval {low:.2%} to {high:.2%})"
    assert outcome.startswith(f"test accuracy {correct}, training ")
    assert place.startswith(f"outputs/{trained.path.name}: ")
    assert CHECKPOINT[trained.framework] in place
    assert trained.stderr == ""


def test_same_seed_gives_the_same_bytes(trained: Trained, run: Run, workplace: Path, tmp_path: Path) -> None:
    (tmp_path / "mnist_data").symlink_to(workplace / "mnist_data")
    done = run_forked(trained.framework, *SAMPLE, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    again = read_run(tmp_path / "outputs" / run.name)
    for name in ("predictions.npy", "probabilities.npy", "labels.npy", "weights.safetensors"):
        assert (again.path / name).read_bytes() == (run.path / name).read_bytes(), name
    timed = ("seconds", "images_per_second")
    for ours, theirs in zip(again.history, run.history, strict=True):
        assert {key: ours[key] for key in ours if key not in timed} == {
            key: theirs[key] for key in theirs if key not in timed
        }


# --- other options ---


@pytest.fixture
def variants(framework: str, workplace: Path, once: Once) -> Path:
    """A folder with runs of one epoch in outputs/."""

    def make(folder: Path) -> None:
        (folder / "mnist_data").symlink_to(workplace / "mnist_data")
        one_epoch = [*SAMPLE, "--epochs", "1"]
        commands = [
            [*one_epoch, "--seed", "1"],
            [*one_epoch, "--precision", "bfloat16"],
            [*one_epoch, "--validation-fraction", "0", "--batch-size", "100000", "--name", "one-step"],
        ]
        ask(framework, "trainings.train_runs", str(folder), commands)

    return once(f"variants-{framework}", make)[0]


def test_another_seed(variants: Path, run: Run) -> None:
    other = read_run(variants / "outputs" / f"{run.name}-s1+epochs=1")
    assert other.seed == other.info["recipe"]["seed"] == 1
    assert other.info["command"].endswith(" --epochs 1 --seed 1")
    assert other.history[0]["train_loss"] != run.history[0]["train_loss"]
    assert other.history[0]["train_loss"] == pytest.approx(run.history[0]["train_loss"], rel=0.3)


def test_bfloat16_trains_and_leaves_a_float32_model(
    variants: Path, run: Run, test_images: np.ndarray, tmp_path: Path
) -> None:
    bfloat16 = read_run(variants / "outputs" / f"{run.name}+epochs=1+precision=bfloat16")
    assert bfloat16.info["recipe"]["precision"] == "bfloat16"
    # It was computed otherwise, and learned as much.
    assert bfloat16.history[0]["train_loss"] != run.history[0]["train_loss"]
    assert bfloat16.history[0]["train_loss"] == pytest.approx(run.history[0]["train_loss"], rel=0.05)
    assert bfloat16.accuracy > 0.8
    # bfloat16 has 8 bits: a model that computed in it would be off by 1e-3.
    checkpoint, weights = map(
        np.array,
        ask(
            run.framework,
            "saved_models.probabilities",
            *_with_images(tmp_path, test_images),
            [str(bfloat16.path / CHECKPOINT[run.framework]), str(bfloat16.path / "weights.safetensors")],
        ),
    )
    np.testing.assert_allclose(checkpoint, bfloat16.probabilities, atol=1e-5)
    np.testing.assert_allclose(weights, bfloat16.probabilities, atol=1e-5)
    np.testing.assert_allclose(onnx_probabilities(bfloat16.path, test_images), bfloat16.probabilities, atol=1e-5)
    assert all(array.dtype == np.float32 for array in read_weights(bfloat16.path / "weights.safetensors")[1].values())


def test_all_images_in_one_step_and_none_held_out(variants: Path, run: Run) -> None:
    one_step = read_run(variants / "outputs" / "one-step")
    (row,) = one_step.history
    assert one_step.info["validation"] is None
    assert not [name for name in row if name.startswith("validation")]
    assert row["images_per_second"] * row["seconds"] == pytest.approx(4000, rel=0.01)
    assert row["train_loss"] == pytest.approx(np.log(10), rel=0.1)  # before the only step: a guess


# --- what the saved models compute ---


def _with_images(folder: Path, images: np.ndarray) -> tuple[str]:
    np.save(folder / "images.npy", images)
    return (str(folder / "images.npy"),)


def test_saved_models_all_compute_the_same(
    trained: Trained, train_once: Callable[[str], Trained], test_images: np.ndarray, tmp_path: Path
) -> None:
    other = train_once(OTHER[trained.framework]).path
    checkpoint, weights, transplanted = map(
        np.array,
        ask(
            trained.framework,
            "saved_models.probabilities",
            *_with_images(tmp_path, test_images),
            [
                str(trained.path / CHECKPOINT[trained.framework]),
                str(trained.path / "weights.safetensors"),
                str(other / "weights.safetensors"),
            ],
        ),
    )
    assert test_images.shape == (1000, 28, 28)
    run = read_run(trained.path)
    np.testing.assert_allclose(onnx_probabilities(trained.path, test_images), run.probabilities, atol=1e-5)
    np.testing.assert_allclose(checkpoint, run.probabilities, atol=1e-5)
    np.testing.assert_allclose(weights, run.probabilities, atol=1e-5)
    # The other framework's weights: layouts and the range of the pixels are its own.
    np.testing.assert_allclose(transplanted, onnx_probabilities(other, test_images), atol=1e-5)
    assert np.abs(transplanted - run.probabilities).max() > 0.1


def test_model_onnx_takes_any_number_of_raw_images(trained: Trained, run: Run, test_images: np.ndarray) -> None:
    session = onnxruntime.InferenceSession(trained.path / "model.onnx", providers=["CPUExecutionProvider"])
    (images,), (output,) = session.get_inputs(), session.get_outputs()
    assert (images.name, images.type, images.shape) == ("images", "tensor(uint8)", ["N", 28, 28])
    assert (output.name, output.type, output.shape) == ("probabilities", "tensor(float)", ["N", 10])
    assert json.loads(session.get_modelmeta().custom_metadata_map["class_names"]) == list("0123456789")
    for n in (1, 7):
        probabilities = session.run(None, {"images": test_images[:n]})[0]
        np.testing.assert_allclose(probabilities, run.probabilities[:n], atol=1e-5)


def test_weights_are_named_and_laid_out_as_agreed(trained: Trained) -> None:
    config, arrays = read_weights(trained.path / "weights.safetensors")
    assert config.model == "cnn"
    assert config.num_classes == 10
    assert config.pixel_range == pytest.approx({"pytorch": (-1, 1), "tensorflow": (0, 1)}[trained.framework])
    assert {name: array.shape for name, array in arrays.items()} == {
        "conv1.weight": (16, 1, 3, 3),
        "conv1.bias": (16,),
        "conv2.weight": (32, 16, 3, 3),
        "conv2.bias": (32,),
        "dense1.weight": (128, 1568),
        "dense1.bias": (128,),
        "head.weight": (10, 128),
        "head.bias": (10,),
    }


def test_weights_that_do_not_fit_are_refused(trained: Trained, tmp_path: Path) -> None:
    config, arrays = read_weights(trained.path / "weights.safetensors")
    forged = {
        "turned": (config, {**arrays, "conv2.weight": arrays["conv2.weight"].transpose(1, 0, 2, 3)}),
        "missing": (config, {name: array for name, array in arrays.items() if name != "head.bias"}),
        "too-many": (config, {**arrays, "dense3.bias": arrays["head.bias"]}),
        "classes": (replace(config, num_classes=12), arrays),
    }
    for name, contents in forged.items():
        write_weights(tmp_path / name, *contents)
    (tmp_path / "cut").write_bytes((trained.path / "weights.safetensors").read_bytes()[:-1])
    paths = [str(tmp_path / name) for name in (*forged, "cut", "absent")]
    turned, missing, too_many, classes, cut, absent = ask(trained.framework, "saved_models.refusals", paths)
    assert f"'{tmp_path / 'turned'}' does not fit the network: 'conv2.weight' has the shape (16, 32, 3, 3)" in turned
    assert "'head.bias' has the shape none, (10,) is expected" in missing
    assert "'dense3.bias' has the shape (10,), none is expected" in too_many
    assert "'head.bias' has the shape (10,), (12,) is expected" in classes
    assert f"'{tmp_path / 'cut'}' is no weights file" in cut
    assert f"there is no weights file '{tmp_path / 'absent'}'" in absent


# --- what cannot be done is said before any training ---


def test_only_the_same_recipe_replaces_a_finished_run(trained: Trained, earlier: Path) -> None:
    run = earlier / "outputs" / trained.path.name
    named = [*SAMPLE, "--name", run.name, "--output-dir", "outputs"]
    for options, field in (
        (["--learning-rate", "0.002"], "learning rate 0.001, not 0.002"),
        (["--filters", "8", "16"], "filters 16 32, not 8 16"),
        (["--init-from", str(trained.path)], f"init from none, not {run.name}"),
        (["--evaluate-on", "validation"], "evaluate on test, not validation"),
        (["--seed", "1"], "seed 0, not 1"),
    ):
        done = run_forked(trained.framework, *named, *options, cwd=earlier)
        assert_one_sentence(
            done, f"'outputs/{run.name}' holds a finished run with {field}; ", "another --name, or delete"
        )
        assert bytes_of(run) == bytes_of(trained.path)
    foreign = run_forked(OTHER[trained.framework], *named, cwd=earlier)
    assert_one_sentence(foreign, f"framework {trained.framework}, not {OTHER[trained.framework]}")
    # A damaged one is replaced by any; the result by the same recipe alone, with any other order of the words.
    (run / "labels.npy").unlink()
    for options in (["--epochs", "0", "--seed", "1"], ["--seed", "1", "--epochs", "0"]):
        done = run_forked(trained.framework, *named, *options, cwd=earlier)
        assert (done.returncode, done.stderr) == (0, "")
        assert read_run(run).info["command"].endswith(f" --epochs 0 --seed 1 --name {run.name}")


def assert_one_sentence(done: subprocess.CompletedProcess[str], *parts: str) -> None:
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert done.stderr.endswith((".\n", "'.\n"))
    for part in parts:
        assert part in done.stderr


@pytest.mark.parametrize("device", ["cuda", "mps"])
@pytest.mark.skipif(sys.platform == "darwin", reason="PyTorch may see an Apple GPU there")
def test_a_device_that_is_not_there(framework: str, device: str, workplace: Path, tmp_path: Path) -> None:
    done = run_forked(framework, *SAMPLE, "--device", device, "--output-dir", str(tmp_path), cwd=workplace)
    assert_one_sentence(done, f"--device {device}", "--device cpu")
    assert list(tmp_path.iterdir()) == []


def test_dataset_that_was_not_downloaded(framework: str, tmp_path: Path) -> None:
    done = run_forked(framework, "--dataset", "fashion-mnist", "--data-dir", "my data", cwd=tmp_path)
    assert_one_sentence(done, "run 'python download_mnist.py --dataset fashion-mnist --data-dir 'my data''")
    assert list(tmp_path.iterdir()) == []


def test_output_folder_that_is_a_file(framework: str, workplace: Path, tmp_path: Path) -> None:
    (tmp_path / "outputs").write_text("mine")
    done = run_forked(framework, *SAMPLE, "--output-dir", str(tmp_path / "outputs"), cwd=workplace)
    assert_one_sentence(done, str(tmp_path / "outputs"))
    assert (tmp_path / "outputs").read_text() == "mine"


@pytest.mark.skipif(sys.platform != "linux", reason="needs a place where not even root can write")
def test_output_folder_that_is_read_only(framework: str, workplace: Path) -> None:
    done = run_forked(framework, *SAMPLE, "--output-dir", "/sys/outputs", cwd=workplace)
    assert_one_sentence(done, f"cannot write to '/sys/outputs/mnist-sample-cnn-{framework}'")


# --- stopped in the middle ---


@pytest.fixture
def earlier(trained: Trained, workplace: Path, tmp_path: Path) -> Path:
    """A folder to run a script in where an earlier run lies in outputs/."""
    (tmp_path / "mnist_data").symlink_to(workplace / "mnist_data")
    shutil.copytree(trained.path, tmp_path / "outputs" / trained.path.name)
    return tmp_path


def in_its_place(folder: Path, trained: Trained, **recipe: int) -> list[str]:
    """Have the earlier run say that it is of this recipe; return the options of a training that replaces it."""
    file = folder / "outputs" / trained.path.name / "run.json"
    info = json.loads(file.read_text())
    file.write_text(json.dumps({**info, "recipe": {**info["recipe"], **recipe}}))
    words = [word for name, value in recipe.items() for word in (f"--{name.replace('_', '-')}", str(value))]
    return [*SAMPLE, *words, "--name", trained.path.name]


def assert_earlier_run_is_there(folder: Path, trained: Trained) -> None:
    run = folder / "outputs" / trained.path.name
    now, before = bytes_of(run), bytes_of(trained.path)
    assert json.loads(now.pop("run.json"))["created"] == json.loads(before.pop("run.json"))["created"]
    assert now == before
    read_run(run)
    assert find_runs(folder / "outputs") == [run]


def test_killed_while_training(trained: Trained, earlier: Path) -> None:
    options = in_its_place(earlier, trained, epochs=100)
    done = run_forked(trained.framework, *options, cwd=earlier, kill_when=lambda printed: "\n1/100 " in printed)
    assert done.returncode == -signal.SIGKILL
    assert_earlier_run_is_there(earlier, trained)
    checkpoint = f".{trained.path.name}.checkpoint"  # for --resume, if an epoch was finished
    half = leftovers(earlier / "outputs" / checkpoint)  # the next training sweeps it, as test_checkpoint.py shows
    assert len(half) <= 1
    expected = {trained.path.name, checkpoint, *(folder.name for folder in half)}
    assert {entry.name for entry in (earlier / "outputs").iterdir()} <= expected


def test_killed_while_writing_the_run(trained: Trained, earlier: Path) -> None:
    outputs = earlier / "outputs"
    options = in_its_place(earlier, trained, epochs=1, batch_size=500)
    done = run_forked(
        trained.framework, *options, cwd=earlier, kill_when=lambda _: any(outputs.glob(".*/weights.safetensors"))
    )
    assert done.returncode == -signal.SIGKILL
    assert_earlier_run_is_there(earlier, trained)
    (leftover,) = (
        entry for entry in outputs.glob(".*") if entry.is_dir()
    )  # the next training sweeps it, as test_runs.py shows
    assert not (leftover / "run.json").exists()


def in_a_terminal(framework: str, *options: str, cwd: Path, until: str) -> tuple[int, str]:
    """Run the script in a terminal of its own, press Ctrl-C there once it shows `until`; return status and screen."""
    pty, termios = pytest.importorskip("pty"), pytest.importorskip("termios")
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 120))  # a new one has no columns, and a bar of no width would be drawn
    # The script's process leads a session with this terminal, as under a shell: Ctrl-C reaches whatever it started.
    process = subprocess.Popen(
        [sys.executable, "-c", TAKE_TERMINAL, *script_command(framework, *options)],
        cwd=cwd,
        env=environment(),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    screen, pressed = b"", False
    with process, suppress(OSError):  # EIO is how Linux tells that the last process has left the terminal
        while chunk := os.read(ours, 65536):
            screen += chunk
            if not pressed and re.search(until.encode(), screen):
                os.write(ours, b"\x03")
                pressed = True
    os.close(ours)
    return process.returncode, screen.decode()


TAKE_TERMINAL = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""


def test_progress_is_live_in_a_terminal_and_ctrl_c_ends_it_cleanly(trained: Trained, earlier: Path) -> None:
    options = in_its_place(earlier, trained, epochs=100)
    status, screen = in_a_terminal(trained.framework, *options, cwd=earlier, until=r"\r3/100 +\d")
    # What stood in each line of the terminal, one state after the other.
    lines = [state.rstrip() for line in screen.replace("\r\n", "\n").split("\n") for state in line.split("\r")]
    live = re.compile(r"epoch [123]/100: +\d+%\|.+\| (\d+)/3600 \[.* images/s, loss \d\.\d{4}, accuracy \d+\.\d\d%\]")
    images = [int(match[1]) for line in lines if (match := live.fullmatch(line))]
    assert images
    assert 0 < min(images) < 3600
    assert len([line for line in lines if EPOCH_LINE.fullmatch(line)]) >= 2  # the third may have the echoed ^C in it
    assert status == 130
    assert re.fullmatch(
        r"Stopped after epoch [23] of 100. Add --resume to continue.", [line for line in lines if line][-1]
    )
    assert "Traceback" not in screen
    assert_earlier_run_is_there(earlier, trained)
    checkpoint = f".{trained.path.name}.checkpoint"  # for --resume, if an epoch was finished
    assert {entry.name for entry in (earlier / "outputs").iterdir()} <= {trained.path.name, checkpoint}


SLOW_IMPORT = """
from digits.errors import expect_interruptions
expect_interruptions()
print("importing", flush=True)
import slow
"""


def test_ctrl_c_during_a_slow_import(tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text("import time\ntime.sleep(60)\n")
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", SLOW_IMPORT], cwd=tmp_path, env=environment(), **pipes) as process:
        assert process.stdout.readline() == "importing\n"
        time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        stderr = process.communicate(timeout=30)[1]
    assert process.returncode == -signal.SIGINT
    assert stderr == "\ninterrupted; what was complete before this call still is.\n"


def test_both_scripts_expect_interruptions_before_their_slow_imports() -> None:
    for framework, (package, *_) in PACKAGES.items():
        before, _, _ = (ROOT / f"mnist_{framework}.py").read_text(encoding="utf-8").partition(f"import {package}")
        assert "    expect_interruptions()\n" in before


# --- what one framework's script relies on ---


def test_pooling_before_relu_changes_nothing() -> None:
    differences = ask("pytorch", "same_numbers.pooling_before_relu")
    layers = ("conv1", "conv2", "dense1", "head")
    assert differences.keys() == {"loss", *(f"{layer}.{kind}" for layer in layers for kind in ("weight", "bias"))}
    assert max(differences.values()) < 1e-6, differences


def test_fused_adam_is_adam() -> None:
    differences = ask("tensorflow", "same_numbers.fused_adam")
    assert differences.keys() == {"weights", "moved", "momentums", "velocities"}
    assert differences["weights"] < 1e-6, differences
    # One works with 1 - float32(0.999), the other with float32(0.001): relative 1.3e-5. A misplaced epsilon or a wrong
    # correction of the bias would show as 0.1 and more.
    assert max(differences.values()) < 1e-4, differences


def test_tensorflow_is_fed_the_epochs_orders() -> None:
    num_images, batch_size = 23, 5  # a last batch of 3
    indices = np.arange(num_images) * 2
    passes = ask("tensorflow", "batches.batches", num_images, batch_size, 3)
    for epoch, batches in enumerate(passes):
        order = epoch_order(indices, 5, epoch, batch_size)
        expected = [order[start : start + batch_size] for start in range(0, num_images, batch_size)]
        assert [batch for batch, _ in batches] == [part.tolist() for part in expected]
        assert [labels for _, labels in batches] == [(part % 7).tolist() for part in expected]
    assert len(passes) == 3


def test_each_epoch_asks_for_its_own_order(framework: str) -> None:
    assert ask(framework, "batches.orders_asked_for") == [0, 1, 2]


def test_memory_on_60_000_images(framework: str, workplace: Path, tmp_path: Path) -> None:
    (tmp_path / "mnist_data").symlink_to(workplace / "mnist_data")
    before, peak = ask(framework, "trainings.memory_of_full_size_run", str(tmp_path))
    # Predicting the 57,000 at once would take 2.9 GB for what the first layer gives alone.
    assert peak - before < 1e9
    run = read_run(tmp_path / "outputs" / "full-size")
    assert len(run.labels) == 10_000
    assert run.info["validation"]["n"] == 57_000
    assert (run.path / "model.onnx").exists()
