"""Where phones find the page: never at 0.0.0.0, and by codes that a camera reads."""

from __future__ import annotations

import socket

import cv2
import numpy as np
import pytest

from digits.web.address import code_as_svg, code_as_text, page_addresses

LAN = "http://192.168.178.123:7860"


def test_a_page_for_this_machine_alone_has_none() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        assert page_addresses(listener) == []


def test_others_reach_the_page_at_the_machine_s_own_addresses() -> None:
    with socket.create_server(("0.0.0.0", 0)) as listener:
        for found in page_addresses(listener):
            host, port = found.removeprefix("http://").split(":")
            assert host not in ("0.0.0.0", "127.0.0.1")
            socket.create_connection((host, int(port)), 5).close()


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
