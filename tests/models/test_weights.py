"""weights.safetensors: what is written is read back, and anything else is refused in a sentence that names the file."""

from __future__ import annotations

import dataclasses
import json
import math
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from frameworks import refusal
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save

from digits.errors import UserError
from digits.training.weights import (
    ModelConfig,
    initial_weights,
    read_weights,
    write_weights,
)

NETWORK = ModelConfig("cnn", 10, (-1.0, 1.0), (16, 32), (128,), 0.25)
ARRAYS = {"dense.weight": np.arange(6, dtype=np.float32).reshape(2, 3), "dense.bias": np.ones(2, np.float32)}
METADATA = {
    "model": "cnn",
    "num_classes": 10,
    "pixel_range": [0.0, 1.0],
    "filters": [16, 32],
    "dense": [128],
    "dropout": 0.25,
}


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


def test_arrays_in_any_memory_order_are_read_back(tmp_path: Path) -> None:
    kernel = np.arange(24, dtype=np.float32).reshape(4, 3, 2)
    path = tmp_path / "weights.safetensors"
    write_weights(path, NETWORK, {"turned": kernel.transpose(2, 0, 1), "every second": kernel[::2]})
    arrays = read_weights(path)[1]
    np.testing.assert_array_equal(arrays["turned"], kernel.transpose(2, 0, 1))
    np.testing.assert_array_equal(arrays["every second"], kernel[::2])


def test_truncated_anywhere(file: Path) -> None:
    data = file.read_bytes()
    for length in range(0, len(data), 7):
        file.write_bytes(data[:length])
        refusal(read_weights, file)


@given(st.data())
def test_damaged_bytes_are_refused_or_read_as_weights(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("weights") / "weights.safetensors"
    write_weights(path, NETWORK, ARRAYS)
    damaged = bytearray(path.read_bytes())
    for place, byte in data.draw(
        st.lists(st.tuples(st.integers(0, len(damaged) - 1), st.integers(0, 255)), min_size=1, max_size=4)
    ):
        damaged[place] = byte
    path.write_bytes(damaged)
    with suppress(UserError):  # and no other exception
        config, arrays = read_weights(path)
        assert config.num_classes >= 1
        assert all(array.dtype == np.float32 for array in arrays.values())


@pytest.mark.parametrize(
    "changes",
    [
        {"model": "transformer"},
        {"num_classes": 0},
        {"num_classes": "ten"},
        {"pixel_range": [1, 1]},
        {"pixel_range": [0, 10**400]},
        {"filters": [16]},
        {"filters": [16, 0]},
        {"dense": [math.inf]},
        {"dropout": math.nan},
    ],
    ids=str,
)
def test_metadata_that_means_no_network(tmp_path: Path, changes: dict[str, object]) -> None:
    path = tmp_path / "weights.safetensors"
    path.write_bytes(save(ARRAYS, {"network": json.dumps(METADATA)}))
    assert read_weights(path)[0] == dataclasses.replace(NETWORK, pixel_range=(0.0, 1.0))
    path.write_bytes(save(ARRAYS, {"network": json.dumps({**METADATA, **changes})}))
    refusal(read_weights, path)


def test_files_of_others(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    assert "there is no weights file" in refusal(read_weights, path)
    refusal(read_weights, tmp_path)
    for arrays, metadata in (
        (ARRAYS, None),
        (ARRAYS, {"network": "{"}),
        ({"dense.bias": np.ones(2, np.float16)}, {"network": json.dumps(METADATA)}),
    ):
        path.write_bytes(save(arrays, metadata))
        refusal(read_weights, path)


# --- what --init-from starts from ---

WITH_HEAD = {**ARRAYS, "head.weight": np.ones((10, 3), np.float32), "head.bias": np.zeros(10, np.float32)}


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A folder with weights as a run has them."""
    write_weights(tmp_path / "weights.safetensors", NETWORK, WITH_HEAD)
    return tmp_path


def test_start_from_a_run_or_its_weights_file(run: Path) -> None:
    asked = dataclasses.replace(NETWORK, pixel_range=(0.0, 1.0), dropout=0.5)
    for path in (run, run / "weights.safetensors"):
        config, arrays = initial_weights(path, asked, new_head=False)
        assert config == dataclasses.replace(NETWORK, dropout=0.5)  # the range of the pixels is the run's
        assert arrays.keys() == WITH_HEAD.keys()


def test_a_new_head_and_other_classes_leave_the_last_layer_out(run: Path) -> None:
    for asked, new_head in ((NETWORK, True), (dataclasses.replace(NETWORK, num_classes=12), False)):
        config, arrays = initial_weights(run, asked, new_head)
        assert config == asked
        assert arrays.keys() == ARRAYS.keys()


@pytest.mark.parametrize(
    ("changes", "option"),
    [
        ({"model": "deep-cnn", "filters": (32, 64, 128), "dense": (256, 128)}, "--model cnn"),
        ({"filters": (16, 33)}, "--filters 16 32"),
        ({"dense": (64,)}, "--dense 128"),
    ],
)
def test_another_network_names_the_option_to_add(run: Path, changes: dict[str, object], option: str) -> None:
    with pytest.raises(UserError) as error:
        initial_weights(run, dataclasses.replace(NETWORK, **changes), new_head=False)
    assert f"'{run / 'weights.safetensors'}' holds a network made with {option};" in str(error.value)
