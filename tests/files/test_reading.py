"""Readers of files that may be damaged or forged: a sentence or what the file holds, and no memory beyond its size."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from npy_files import forged_header, npy

from digits.errors import UserError
from digits.files.reading import read_bytes, read_npy


def test_the_bytes_of_a_file_up_to_the_limit(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"12345")
    assert read_bytes(tmp_path / "file", 5) == b"12345"
    with pytest.raises(UserError, match=r"file' is larger than the 4 bytes expected at most"):
        read_bytes(tmp_path / "file", 4)


def test_what_is_no_regular_file_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")  # opening it would wait for ever
    for path, reason in [
        (tmp_path / "pipe", "is not a regular file"),
        (tmp_path, "is not a regular file"),
        (tmp_path / "no", "is missing"),
    ]:
        with pytest.raises(UserError, match=f"'{path}' {reason}"):
            read_bytes(path, 100)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_damage_to_an_array_gives_a_sentence_or_the_same_array(tmp_path: Path, data: st.DataObject) -> None:
    array = np.arange(20, dtype=np.float32).reshape(4, 5)
    raw = bytearray(npy(array))
    for _ in range(data.draw(st.integers(1, 6))):
        raw[data.draw(st.integers(0, 130))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(raw)))
    (tmp_path / "array.npy").write_bytes(raw[:cut] if data.draw(st.booleans()) else raw)
    fault = ""
    try:
        read = read_npy(tmp_path / "array.npy", np.float32, ndim=2)
    except UserError as error:
        fault = str(error)
    if fault:
        assert str(tmp_path / "array.npy") in fault
        assert "\n" not in fault
    else:
        assert read.dtype == np.float32
        assert read.size == array.size


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    descr=st.sampled_from(["<i8", "<f4", ">i8", "|O", "|S0", "|V0", "<U4", "nonsense"]),
    shape=st.lists(st.integers(-2, 9) | st.integers(-(2**80), 2**80), max_size=3),
    body=st.binary(max_size=64),
)
def test_any_header_gives_a_sentence_or_an_array(tmp_path: Path, descr: str, shape: list[int], body: bytes) -> None:
    header = forged_header(str({"descr": descr, "fortran_order": False, "shape": tuple(shape)}))
    (tmp_path / "array.npy").write_bytes(header + body)
    try:
        read = read_npy(tmp_path / "array.npy", np.int64, ndim=2)
    except UserError as error:
        assert str(tmp_path / "array.npy") in str(error)  # noqa: PT017
    else:
        assert read.tobytes() == body
        assert read.shape == tuple(shape)
