"""Where phones find the page: never at 0.0.0.0, and by codes that a camera reads."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from page_driver import ask, serving_page
from paths import ROOT

from digits.web import address
from digits.web.address import code_as_svg, code_as_text, page_addresses, web_address

LAN = "http://192.168.178.123:7860"


def test_a_page_for_this_machine_alone_has_none() -> None:
    for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        try:
            with socket.create_server((host, 0), family=family) as listener:
                assert page_addresses(listener) == []
        except OSError:  # no IPv6 here
            assert family == socket.AF_INET6


def test_others_reach_the_page_at_the_machine_s_own_addresses() -> None:
    with socket.create_server(("0.0.0.0", 0)) as listener:
        for found in page_addresses(listener):
            host, port = found.removeprefix("http://").split(":")
            assert host not in ("0.0.0.0", "127.0.0.1")
            socket.create_connection((host, int(port)), 5).close()


def test_all_of_them_are_told_the_likeliest_first(monkeypatch: pytest.MonkeyPatch) -> None:
    own = [(0, 0, 0, "", (host, 0)) for host in ("127.0.1.1", "fe80::1%eth0", "fd00::5", "172.17.0.1")]
    monkeypatch.setattr(address.socket, "getaddrinfo", lambda *_, **__: own)
    with socket.create_server(("0.0.0.0", 0)) as listener:
        found = [web.removeprefix("http://").rsplit(":", 1)[0] for web in page_addresses(listener)]
    assert found[-1] == "172.17.0.1"
    assert not [host for host in found if host.startswith(("127.", "["))]


def test_an_address_is_written_as_browsers_take_it() -> None:
    assert web_address("192.168.1.5", 7860) == "http://192.168.1.5:7860"
    assert web_address("fd00::5", 80) == "http://[fd00::5]:80"


def read_code(text: str) -> str:
    """Return what a camera reads in a QR code of half-block letters, light on dark."""
    halves = {" ": (0, 0), "▀": (1, 0), "▄": (0, 1), "█": (1, 1)}
    lines = [line for line in text.splitlines() if line.strip(" ")]
    rows = [[halves[letter][half] for letter in line] for line in lines for half in (0, 1)]
    picture = 255 * np.kron(np.array(rows, np.uint8), np.ones((8, 8), np.uint8))
    return cv2.QRCodeDetector().detectAndDecode(np.pad(picture, 40, constant_values=255))[0]


@pytest.mark.parametrize("text", [LAN, "http://10.0.0.2:80", "http://[2001:db8:1234:5678:9abc:def0:1234:5678]:65535"])
def test_codes_can_be_read(text: str) -> None:
    assert read_code(code_as_text(text)) == text
    assert f"QR code of {text}" in code_as_svg(text)


def test_markup_in_an_address_stays_text() -> None:
    assert "<b>" not in code_as_svg("http://<b>")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals")
@pytest.mark.slow
def test_a_terminal_shows_the_address_and_its_code(tmp_path: Path) -> None:
    import pty

    main, terminal = pty.openpty()
    environment = os.environ | {"COLUMNS": "100", "TERM": "xterm", "PYTHONIOENCODING": "utf-8"}
    command = [sys.executable, ROOT / "draw_digit.py", "--host", "0.0.0.0", "--port", "0"]
    process = subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=terminal, stderr=subprocess.DEVNULL)
    try:
        text, deadline = b"", time.monotonic() + 60
        # Where the machine is in a network, the code follows.
        while b"/wall#" not in text or (b"at http://127.0.0.1" not in text and b"\xe2\x96\x80" * 20 not in text):
            assert time.monotonic() < deadline, text
            text += os.read(main, 65536)
    finally:
        process.terminate()
        process.wait(20)
        os.close(terminal)
        os.close(main)
    printed = re.sub("\x1b\\[[0-9;]*m", "", text.decode(errors="ignore"))
    shown = re.search(r"drawing page at (http://\S+)", printed)[1]
    assert "0.0.0.0" not in printed
    if "127.0.0.1" in shown:
        pytest.skip("this machine is in no network")
    code = "\n".join(line for line in printed.splitlines() if re.fullmatch("[ ▀▄█]{20,} *", line))
    assert read_code(code) == shown


@pytest.mark.slow
def test_the_wall_shows_the_address_by_which_it_was_asked_for(tmp_path: Path) -> None:
    with serving_page(tmp_path, "--host", "0.0.0.0", "--allow-host", "digits.example") as page:
        for host in ("192.168.1.5:7860", "digits.example"):
            text = ask(f"{page.address}/wall", Host=host)[1].decode()
            assert f"QR code of http://{host}<" in text
        assert "http://localhost" not in ask(f"{page.address}/wall", Host="localhost:7860")[1].decode()
    with serving_page(tmp_path) as page:
        text = ask(f"{page.address}/wall")[1].decode()
        assert "Start it with --host 0.0.0.0" in text
        assert "<svg" not in text
