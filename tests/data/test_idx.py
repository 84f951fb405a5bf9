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

from digits.data.idx import idx_bytes, parse_idx
from digits.errors import UserError


@given(arrays(np.uint8, array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=9)))
def test_an_array_survives_the_round_trip(array: np.ndarray) -> None:
    data = idx_bytes(array)
    parsed = parse_idx(bytearray(data), "it")
    assert (parsed.dtype, parsed.shape) == (np.uint8, array.shape)
    assert np.array_equal(parsed, array)
    assert parsed.flags.writeable  # PyTorch warns where it is not


@given(st.integers(0, 255), st.lists(st.integers(0, 2**32 - 1), max_size=5), st.binary(max_size=32))
def test_any_header_ends_in_an_array_or_a_user_error(kind: int, shape: list[int], rest: bytes) -> None:
    data = struct.pack(f">HBB{len(shape)}I", 0, kind, len(shape), *shape) + rest
    with suppress(UserError):
        assert idx_bytes(parse_idx(data, "it")) == data


def test_memory_is_what_the_file_has_and_not_what_its_header_claims() -> None:
    tracemalloc.start()
    with pytest.raises(UserError, match="it is not a whole IDX file"):
        parse_idx(b"\x00\x00\x08\x03" + b"\xff" * 12 + bytes(1000), "it")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100_000
