"""PyTorch's threads sleep while they wait exactly where other programs need the cores and the user said nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from digits.training import waiting
from digits.training.waiting import GIVEN, running_elsewhere, sleep_if_busy


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file that tells how many threads run, on a machine of four cores of which we may use two."""
    for name in GIVEN:
        monkeypatch.setenv(name, "")  # so that what is set here is taken back
        monkeypatch.delenv(name)
    monkeypatch.setattr(waiting, "LOAD", tmp_path / "loadavg")
    monkeypatch.setattr("os.cpu_count", lambda: 4)
    monkeypatch.setattr(waiting, "cores", lambda: 2)
    return tmp_path / "loadavg"


@pytest.mark.parametrize(("running", "busy"), [(1, False), (3, False), (4, True), (9, True)])
def test_sleeping_begins_where_not_enough_cores_are_left(load: Path, running: int, busy: bool) -> None:
    load.write_text(f"0.52 0.58 0.59 {running}/412 22761\n")
    assert running_elsewhere() == running - 1  # the one that reads is among them
    assert sleep_if_busy() is busy
    assert os.environ.get("GOMP_SPINCOUNT") == ("0" if busy else None)


@pytest.mark.parametrize(("running", "terminal"), [(9, True), (9, False), (1, True)])
def test_a_busy_machine_is_told_of_in_a_terminal(
    load: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], running: int, terminal: bool
) -> None:
    load.write_text(f"0.52 0.58 0.59 {running}/412 22761\n")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
    sleep_if_busy()
    said = capsys.readouterr().err
    assert (said.startswith("note: ") and "OMP_NUM_THREADS=1" in said) == (running == 9 and terminal)


@pytest.mark.parametrize("name", GIVEN)
def test_what_the_user_has_set_stays(load: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    load.write_text("9 9 9 9/412 22761\n")
    monkeypatch.setenv(name, "2")
    assert not sleep_if_busy()
    assert {key: os.environ.get(key) for key in GIVEN} == {key: "2" if key == name else None for key in GIVEN}


@pytest.mark.parametrize("text", [None, "", "0.1 0.2", "0.1 0.2 0.3 x/y 1"])
def test_systems_that_do_not_tell_are_not_busy(load: Path, text: str | None) -> None:
    if text is not None:
        load.write_text(text)
    assert running_elsewhere() == 0
    assert not sleep_if_busy()


@pytest.mark.skipif(not waiting.LOAD.is_file(), reason="only Linux tells")
def test_programs_that_compute_are_counted() -> None:
    loops = [
        subprocess.Popen([sys.executable, "-c", "print(flush=True)\nwhile True: pass"], stdout=-1) for _ in range(3)
    ]
    try:
        for loop in loops:
            assert loop.stdout is not None
            loop.stdout.readline()
        assert running_elsewhere() >= 3
    finally:
        for loop in loops:
            loop.kill()
            loop.communicate()
