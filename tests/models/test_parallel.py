"""The same training on one process and on several gives the same numbers."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from framework_process import ask

from digits.runs import read_run
from digits.training.checkpoint import history_so_far
from digits.training.recipe import RECIPES

pytestmark = pytest.mark.training
THOROUGH = "DISTRIBUTED" in os.environ
thorough = pytest.mark.skipif(not THOROUGH, reason="takes minutes; the environment variable DISTRIBUTED=1 asks for it")

WIDTHS = {
    "cnn": "--filters 4 6 --dense 12",
    "cnn-wide": "--filters 4 6 --dense 12",
    "mlp": "--dense 16 12",
    "lenet5": "--filters 4 6 --dense 12 8",
    "fashion-cnn": "--filters 4 6 --dense 12",
    "deep-cnn": "--filters 4 6 8 --dense 12 8",
    "vgg": "--filters 4 6 8 --dense 12",
    "resnet": "",  # narrowed, it magnifies rounding to 1e-10, also that between two numbers of threads
    "vit": "--dense 16 24",
    "fast": "--filters 4 6 --dense 12",
}
"""Each network, so small that a hundred steps take a fraction of a second."""
COMMON = (
    "--dataset mnist-sample --precision float64 --batch-size 25 --schedule constant --learning-rate 0.003 "
    "--early-stopping 0 --reduce-on-plateau 0 --validation-fraction 0.1"
)
Train = Callable[..., list[Path]]


def test_every_network_is_tried() -> None:
    assert WIDTHS.keys() == RECIPES.keys()


@pytest.fixture
def train(framework: str, workplace: Path, tmp_path: Path) -> Train:
    """Give a function from a number of workers, and options, one text a training, to the runs' folders."""

    def run(count: int, commands: list[str], folder: str = "", killed: str = "") -> list[Path]:
        place = tmp_path / (folder or str(count))
        place.mkdir(exist_ok=True)
        if not (place / "mnist_data").exists():
            (place / "mnist_data").symlink_to(workplace / "mnist_data")
        words = [f"{COMMON} {command}".split() for command in commands]
        if killed:
            ends = ask(framework, "workers.run_workers", str(place), [{"commands": words, "killed": killed}] * count)
            assert [end["status"] for end in ends] == [-signal.SIGKILL] * count
            return []
        return [place / path for path in ask(framework, "workers.train_on", str(place), count, words)]

    return run


def assert_equal(path: Path, expected: Path, workers: int, tolerance: float = 1e-12) -> None:
    """Compare the losses of all steps, the history and the predictions, byte for byte where nothing was added."""
    run, one = read_run(path), read_run(expected)
    assert (run.info["workers"], one.info["workers"]) == (workers, 1)
    assert run.losses is not None
    assert one.losses is not None
    np.testing.assert_allclose(run.losses, one.losses, rtol=tolerance, atol=0)
    for row, row_of_one in zip(run.history, one.history, strict=True):
        for name in row.keys() - {"seconds", "images_per_second"}:
            assert row[name] == pytest.approx(row_of_one[name], rel=tolerance if name.startswith("train") else 1e-6), (
                name
            )
    assert (run.predictions == one.predictions).all()
    np.testing.assert_allclose(run.probabilities, one.probabilities, rtol=1e-5, atol=1e-7)


MAGNIFIED = {("resnet", "adam"): 1e-11}
"""Where rounding grows beyond 1e-12 within 100 steps: 4e-12 was measured."""
EVERY = [(model, optimizer) for model in WIDTHS for optimizer in ("sgd", "adam")]
TRIED = {"pytorch": [("deep-cnn", "adam"), ("vit", "sgd")], "tensorflow": [("deep-cnn", "adam")]}
COUNTS = {"pytorch": (2, 3), "tensorflow": (3,)}
"""What `make test` trains. Where DISTRIBUTED is set, every network is trained on 1, 2 and 3 workers."""


def test_a_hundred_steps_are_the_same_on_one_two_and_three_workers(framework: str, train: Train) -> None:
    tried = EVERY if THOROUGH else TRIED[framework]
    commands = [
        f"--model {model} {WIDTHS[model]} --parity --epochs 25 --optimizer {optimizer} --weight-decay 0 "
        f"--name {model}-{optimizer}"
        for model, optimizer in tried
    ]
    expected = train(1, commands)
    assert all(len(read_run(path).losses) == 100 for path in expected)  # type: ignore[arg-type]
    for count in (2, 3) if THOROUGH else COUNTS[framework]:
        for path, one, which in zip(train(count, commands), expected, tried, strict=True):
            assert_equal(path, one, count, MAGNIFIED.get(which, 1e-12))


OTHERS = {
    # Dropout, after convolutions and dense layers, and augmentation, which is from generators as well.
    f"--model deep-cnn {WIDTHS['deep-cnn']} --epochs 4 --augment --seed 1 --keep-best --label-smoothing 0.1": 1e-12,
    f"--model vit {WIDTHS['vit']} --epochs 3 --ema 0.9 --pens 0.5": 1e-12,
    # Fewer images in a batch than workers. The variance of two numbers may be tiny, and enlarges what rounding does.
    f"--model deep-cnn {WIDTHS['deep-cnn']} --epochs 1 --batch-size 2 --name two": 1e-6,
    f"--model vit {WIDTHS['vit']} --epochs 1 --batch-size 1 --name one": 1e-12,
}
"""Trainings, and how far their losses may be apart."""


@thorough
def test_dropout_and_augmentation_are_the_same(train: Train) -> None:
    expected = train(1, list(OTHERS))
    for path, one, tolerance in zip(train(3, list(OTHERS)), expected, OTHERS.values(), strict=True):
        assert_equal(path, one, 3, tolerance)


@thorough
def test_a_training_goes_on_with_another_number_of_workers(train: Train, tmp_path: Path) -> None:
    commands = [f"--model deep-cnn {WIDTHS['deep-cnn']} --epochs 4 --resume --name resumed"]
    (expected,) = train(1, commands)
    for count in (1, 3):
        train(2, commands, f"then-{count}", killed="epoch 2")
        assert len(history_so_far(tmp_path / f"then-{count}" / "outputs" / "resumed")) == 2
        (path,) = train(count, commands, f"then-{count}")
        assert not list(path.parent.glob(".*checkpoint"))
        assert_equal(path, expected, count)
