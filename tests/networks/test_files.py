"""A network's files: refused where they do not fit, named on a full disk, and what a training starts from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from frameworks import CHECKPOINT, network_named, refusal, ruled_model
from limits import largest_file

from mnist_twice.training.weights import read_weights, write_weights


@pytest.fixture
def model(tools: Any) -> Any:
    return ruled_model(tools, network_named("mlp"))


def test_weights_that_do_not_fit_are_refused(tools: Any, model: Any, tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    tools.files.save_weights(model, path)
    config, arrays = read_weights(path)
    thin = arrays | {"dense2.weight": arrays["dense2.weight"][:, 1:]}
    for network, weights, words in (
        (config, thin, "'dense2.weight' has the shape (64, 63) instead of (64, 64)"),
        (config, {**arrays, "dense3.bias": arrays["head.bias"]}, "'dense3.bias' has the shape (10,) instead of none"),
        (replace(config, num_classes=12), arrays, "'head.bias' has the shape (10,) instead of (12,)"),
    ):
        write_weights(path, network, weights)
        assert words in refusal(tools.files.load_weights, path)


@pytest.mark.parametrize("name", ["network's file", "weights", pytest.param("export", marks=pytest.mark.nightly)])
def test_a_full_disk_is_an_error_of_the_system(
    framework: str, tools: Any, model: Any, name: str, tmp_path: Path
) -> None:
    """writing_folder adds which run could not be written."""
    file, write = {
        "network's file": (CHECKPOINT[framework], tools.files.save_checkpoint),
        "weights": ("weights.safetensors", tools.files.save_weights),
        "export": ("model.onnx", lambda model, path: tools.files.export_onnx(model, path, tuple("0123"), "digits")),
    }[name]
    path = tmp_path / file
    write(model, path)
    size = path.stat().st_size
    path.unlink()
    with pytest.raises(OSError, match="File too large"), largest_file(size - 1):
        write(model, path)


def test_starting_from_a_run_of_the_other_framework(
    framework: str, train: Callable[..., Any], tools: Any, tmp_path: Path
) -> None:
    """--init-from: its weights and range of pixels; with a new head, the features may be frozen."""
    others_range = {"pytorch": (0.0, 1.0), "tensorflow": (-1.0, 1.0)}[framework]
    config = network_named("mlp", pixel_range=others_range)
    other = tmp_path / "other" / "weights.safetensors"
    other.parent.mkdir()
    tools.files.save_weights(ruled_model(tools, config), other)
    before = read_weights(other)[1]
    words = ("--model", "mlp", "--init-from", "other")

    evaluated = train(*words, "--epochs", "0", "--dropout", "0.1", "--name", "evaluated")
    assert evaluated.history == []
    assert (evaluated.info["validation"], evaluated.info["init_from"]) == (None, "other")
    found_config, found = read_weights(evaluated.path / "weights.safetensors")
    assert found_config == replace(config, dropout=0.1)
    for name, array in found.items():
        np.testing.assert_array_equal(array, before[name])

    frozen = train(*words, "--epochs", "1", "--new-head", "--freeze-features", "--name", "frozen")
    after = read_weights(frozen.path / "weights.safetensors")[1]
    assert {name for name in after if not np.array_equal(after[name], before[name])} == {"head.weight", "head.bias"}
    assert (frozen.info["new_head"], frozen.info["freeze_features"]) == (True, True)
    assert frozen.info["parameters"]["trainable"] == 64 * 10 + 10


def test_frozen_features_rest_with_their_running_statistics(tools: Any, test_images: np.ndarray) -> None:
    model = ruled_model(tools, network_named("resnet", filters=(4, 4, 4), num_classes=7))
    before = tools.files.get_weights(model)
    tools.files.freeze_features(model)
    tools.losses(model, [(test_images[:16], np.arange(16, dtype=np.uint8) % 7)], "SGD", 1.0)
    after = tools.files.get_weights(model)
    assert {name for name in after if not np.array_equal(after[name], before[name])} == {"head.weight", "head.bias"}
