"""The IDX reader and writer: what goes in comes out, and nothing that comes in can hurt."""

from __future__ import annotations

import struct
import tracemalloc
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from digits.data.idx import idx_bytes, idx_size, parse_idx
from digits.errors import UserError


@given(arrays(np.uint8, array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=9)))
def test_an_array_survives_the_round_trip(array: np.ndarray) -> None:
    data = idx_bytes(array)
    assert len(data) == idx_size(array.shape)
    parsed = parse_idx(bytearray(data), "it")
    assert (parsed.dtype, parsed.shape) == (np.uint8, array.shape)
    assert np.array_equal(parsed, array)
    assert parsed.flags.writeable  # PyTorch warns where it is not


@given(st.integers(0, 255), st.lists(st.integers(0, 2**32 - 1), max_size=5), st.binary(max_size=32))
def test_any_header_ends_in_an_array_or_a_user_error(kind: int, shape: list[int], rest: bytes) -> None:
    data = struct.pack(f">HBB{len(shape)}I", 0, kind, len(shape), *shape) + rest
    with suppress(UserError):
        assert idx_bytes(parse_idx(data, "it")) == data


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"<!doctype html>", "not an IDX file"),
        (b"\x00\x00\x0d\x01\x00\x00\x00\x00", "its values are float32"),
        (b"\x00\x00\x08\x03" + bytes(8), "ends within its header"),
        (idx_bytes(np.zeros(5, np.uint8))[:-1], r"says 13 bytes for shape \(5,\), but it has 12"),
    ],
)
def test_the_reason_is_said(data: bytes, reason: str) -> None:
    with pytest.raises(UserError, match=reason):
        parse_idx(data, "it")


def test_memory_is_what_the_file_has_and_not_what_its_header_claims() -> None:
    tracemalloc.start()
    with pytest.raises(UserError, match="but it has 1,016"):
        parse_idx(b"\x00\x00\x08\x03" + b"\xff" * 12 + bytes(1000), "it")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100_000
