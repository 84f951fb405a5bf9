"""weights.safetensors: what is written is read back, and anything else is refused in a sentence that names the file."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import string
import struct
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from safetensors.numpy import load_file, save

from digits.errors import UserError
from digits.training.weights import (
    ModelConfig,
    check_names_and_shapes,
    config_to_json,
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


def assert_refused(path: Path) -> str:
    with pytest.raises(UserError) as error:
        read_weights(path)
    sentence = str(error.value)
    assert f"'{path}'" in sentence
    assert sentence.endswith(".")
    assert "\n" not in sentence
    return sentence


FLOATS = hnp.arrays(np.float32, hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4))


@given(
    st.dictionaries(st.text(string.ascii_letters + "._0123456789", min_size=1, max_size=20), FLOATS, max_size=5),
    st.builds(
        ModelConfig,
        st.just("cnn"),
        st.integers(1, 1000),
        st.tuples(st.floats(-1e6, 0, exclude_max=True), st.floats(0, 1e6, exclude_min=True)),
        st.tuples(st.integers(1, 1000), st.integers(1, 1000)),
        st.tuples(st.integers(1, 1000)),
        st.floats(0, 1, exclude_max=True),
    ),
)
def test_what_is_written_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, arrays: dict[str, np.ndarray], config: ModelConfig
) -> None:
    path = tmp_path_factory.mktemp("weights") / "weights.safetensors"
    write_weights(path, config, arrays)
    found_config, found = read_weights(path)
    assert found_config == config
    assert found.keys() == arrays.keys()
    for name, array in arrays.items():
        assert found[name].dtype == np.float32
        np.testing.assert_array_equal(found[name], array)


def test_equal_weights_are_equal_files(file: Path) -> None:
    # Most often not so with several entries in the metadata: safetensors keeps them in a hash map.
    for again in range(20):
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


def test_any_reader_of_safetensors_reads_the_file(file: Path) -> None:
    arrays = load_file(file)
    assert arrays.keys() == ARRAYS.keys()
    np.testing.assert_array_equal(arrays["dense.weight"], ARRAYS["dense.weight"])


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such permission bits")
def test_file_is_as_readable_as_any_other(file: Path) -> None:
    other = file.with_name("other")
    other.write_bytes(b"")
    assert file.stat().st_mode == other.stat().st_mode


def test_metadata_that_a_network_was_made_of(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    path.write_bytes(save(ARRAYS, {"network": json.dumps(METADATA)}))
    assert read_weights(path)[0] == dataclasses.replace(NETWORK, pixel_range=(0.0, 1.0))


def test_arrays_in_double_precision_are_written_in_single(tmp_path: Path) -> None:
    write_weights(tmp_path / "w", NETWORK, {"third": np.array([1 / 3])})
    assert read_weights(tmp_path / "w")[1]["third"] == np.float32(1 / 3)


def test_missing_file(tmp_path: Path) -> None:
    assert "there is no weights file" in assert_refused(tmp_path / "weights.safetensors")


def test_folder(tmp_path: Path) -> None:
    assert_refused(tmp_path)


def test_truncated_anywhere(file: Path) -> None:
    data = file.read_bytes()
    for length in range(len(data)):
        file.write_bytes(data[:length])
        assert_refused(file)


def test_trailing_data(file: Path) -> None:
    file.write_bytes(file.read_bytes() + b"more")
    assert_refused(file)


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


@given(st.binary(max_size=200))
def test_any_bytes(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.mktemp("weights") / "weights.safetensors"
    path.write_bytes(content)
    assert_refused(path)


@pytest.mark.parametrize(
    "config",
    [
        "",
        "{",
        "null",
        "[]",
        "{}",
        "[" * 5000,
        '{"model": "cnn", "num_classes": 10, "pixel_range": [0, 1]}',
        *(
            json.dumps({**METADATA, **changes})
            for changes in (
                {"model": "transformer"},
                {"model": None},
                {"num_classes": "ten"},
                {"num_classes": 0},
                {"num_classes": -3},
                {"num_classes": None},
                {"num_classes": math.inf},
                {"num_classes": 10.5},
                {"pixel_range": None},
                {"pixel_range": [0]},
                {"pixel_range": [0, 1, 2]},
                {"pixel_range": ["a", "b"]},
                {"pixel_range": [0, math.nan]},
                {"pixel_range": [-math.inf, 0]},
                {"pixel_range": [1, 1]},
                {"filters": [16]},
                {"filters": [16, 0]},
                {"filters": 16},
                {"filters": ["a", "b"]},
                {"filters": "16"},
                {"filters": [16, math.inf]},
                {"dense": [-math.inf]},
                {"pixel_range": [0, 10**400]},
                {"dropout": 10**400},
                {"dense": []},
                {"dense": None},
                {"dropout": 1},
                {"dropout": math.nan},
                {"dropout": None},
            )
        ),
    ],
    ids=lambda config: config[:80],
)
def test_metadata_that_means_no_network(tmp_path: Path, config: str) -> None:
    path = tmp_path / "weights.safetensors"
    path.write_bytes(save(ARRAYS, {"network": config}))
    assert_refused(path)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from([10**400, 2**63]),
    lambda values: st.lists(values, max_size=3) | st.dictionaries(st.text(max_size=5), values, max_size=3),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from([*METADATA, "more"]), JSON, min_size=1))
def test_any_json_in_the_metadata(tmp_path_factory: pytest.TempPathFactory, changes: dict[str, object]) -> None:
    path = tmp_path_factory.mktemp("weights") / "weights.safetensors"
    path.write_bytes(save(ARRAYS, {"network": json.dumps({**METADATA, **changes})}))
    with suppress(UserError):  # and no other exception
        config, _ = read_weights(path)
        assert json.loads(config_to_json(config)) == {**METADATA, **changes}


def test_no_metadata(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    path.write_bytes(save(ARRAYS))
    assert_refused(path)


@pytest.mark.parametrize("dtype", ["F64", "F16", "BF16", "I32", "U8"])
def test_arrays_that_are_not_float32(tmp_path: Path, dtype: str) -> None:
    path = tmp_path / "weights.safetensors"
    size = {"F64": 8, "F16": 2, "BF16": 2, "I32": 4, "U8": 1}[dtype] * 2
    header = {
        "__metadata__": {"network": json.dumps(METADATA)},
        "dense.bias": {"dtype": dtype, "shape": [2], "data_offsets": [0, size]},
    }
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + bytes(size))
    assert_refused(path)


SHAPES = {"dense.weight": (2, 3), "dense.bias": (2,)}


def test_names_and_shapes_that_fit() -> None:
    check_names_and_shapes(Path("w"), SHAPES, ARRAYS)


@pytest.mark.parametrize(
    ("expected", "named"),
    [
        ({**SHAPES, "dense.weight": (3, 2)}, "'dense.weight' has the shape (2, 3), (3, 2) is expected"),
        ({**SHAPES, "conv.bias": (4,)}, "'conv.bias' has the shape none, (4,) is expected"),
        ({"dense.weight": (2, 3)}, "'dense.bias' has the shape (2,), none is expected"),
    ],
)
def test_names_and_shapes_that_do_not_fit(expected: dict[str, tuple[int, ...]], named: str) -> None:
    with pytest.raises(UserError) as error:
        check_names_and_shapes(Path("some/file"), expected, ARRAYS)
    assert named in str(error.value)
    assert "'some/file'" in str(error.value)


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


def test_a_folder_without_weights(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no weights file"):
        initial_weights(tmp_path, NETWORK, new_head=False)
