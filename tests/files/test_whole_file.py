"""Files that appear whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from digits.files import write_whole


@pytest.mark.parametrize(
    "data", ["grün\r\n", "grün\r\n".encode(), iter(["gr", "ün\r\n"])], ids=["text", "bytes", "pieces"]
)
def test_text_and_bytes_are_written_as_they_are(tmp_path: Path, data: bytes | str | Iterator[str]) -> None:
    path = tmp_path / "new" / "file"
    write_whole(path, data)
    assert path.read_bytes() == "grün\r\n".encode()
    assert os.listdir(path.parent) == ["file"]


def test_what_fails_halfway_leaves_the_old_file(tmp_path: Path) -> None:
    def pieces() -> Iterator[str]:
        yield "new"
        raise MemoryError

    path = tmp_path / "file"
    path.write_text("old")
    with pytest.raises(MemoryError):
        write_whole(path, pieces())
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs Linux's /dev/full")
def test_a_full_disk_is_reported_with_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("digits.files.whole_file.hidden_name", lambda path: tmp_path / "full")
    (tmp_path / "full").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left") as caught:
        write_whole(tmp_path / "file", "new")
    assert caught.value.filename == str(tmp_path / "file")
