"""Killed at any moment, or run several times at once: each file is whole or missing, and the next call continues."""

from __future__ import annotations

import itertools
import os
import signal
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest
from limits import largest_file
from small_dataset import IDX_BYTES, SMALL, send_file, serving, write_mirror

from digits.data.datasets import read_dataset
from digits.data.download import download_dataset, find_damage

# The steps of a process that can change what is on the disk, by the names that Python's audit events have for them.
STEPS = {"open", "os.mkdir", "os.rename", "os.symlink", "os.remove", "os.rmdir", "fcntl.flock"}


def assert_complete_and_tidy(data_dir: Path) -> None:
    assert read_dataset(SMALL, data_dir).fingerprint
    assert find_damage(SMALL, data_dir / "Small") == []
    names = {"Small", "small.npz", "Small/raw", "Small/SHA256SUMS", *(f"Small/{path}" for path in SMALL.paths)}
    assert {path.relative_to(data_dir).as_posix() for path in data_dir.rglob("*")} == names


def killed_at(step: int, work: Callable[[], object]) -> bool:
    """Do the work in a forked process that kills itself right before the step-th step; return whether it got there."""
    child = os.fork()
    if child == 0:
        steps = 0

        def count(event: str, arguments: object) -> None:
            nonlocal steps
            if event in STEPS:
                steps += 1
                if steps == step:
                    os.kill(os.getpid(), signal.SIGKILL)

        try:
            sys.addaudithook(count)
            work()
            os._exit(0)
        finally:
            os._exit(1)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status in (0, -signal.SIGKILL)
    return status != 0


@pytest.mark.nightly
@pytest.mark.parametrize("before", ["nothing", "complete"])
def test_killed_before_every_single_step(before: str, tmp_path: Path) -> None:
    mirror = str(write_mirror(tmp_path / "mirror"))
    for step in itertools.count(1):
        data_dir = tmp_path / f"data-{step}"
        if before != "nothing":
            download_dataset(SMALL, data_dir, mirror)
        work = partial(download_dataset, SMALL, data_dir, mirror, force=before == "complete")
        killed = killed_at(step, work)
        for path, data in zip(SMALL.paths, IDX_BYTES, strict=True):
            file = data_dir / "Small" / path
            assert file.read_bytes() == data if file.exists() else before == "nothing"
        download_dataset(SMALL, data_dir, mirror)
        assert_complete_and_tidy(data_dir)
        if not killed:
            break
    assert step > 30  # so many steps there are at least: four files in, six out, and a hidden folder for each


def test_several_at_once(tmp_path: Path) -> None:
    with serving(send_file) as mirror, ThreadPoolExecutor(3) as pool:
        for done in [pool.submit(download_dataset, SMALL, tmp_path / "data", mirror) for _ in range(3)]:
            done.result()
    assert_complete_and_tidy(tmp_path / "data")


def test_a_disk_without_room_is_said_and_leaves_nothing(tmp_path: Path) -> None:
    mirror = write_mirror(tmp_path / "mirror")
    with largest_file(20_000), pytest.raises(OSError, match="File too large"):
        download_dataset(SMALL, tmp_path / "data", str(mirror))
    assert not [path for path in (tmp_path / "data").rglob("*") if path.is_file()]
