"""A file or folder is written whole or not at all; damaged files are told in a sentence."""

from __future__ import annotations

import itertools
import os
import signal
import sys
import threading
from pathlib import Path

import pytest

from mnist_twice.errors import UserError
from mnist_twice.files import (
    MANIFEST,
    format_manifest,
    read_bytes,
    read_manifest,
    write_whole,
    writing_folder,
)

STEPS = {"open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "fcntl.flock"}


def test_what_cannot_be_read_whole_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"12345")
    assert read_bytes(tmp_path / "file", 5) == b"12345"
    for name, fault in [
        ("file", "larger than the 4 bytes expected at most"),
        ("no", "missing"),
        (".", "not a regular file"),
    ]:
        with pytest.raises(UserError, match=f"{tmp_path / name}' is {fault}"):
            read_bytes(tmp_path / name, 4)


def test_checksums_are_read_as_sha256sum_writes_them(tmp_path: Path) -> None:
    sums = {"raw/a b": "0" * 64, "é": "f" * 64}
    (tmp_path / MANIFEST).write_text(format_manifest(sums) + f"{'1' * 64} *binary\n", encoding="utf-8")
    assert read_manifest(tmp_path) == {**sums, "binary": "1" * 64}
    for text in ("<html>", f"{'0' * 63}  short\n", f"{'0' * 64}\n"):
        (tmp_path / MANIFEST).write_text(text)
        with pytest.raises(UserError, match=f"{MANIFEST}' is not a list of SHA-256 checksums"):
            read_manifest(tmp_path)


def test_a_full_disk_is_told_with_the_file_and_leaves_the_earlier_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    path = tmp_path / "file"
    path.write_text("earlier")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=f"No space left on device: '{path}'$"):
        write_whole(path, "new")
    assert path.read_text() == "earlier"
    assert os.listdir(tmp_path) == ["file"]


def test_killed_before_every_single_step(tmp_path: Path) -> None:
    path = tmp_path / "file"
    for step in itertools.count(1):
        path.write_text("earlier")
        child = os.fork()
        if child == 0:
            left = itertools.count(step, -1)

            def count(event: str, arguments: object, left: itertools.count[int] = left) -> None:
                if event in STEPS and next(left) == 1:
                    os.kill(os.getpid(), signal.SIGKILL)

            sys.addaudithook(count)
            write_whole(path, "new")
            os._exit(0)
        killed = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != 0
        assert path.read_text() in ({"earlier", "new"} if killed else {"new"})
        write_whole(path, "nächste")
        assert path.read_bytes() == "nächste".encode()
        assert os.listdir(tmp_path) == ["file"]  # what was left behind is gone
        if not killed:
            break
    assert step > 5


def test_several_writers_and_a_reader_at_once(tmp_path: Path) -> None:
    path = tmp_path / "file"
    texts = {str(i) * 10_000 for i in range(4)}
    write_whole(path, "0" * 10_000)
    threads = [threading.Thread(target=write_whole, args=(path, text)) for text in texts for _ in range(5)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        assert path.read_text() in texts
    assert os.listdir(tmp_path) == ["file"]


def test_what_belongs_to_others_is_kept(tmp_path: Path) -> None:
    others = [".f[1]-notebook", ".f1-01234567", "f[1]-01234567"]
    for name in (".f[1]-01234567", *others):
        (tmp_path / name).mkdir()
    write_whole(tmp_path / "f[1]", b"")
    assert sorted(os.listdir(tmp_path)) == sorted([*others, "f[1]"])


def make_twice(folder: Path) -> None:
    with writing_folder(folder, replace=False) as slow, writing_folder(folder, replace=False) as quick:
        (slow / "file").write_text("slow")
        (quick / "file").write_text("quick")


def test_a_new_folder_replaces_nothing(tmp_path: Path) -> None:
    (tmp_path / "thesis").write_text("years of work")
    for path, fault in [(tmp_path / "thesis", "already exists"), (tmp_path / "thesis" / "new", "cannot write to")]:
        with pytest.raises(UserError, match=fault), writing_folder(path, replace=False):
            pytest.fail("the block must not be entered")
    with pytest.raises(OSError, match="new"):
        make_twice(tmp_path / "new")
    assert (tmp_path / "new" / "file").read_text() == "quick"
    assert sorted(os.listdir(tmp_path)) == ["new", "thesis"]
