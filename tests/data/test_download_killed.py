"""Killed at any moment, or run several times at once: the data folder has nothing, or a complete verified dataset."""

from __future__ import annotations

import itertools
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from paths import ROOT
from small_dataset import GZ_BYTES, SMALL, send_file, serving, write_mirror

from digits.data.catalogue import Entry
from digits.data.datasets import read_dataset
from digits.data.download import download_dataset
from digits.data.folder import building, find_damage
from digits.errors import UserError

# The steps of a process that can change what is on the disk, by the names that Python's audit events have for them.
STEPS = {"open", "os.mkdir", "os.rename", "os.symlink", "os.remove", "os.rmdir", "fcntl.flock"}


def assert_nothing_or_complete(entry: Entry, data_dir: Path) -> None:
    if (data_dir / entry.folder).exists():
        read_dataset(entry, data_dir)
        assert find_damage(entry, data_dir) == []
    else:
        assert not (data_dir / f"{entry.name}.npz").exists()  # at most a link that leads nowhere
        with pytest.raises(UserError, match="yet: run"):
            read_dataset(entry, data_dir)


def assert_complete_and_tidy(entry: Entry, data_dir: Path) -> None:
    assert find_damage(entry, data_dir) == []
    assert sorted(path.name for path in data_dir.iterdir()) == sorted([entry.folder, f"{entry.name}.npz"])


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
@pytest.mark.parametrize("before", ["nothing", "complete", "damaged"])
def test_killed_before_every_single_step(before: str, tmp_path: Path) -> None:
    mirror = str(write_mirror(tmp_path / "mirror"))
    for step in itertools.count(1):
        data_dir = tmp_path / f"data-{step}"
        if before != "nothing":
            download_dataset(SMALL, data_dir, mirror)
        if before == "damaged":
            for name in ("Small/raw/train-labels-idx1-ubyte", "Small/small.npz"):
                (data_dir / name).write_bytes(b"damaged")
        work = partial(download_dataset, SMALL, data_dir, mirror, force=before == "complete")
        killed = killed_at(step, work)
        if before == "nothing":
            assert_nothing_or_complete(SMALL, data_dir)
        elif before == "complete":
            assert find_damage(SMALL, data_dir) == []
        else:
            labels = data_dir / "Small" / "raw" / "train-labels-idx1-ubyte"
            if labels.read_bytes() == b"damaged":
                with pytest.raises(UserError, match=str(labels)):
                    read_dataset(SMALL, data_dir)
            else:
                read_dataset(SMALL, data_dir)
        download_dataset(SMALL, data_dir, mirror)
        assert_complete_and_tidy(SMALL, data_dir)
        if not killed:
            break
    assert step > 30  # so many steps there are at least: four files in, six out, checksums, flushes, link, rename


def start(mirror: str, data_dir: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, str(ROOT / "tests" / "small_dataset.py"), mirror, str(data_dir)],
        env={**os.environ, "PYTHONPATH": str(ROOT), "NO_PROXY": "*"},
    )


def send_slowly(handler: BaseHTTPRequestHandler) -> None:
    """Answer as a good mirror does, in about 0.05 s a file."""
    body = GZ_BYTES.get(handler.path.rsplit("/", 1)[-1])
    if body is None:
        send_file(handler)
        return
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    for at in range(0, len(body), len(body) // 5 + 1):
        handler.wfile.write(body[at : at + len(body) // 5 + 1])
        time.sleep(0.01)


@pytest.mark.nightly
def test_killed_at_random_moments_of_a_slow_download(tmp_path: Path) -> None:
    seed = random.SystemRandom().randrange(1_000_000)
    print(f"seed {seed}")
    rng = random.Random(seed)
    with serving(send_slowly) as mirror:
        began = time.monotonic()
        assert start(mirror, tmp_path / "whole").wait() == 0
        whole = time.monotonic() - began
        for attempt in range(15):
            process = start(mirror, tmp_path / "data")
            time.sleep(rng.uniform(0, whole))
            process.kill()
            process.wait()
            assert_nothing_or_complete(SMALL, tmp_path / "data")
            if (tmp_path / "data" / "Small").exists():
                (tmp_path / "data" / "Small").rename(tmp_path / f"done-{attempt}")
        assert start(mirror, tmp_path / "data").wait() == 0
    assert_complete_and_tidy(SMALL, tmp_path / "data")


@pytest.mark.slow
def test_several_at_once(tmp_path: Path) -> None:
    with serving(send_slowly) as mirror:
        processes = [start(mirror, tmp_path / "data") for _ in range(3)]
        assert [process.wait() for process in processes] == [0, 0, 0]
    assert_complete_and_tidy(SMALL, tmp_path / "data")


def test_what_a_living_process_builds_is_left_alone(tmp_path: Path) -> None:
    mirror = str(write_mirror(tmp_path / "mirror"))
    data_dir = tmp_path / "data"
    with building(SMALL, data_dir) as folder:
        download_dataset(SMALL, data_dir, mirror, force=True)
        assert (folder / "raw").is_dir()
    leftover = data_dir / ".Small-0123abcd"
    leftover.mkdir()
    (data_dir / ".Small-not-ours").mkdir()
    download_dataset(SMALL, data_dir, mirror, force=True)
    assert not leftover.exists()
    assert (data_dir / ".Small-not-ours").exists()


@pytest.mark.slow
def test_a_disk_without_room_is_said_and_leaves_nothing(tmp_path: Path) -> None:
    script = [sys.executable, str(ROOT / "download_mnist.py"), "--dataset", "mnist-sample", "--data-dir", str(tmp_path)]
    # No file may grow beyond 1 MB: to the script that is much as a disk that is full.
    done = subprocess.run(
        ["bash", "-c", 'ulimit -f 1000 && exec "$@"', "bash", *script], capture_output=True, text=True
    )
    assert done.returncode == 1
    assert done.stderr.startswith("error: File too large")
    assert list(tmp_path.iterdir()) == []
