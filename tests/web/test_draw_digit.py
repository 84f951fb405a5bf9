"""draw_digit.py's command line: what it listens at, how it ends, and what it says to wrong options."""

from __future__ import annotations

import re
import shutil
import socket
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from drawings import make_outputs
from in_process import call
from starlette.datastructures import URL

import draw_digit
from mnist_twice.web.address import address_for_phones, page_address


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Give a function that calls the script with these words in a folder with two runs."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("draw_digit.signal.signal", lambda *_: None)
    make_outputs(tmp_path / "outputs")
    return partial(call, "draw_digit")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # its socket ends with the process
@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        (["--port", "TAKEN"], 1, "in use.*choose another with --port"),
        (["--port", "99999"], 2, "--port 99999 must be at most 65535"),
        (["--host", "192.0.2.1"], 1, "cannot listen at 192.0.2.1"),
        (["--keep", "file"], 1, "cannot write to 'file"),
        (["--output-dir", "none"], 1, "there is no trained run; train one with"),
    ],
)
def test_a_wrong_start_is_told_in_a_sentence(start: Any, words: list[str], status: int, message: str) -> None:
    Path("file").write_text("")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        found, out, told = start(*[port if word == "TAKEN" else word for word in words])
    assert (found, out) == (status, "")
    assert re.search(message, told)
    assert told.startswith("error: ")
    assert told.endswith((".\n", ".)\n"))  # the second where it is run from another folder


def test_only_this_machine_can_reach_it(start: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def serve(app: Any, listener: socket.socket) -> None:
        seen.append((listener.getsockname()[0], app.user_middleware[0].kwargs["hosts"]))
        listener.close()
        raise KeyboardInterrupt

    monkeypatch.setattr(draw_digit, "serve", serve)
    ends = start("--port", "0"), start("--port", "0", "--host", "0.0.0.0", "--allow-host", "B.test")
    assert [end.status for end in ends] == [130, 130]
    assert [address for address, _ in seen] == ["127.0.0.1", "0.0.0.0"]
    assert ["b.test" in hosts for _, hosts in seen] == [False, True]
    out = "".join(end.out for end in ends)
    assert re.match(
        r"drawing page at http://127.0.0.1:\d+ \(mnist-cnn-pytorch, mnist-cnn-tensorflow\); Ctrl-C stops", out
    )
    assert len(re.findall(r"wall for the projector at http://\S+:\d+/wall#\S{12}\n", out)) == 2
    assert out.endswith("\nstopped\n")


def test_export(start: Any) -> None:
    """One small page that asks for nothing; other files stay, and without the other framework's run it says so."""
    index = Path("site") / "index.html"
    index.parent.mkdir()
    index.write_text("<h1>My cat</h1>")
    assert "is not a page of draw_digit.py; give --export another folder." in start("--export", "site").err
    assert index.read_text() == "<h1>My cat</h1>"
    index.unlink()
    large = start("--export", "site", *80 * ["--run", "mnist-cnn-pytorch"])
    assert re.search(r"the page would have 3\.\d MB, more than 3; choose smaller ones", large.err)
    (index.parent / "CNAME").write_text("digits.example")
    for name, note in (("tensorflow", ""), ("pytorch", "There is no TensorFlow network")):
        status, out, told = start("--export", "site")
        assert (status, note in out, told) == (0, True, "")
        assert f"{name}; 0.1 MB" in out
        shutil.rmtree("outputs/mnist-cnn-tensorflow", ignore_errors=True)
    assert not re.search(r"https?://|fetch\(|XMLHttpRequest|import\(|src=|getUserMedia", index.read_text())
    assert sorted(path.name for path in index.parent.iterdir()) == ["CNAME", "index.html"]


# --- where phones find it ---


def test_others_reach_the_page_at_the_machine_s_own_address() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        assert page_address(listener) == (f"http://127.0.0.1:{listener.getsockname()[1]}", False)
    with socket.create_server(("0.0.0.0", 0)) as listener:
        found, for_phones = page_address(listener)
        host, port = found.removeprefix("http://").split(":")
        assert for_phones == (host != "127.0.0.1")
        socket.create_connection((host, int(port)), 5).close()


def test_the_wall_shows_the_address_that_phones_reach() -> None:
    phones = "http://192.168.1.5:7860"
    assert address_for_phones(URL("http://localhost:7860/wall"), phones) == phones
    assert address_for_phones(URL("https://digits.example/wall"), phones) == "https://digits.example"
