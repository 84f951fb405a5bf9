"""draw_digit.py's command line: what it listens at, how it ends, and what it says to wrong options."""

from __future__ import annotations

import re
import shutil
import socket
from pathlib import Path
from typing import Any

import pytest
from drawings import make_outputs

import draw_digit
from digits.errors import run_script


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Give a function that calls the script with these words in a folder of its own, and returns its status."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("draw_digit.signal.signal", lambda *_: None)

    def run(*words: object) -> int:
        monkeypatch.setattr("sys.argv", ["draw_digit.py", *map(str, words)])
        try:
            return run_script(draw_digit.main)
        except SystemExit as ending:
            return int(ending.code or 0)

    return run


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # its socket ends with the process
@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        (["--port", "TAKEN"], 1, "in use.*choose another with --port"),
        (["--port", "99999"], 2, "--port 99999 must be at most 65535"),
        (["--host", "192.0.2.1"], 1, "cannot listen at 192.0.2.1"),
        (["--keep", "file"], 1, "'file' is not a folder"),
        (["--export", "site"], 1, "there is no trained run; train one with"),
    ],
)
def test_a_wrong_start_is_told_in_a_sentence(
    start: Any, capsys: pytest.CaptureFixture[str], words: list[str], status: int, message: str
) -> None:
    Path("file").write_text("")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert start(*[port if word == "TAKEN" else word for word in words]) == status
    out, told = capsys.readouterr()
    assert out == ""
    assert re.search(message, told)
    assert told.startswith("error: ")
    assert told.endswith(".\n")
    assert [path.name for path in Path().iterdir()] == ["file"]


def test_only_this_machine_can_reach_it_and_uploads_go(
    start: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def serve(networks: Any, wall: Any, listener: socket.socket, uploads: Path, hosts: set[str]) -> None:
        (uploads / "photo.png").write_text("")
        seen.append((listener.getsockname()[0], uploads.stat().st_mode & 0o077, uploads, hosts))
        listener.close()
        raise KeyboardInterrupt

    monkeypatch.setattr(draw_digit, "serve", serve)
    assert start("--port", "0") == start("--port", "0", "--host", "0.0.0.0", "--allow-host", "B.test") == 130
    assert [address for address, *_ in seen] == ["127.0.0.1", "0.0.0.0"]
    assert {others for _, others, *_ in seen} == {0}
    assert not any(uploads.exists() for _, _, uploads, _ in seen)
    assert ["b.test" in hosts for *_, hosts in seen] == [False, True]
    assert capsys.readouterr().out == 2 * "\nstopped\n"


def test_export(start: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """Other files of the folder stay; without the other framework's run, it says how to train one."""
    outputs = make_outputs(Path("outputs"))
    index = Path("site") / "index.html"
    index.parent.mkdir()
    index.write_text("<h1>My cat</h1>")
    assert start("--export", "site") == 1
    assert "is a page of something else; give --export another folder." in capsys.readouterr().err
    assert index.read_text() == "<h1>My cat</h1>"
    index.unlink()
    (index.parent / "CNAME").write_text("digits.example")
    for name, note in (("tensorflow", ""), ("pytorch", "There is no TensorFlow network")):
        assert start("--export", "site") == 0
        out, told = capsys.readouterr()
        assert (note in out, told) == (True, "")
        assert f"{name}; 0.1 MB" in out
        shutil.rmtree(outputs / "mnist-cnn-tensorflow", ignore_errors=True)
    assert (index.parent / "CNAME").read_text() == "digits.example"
