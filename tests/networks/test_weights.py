"""weights.safetensors: what is written is read back, and anything else is refused in a sentence that names the file."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from frameworks import refusal
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save

from mnist_twice.errors import UserError
from mnist_twice.training.weights import ModelConfig, initial_weights, read_weights, write_weights

NETWORK = ModelConfig("cnn", 10, (-1.0, 1.0), (16, 32), (128,), 0.25)
BODY = {"dense.weight": np.arange(6, dtype=np.float32).reshape(2, 3), "dense.bias": np.ones(2, np.float32)}
ARRAYS = {**BODY, "head.weight": np.ones((10, 3), np.float32), "head.bias": np.zeros(10, np.float32)}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "weights.safetensors"
    write_weights(path, NETWORK, ARRAYS)
    return path


def test_equal_weights_are_equal_files(file: Path) -> None:
    # Most often not so with several entries in the metadata: safetensors keeps them in a hash map.
    for again in range(5):
        path = file.with_name(f"{again}")
        write_weights(path, NETWORK, dict(reversed(ARRAYS.items())))
        assert path.read_bytes() == file.read_bytes()


def test_arrays_in_any_memory_order_are_read_back(file: Path) -> None:
    kernel = np.arange(24, dtype=np.float32).reshape(4, 3, 2)
    write_weights(file, NETWORK, {"turned": kernel.transpose(2, 0, 1), "every second": kernel[::2]})
    config, arrays = read_weights(file)
    assert config == NETWORK
    np.testing.assert_array_equal(arrays["turned"], kernel.transpose(2, 0, 1))
    np.testing.assert_array_equal(arrays["every second"], kernel[::2])


@given(st.data())
def test_damaged_files_are_refused_or_read_as_weights(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("weights") / "weights.safetensors"
    write_weights(path, NETWORK, ARRAYS)
    damaged = bytearray(path.read_bytes())
    place = data.draw(st.integers(0, len(damaged) - 1))
    path.write_bytes(damaged[:place])
    refusal(read_weights, path)
    damaged[place] ^= data.draw(st.integers(1, 255))
    path.write_bytes(damaged)
    with suppress(UserError):  # and no other exception
        read_weights(path)


def test_files_of_others(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    assert "there is no weights file" in refusal(read_weights, path)
    refusal(read_weights, tmp_path)
    known = asdict(NETWORK)
    unknown = [{"model": "transformer"}, {"num_classes": 0}, {"filters": [16]}, {"filters": [16, 1 << 20]}]
    texts = ["{", *(json.dumps(known | changes) for changes in unknown)]
    for metadata in (None, *({"network": text} for text in texts)):
        path.write_bytes(save(ARRAYS, metadata))
        assert "is not a weights file of this project" in refusal(read_weights, path)


# --- what --init-from starts from ---


def test_start_from_a_run_or_its_weights_file(file: Path) -> None:
    asked = replace(NETWORK, pixel_range=(0.0, 1.0), dropout=0.5)
    for path in (file.parent, file):
        config, arrays = initial_weights(path, asked, new_head=False)
        assert config == replace(NETWORK, dropout=0.5)  # the range of the pixels is the run's
        assert arrays.keys() == ARRAYS.keys()
    for asked, new_head in ((NETWORK, True), (replace(NETWORK, num_classes=12), False)):
        assert initial_weights(file, asked, new_head)[1].keys() == BODY.keys()  # without the last layer


@pytest.mark.parametrize(
    ("asked", "option"),
    [
        (ModelConfig("mlp", 10, (-1.0, 1.0), (), (64, 64), 0.0), "--model cnn"),
        (replace(NETWORK, filters=(16, 33)), "--filters 16 32"),
        (replace(NETWORK, dense=(64,)), "--dense 128"),
    ],
)
def test_another_network_names_the_option_to_add(file: Path, asked: ModelConfig, option: str) -> None:
    with pytest.raises(UserError) as error:
        initial_weights(file.parent, asked, new_head=False)
    assert f"'{file}' holds a network made with {option};" in str(error.value)
