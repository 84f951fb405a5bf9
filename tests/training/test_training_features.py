"""What recipes can ask for beyond the default: both frameworks alike, a killed training resumed, odd input survived."""

from __future__ import annotations

import csv
import random
import shutil
import time
from pathlib import Path

import numpy as np
import pytest
from conftest import Once, Trained
from framework_process import OTHER, ask, ask_both, run_forked

from digits.data.datasets import load_dataset
from digits.data.own import write_own
from digits.runs.run import Run, read_run
from digits.training.weights import read_weights

pytestmark = pytest.mark.training
SAMPLE = ("--dataset", "mnist-sample")
FEW = ("--dataset", "few", "--validation-fraction", "0.2")  # 800 images to train on, 200 to validate, 200 to test
EXACT = ("--parity", "--precision", "float64")
HUNDRED_STEPS = (*FEW, *EXACT, "--batch-size", "8", "--epochs", "1")


@pytest.fixture(scope="module")
def data(workplace: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """mnist_data/ with the sample, and `few`, its first images, so that little time goes into evaluating them."""
    folder = shutil.copytree(workplace / "mnist_data", tmp_path_factory.mktemp("few") / "mnist_data")
    sample = load_dataset("mnist-sample", folder)
    train, test = slice(0, 1000), slice(0, 200)
    few = (sample.train_images[train], sample.train_labels[train], sample.test_images[test], sample.test_labels[test])
    write_own("few", few, sample.class_names, folder)
    return folder


@pytest.fixture
def place(data: Path, tmp_path: Path) -> Path:
    """An empty folder to run scripts in, with mnist_data/."""
    (tmp_path / "mnist_data").symlink_to(data)
    return tmp_path


def train(framework: str, folder: Path, *options: str) -> Run:
    """Return the run that the framework's script makes with these options, in outputs/ of the folder."""
    (run,) = train_all(framework, folder, [list(options)])
    return run


def train_all(framework: str, folder: Path, commands: list[list[str]]) -> list[Run]:
    return [read_run(folder / path) for path in ask(framework, "trainings.train_runs", str(folder), commands)]


def history_of(run: Run) -> list[dict[str, float]]:
    with (run.path / "history.csv").open(newline="") as file:
        return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]


# --- parity ---


@pytest.fixture(scope="module")
def pairs(data: Path, once: Once) -> dict[str, tuple[Run, Run]]:
    """Runs of both frameworks under --parity in float64, by what they show."""
    sgd = ["--optimizer", "sgd", "--learning-rate", "0.01"]
    half_deep = ["--model", "deep-cnn", "--filters", "16", "32", "64", "--dense", "128", "64"]  # a quarter of the work
    everything = ["--schedule", "one-cycle", "--label-smoothing", "0.1", "--ema", "0.9", "--weight-decay", "0.1"]
    everything += ["--augment", "--flip", "0.5", "--cutout", "9", "--learning-rate", "0.003"]
    plateaus = ["--reduce-on-plateau", "1", "--early-stopping", "3", "--keep-best", "--epochs", "40"]
    # No momentum: when the learning rate changes, PyTorch scales what momentum has gathered, and Keras does not.
    plateaus += ["--learning-rate", "0.1", "--optimizer", "sgd", "--betas", "0", "0.999"]
    plateaus += ["--batch-size", "50"]
    commands = {
        "cnn": [*HUNDRED_STEPS, *sgd],
        # With batches of only 8 images to normalise by, larger steps would multiply the rounding a hundredfold.
        "deep-cnn": [*HUNDRED_STEPS, *half_deep, "--no-keep-best", *sgd[:2], "--learning-rate", "0.001"],
        "adam": [*HUNDRED_STEPS, "--model", "mlp", "--schedule", "constant", "--learning-rate", "0.001"],
        "everything": [*FEW, *EXACT, *everything],
        "plateaus": [*FEW, *EXACT, "--model", "lenet5", "--schedule", "constant", *plateaus],
    }
    places = [[*options, "--output-dir", name] for name, options in commands.items()]

    def make(folder: Path) -> dict[str, list[str]]:
        (folder / "mnist_data").symlink_to(data)
        return ask_both("trainings.train_runs", str(folder), places)

    folder, paths = once("pairs", make)
    found = [[read_run(folder / path) for path in paths[framework]] for framework in OTHER]
    return dict(zip(commands, zip(*found, strict=True), strict=True))


