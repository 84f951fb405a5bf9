"""The names of runs: what differs from the model's default, and what no user may choose."""

from __future__ import annotations

import pytest

from mnist_twice.recipes import name_problem, run_name


def test_names() -> None:
    assert run_name("mnist", "cnn", "pytorch") == "mnist-cnn-pytorch"
    assert run_name("mnist", "cnn", "pytorch", 3, parity=True) == "mnist-cnn-pytorch-s3-parity"


@pytest.mark.parametrize(
    ("differences", "appended"),
    [
        ({"filters": [8, 16], "learning_rate": 0.003}, "+filters=8x16+learning_rate=0.003"),
        ({"augment": True, "rotation": 5.0}, "+augment+rotation=5"),
        ({"keep_best": False}, "+no_keep_best"),
        ({"betas": [0.0, 0.999], "learning_rate": 1e38}, "+betas=0x0.999+learning_rate=1e38"),
        ({"learning_rate": 1e-05}, "+learning_rate=1e-05"),
        ({"init_from": "mnist-cnn-tensorflow"}, "+init_from=mnist-cnn-tensorflow"),
        # Longer than 40 letters; ambiguous; not a name on Windows: the SHA-256 of the JSON below, by sha256sum.
        ({"epochs": 12, "schedule": "one-cycle", "label_smoothing": 0.1}, "+3-options-7521228f"),
        ({"init_from": "a+augment"}, "+1-options-58a9bca6"),
        ({"init_from": "a run?"}, "+1-options-73fd2561"),
        ({"init_from": "ends."}, "+1-options-d2086e04"),
    ],
)
def test_a_name_says_what_differs_from_the_default(differences: dict[str, object], appended: str) -> None:
    assert run_name("mnist", "cnn", "pytorch", 1, differences=differences) == f"mnist-cnn-pytorch-s1{appended}"


FORBIDDEN = ["--", "", ".", "..", ".hidden", "a/b", "/", "a\\b", "a\0b", "é" * 51, "a:b", "CON", "nul.x", "a.", "a "]


@pytest.mark.parametrize("name", FORBIDDEN)
def test_what_a_user_cannot_call_a_run(name: str) -> None:
    assert name_problem(name)
