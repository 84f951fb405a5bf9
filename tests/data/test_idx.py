"""The IDX reader and writer: what goes in comes out, and nothing that comes in can hurt."""

from __future__ import annotations

import struct
import tracemalloc
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from digits.data.idx import idx_bytes, idx_size, parse_idx
from digits.errors import UserError
from digits.files import read_bytes

uint8_arrays = arrays(np.uint8, array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=9))


@given(uint8_arrays)
def test_an_array_survives_the_round_trip(array: np.ndarray) -> None:
    data = idx_bytes(array)
    assert len(data) == idx_size(array.shape)
    parsed = parse_idx(data, "it")
    assert parsed.dtype == np.uint8
    assert np.array_equal(parsed, array)
    assert parsed.shape == array.shape


def test_what_is_read_from_a_file_can_be_written_to(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(idx_bytes(np.zeros(3, np.uint8)))
    assert parse_idx(read_bytes(tmp_path / "file", 100), "it").flags.writeable  # PyTorch warns where it is not


@given(
    st.integers(0, 255),
    st.lists(st.integers(0, 2**32 - 1), min_size=0, max_size=5),
    st.binary(max_size=32),
)
def test_any_header_ends_in_an_array_or_a_user_error(kind: int, shape: list[int], rest: bytes) -> None:
    data = struct.pack(f">HBB{len(shape)}I", 0, kind, len(shape), *shape) + rest
    with suppress(UserError):
        assert idx_bytes(parse_idx(data, "it")) == data


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "0 bytes are too few"),
        (b"\x00\x01\x08\x01\x00\x00\x00\x00", "begins with the bytes 00 01 08 01"),
        (b"<!doctype html>", "not an IDX file"),
        (b"\x00\x00\x0d\x01\x00\x00\x00\x00", "its values are float32"),
        (b"\x00\x00\x08\x00", "it has 0 axes"),
        (b"\x00\x00\x08\x04" + bytes(16), "it has 4 axes"),
        (b"\x00\x00\x08\x03" + bytes(8), "ends within its header"),
        (idx_bytes(np.zeros(5, np.uint8))[:-1], "says 13 bytes for shape (5,), but it has 12"),
        (idx_bytes(np.zeros(5, np.uint8)) + b"\x00", "says 13 bytes for shape (5,), but it has 14"),
    ],
)
def test_the_reason_is_said(data: bytes, reason: str) -> None:
    with pytest.raises(UserError) as error:
        parse_idx(data, "it")
    assert reason in str(error.value)


def test_memory_is_what_the_file_has_and_not_what_its_header_claims(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"\x00\x00\x08\x03" + b"\xff" * 12 + bytes(1000))
    tracemalloc.start()
    with pytest.raises(UserError, match="but it has 1,016"):
        parse_idx(read_bytes(path, 2000), "it")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100_000