@pytest.mark.parametrize("model", ["cnn", "deep-cnn"])
def test_losses_of_100_steps_agree_in_float64_under_sgd(pairs: dict[str, tuple[Run, Run]], model: str) -> None:
    ours, theirs = (np.load(run.path / "losses.npy") for run in pairs[model])
    assert len(ours) == len(theirs) == 100
    assert ours.dtype == np.float64
    assert ours[-20:].mean() < ours[:20].mean() < 4  # it has learned something
    np.testing.assert_allclose(ours, theirs, rtol=1e-11)  # measured: 3e-15 for cnn, 4e-13 for deep-cnn
    # By batch normalisation's running statistics, where the losses above do not see them.
    ours, theirs = (run.history[0]["validation_loss"] for run in pairs[model])
    assert ours == pytest.approx(theirs, rel=1e-6)


def test_losses_agree_under_adam_too(pairs: dict[str, tuple[Run, Run]]) -> None:
    ours, theirs = (np.load(run.path / "losses.npy") for run in pairs["adam"])
    np.testing.assert_allclose(ours, theirs, rtol=1e-6)


@pytest.mark.parametrize("what", ["everything", "plateaus"])
def test_features_do_the_same_in_both_frameworks(pairs: dict[str, tuple[Run, Run]], what: str) -> None:
    ours, theirs = pairs[what]
    np.testing.assert_allclose(np.load(ours.path / "losses.npy"), np.load(theirs.path / "losses.npy"), rtol=1e-6)
    assert len(ours.history) == len(theirs.history)
    for row, other in zip(ours.history, theirs.history, strict=True):
        for name in row.keys() - {"seconds", "images_per_second"}:
            assert row[name] == pytest.approx(other[name], rel=1e-5), name
    np.testing.assert_allclose(ours.probabilities, theirs.probabilities, atol=1e-4)


def test_rate_falls_training_ends_early_and_the_best_is_kept(pairs: dict[str, tuple[Run, Run]]) -> None:
    run = pairs["plateaus"][0]
    rates = [row["learning_rate"] for row in run.history]
    losses = [row["validation_loss"] for row in run.history]
    assert set(np.diff(np.log2(rates)).round(9)) == {0.0, -1.0}
    assert len(run.history) < 40
    assert len(losses) - 1 - losses.index(min(losses)) == 3
    best = max(run.history, key=lambda row: (row["validation_accuracy"], -row["validation_loss"]))
    assert best is not run.history[-1]
    assert run.info["validation"]["accuracy"] == best["validation_accuracy"]
    assert run.info["validation"]["loss"] == best["validation_loss"]


def test_parity_runs_stand_beside_the_others(pairs: dict[str, tuple[Run, Run]]) -> None:
    for runs in pairs.values():
        for run, framework in zip(runs, OTHER, strict=True):
            assert run.name.startswith(f"few-{run.model}-{framework}-parity+")
            config, arrays = read_weights(run.path / "weights.safetensors")
            assert config.dropout == 0
            assert all(array.dtype == np.float32 for array in arrays.values())


# --- starting from another run ---


def test_epochs_0_only_evaluates_a_run_of_the_other_framework(trained: Trained, place: Path) -> None:
    other = OTHER[trained.framework]
    source = read_run(trained.path)
    run = train(other, place, *SAMPLE, "--init-from", str(trained.path), "--epochs", "0")
    assert run.history == []
    assert run.info["validation"] is None
    assert run.info["init_from"] == source.name
    np.testing.assert_allclose(run.probabilities, source.probabilities, atol=1e-4)


def test_transfer_trains_the_head_alone(trained: Trained, place: Path) -> None:
    start = ["--init-from", str(trained.path), *SAMPLE, "--epochs", "1"]
    frozen, again = train_all(
        trained.framework,
        place,
        # Another seed than the run's: its own first head would suit features that grew up with it.
        [
            [*start, "--new-head", "--freeze-features", "--seed", "2", "--learning-rate", "3e-3"],
            [*start, "--seed", "1", "--learning-rate", "1e-5"],
        ],
    )
    before = read_weights(trained.path / "weights.safetensors")[1]
    after = read_weights(frozen.path / "weights.safetensors")[1]
    for name, array in after.items():
        assert np.array_equal(array, before[name]) == (not name.startswith("head.")), name
    assert (frozen.info["new_head"], frozen.info["freeze_features"]) == (True, True)
    differing = {name for name, value in frozen.settings.items() if again.settings[name] != value}
    assert differing == {"seed", "learning_rate", "new_head", "freeze_features"}
    assert frozen.info["parameters"]["trainable"] == 128 * 10 + 10
    assert sum(frozen.info["parameters"].values()) == 206_922
    assert frozen.accuracy > 0.85  # after 57 steps
    # The first step's loss: a guess among ten classes has 2.3.
    assert np.load(frozen.path / "losses.npy")[0] > 1 > 0.5 > np.load(again.path / "losses.npy")[0]


def test_init_from_that_cannot_be(framework: str, trained: Trained, place: Path) -> None:
    for options, sentence in (
        (["--init-from", "nowhere"], "nowhere"),
        (["--init-from", str(trained.path), "--model", "mlp"], "--model cnn"),
        (["--init-from", str(trained.path), "--filters", "8", "16"], "--filters 16 32"),
    ):
        done = run_forked(framework, *SAMPLE, *options, cwd=place)
        assert (done.returncode, done.stdout) == (1, "")
        assert sentence in done.stderr
        assert done.stderr.count("\n") == 1
    assert not list((place / "outputs").glob("*"))


# --- killed and resumed ---

DROPPING = (*FEW, "--epochs", "4", "--augment", "--ema", "0.9", "--keep-best", "--schedule", "cosine")


def test_killed_at_random_moments_it_ends_with_the_same_bytes(framework: str, place: Path) -> None:
    whole = train(framework, place, *DROPPING, "--output-dir", "whole")
    name = whole.name
    checkpoint = place / "outputs" / f".{name}.checkpoint"
    moments = random.Random(framework)
    kills = 0
    while kills < 2:
        epochs = _epochs_in(checkpoint)

        def kill_now(_: str, epochs: int = epochs) -> bool:
            # Killed only where an epoch was won, or this would never end; where within the next is left to chance.
            if _epochs_in(checkpoint) == epochs:
                return False
            time.sleep(moments.uniform(0, 0.15))
            return True

        kills += 1
        if run_forked(framework, *DROPPING, "--resume", cwd=place, kill_when=kill_now).returncode == 0:
            break
    else:
        done = run_forked(framework, *DROPPING, "--resume", cwd=place)
        assert (done.returncode, done.stderr) == (0, "")
        assert "4/4" in done.stdout
        assert "1/4" not in done.stdout
    run = read_run(place / "outputs" / name)
    for file in ("predictions.npy", "probabilities.npy", "losses.npy", "weights.safetensors"):
        assert (run.path / file).read_bytes() == (whole.path / file).read_bytes(), file
    assert run.info["seconds"]["total"] > run.info["seconds"]["training"]
    assert [row["validation_loss"] for row in run.history] == [row["validation_loss"] for row in whole.history]
    assert not checkpoint.exists()


def _epochs_in(checkpoint: Path) -> int:
    """Return how many epochs the file holds; it is replaced whole, so that it can be read at any moment."""
    import json

    try:
        return len(json.loads(checkpoint.read_bytes().partition(b"\n")[0])["history"])
    except FileNotFoundError:
        return 0


def test_damaged_or_foreign_checkpoint_is_refused_and_kept(framework: str, place: Path) -> None:
    few = (*FEW, "--name", "few")
    path = place / "outputs" / ".few.checkpoint"
    run_forked(framework, *few, "--epochs", "50", cwd=place, kill_when=lambda _: _epochs_in(path) > 0)
    content = path.read_bytes()
    foreign = run_forked(framework, *few, "--epochs", "60", "--resume", cwd=place)
    assert foreign.returncode == 1
    assert f"'{path.relative_to(place)}' was made with epochs 50, not 60" in foreign.stderr
    path.write_bytes(content[:-1000])
    damaged = run_forked(framework, *few, "--epochs", "50", "--resume", cwd=place)
    assert damaged.returncode == 1
    assert f"'{path.relative_to(place)}' is damaged" in damaged.stderr
    assert path.read_bytes() == content[:-1000]
    assert foreign.stderr.count("\n") == damaged.stderr.count("\n") == 1


# --- odd input ---


def test_absurd_learning_rate_ends_in_a_sentence_or_a_guess(framework: str, place: Path) -> None:
    diverged = 0
    for rate in ("1e4", "1e38"):
        options = ["--learning-rate", rate, "--epochs", "2", "--schedule", "cosine", "--name", "absurd"]
        done = run_forked(framework, *FEW, *options, cwd=place)
        assert "Traceback" not in done.stderr
        if done.returncode:
            diverged += 1
            assert done.stderr.startswith("error: the training diverged: the loss became ")
            assert done.stderr.count("\n") == 1
            assert "lower --learning-rate" in done.stderr
            assert not (place / "outputs" / "absurd").exists()
        else:
            assert read_run(place / "outputs" / "absurd").accuracy < 0.3
            shutil.rmtree(place / "outputs")
    assert diverged


def test_odd_datasets(framework: str, workplace: Path, place: Path) -> None:
    """A class that is missing from the training images, one image a batch short of two, and nothing to validate on."""
    missing, alone, unwatched = ask(framework, "trainings.odd_datasets", str(place))
    sample = load_dataset("mnist-sample", workplace / "mnist_data")
    absent = sample.test_labels == 3
    assert missing["classes"] == 10
    assert missing["predicted_3"] < 20  # of 100: hardly ever, since it never saw one
    assert missing["accuracy"] > 0.8 * (1 - absent.mean())
    assert alone["finite"]
    assert "--validation-fraction" in unwatched
