"""The address at which phones find the page, and its QR code."""

import io
import socket
from contextlib import suppress
from ipaddress import ip_address
from typing import Any

import segno


def page_address(listener: socket.socket) -> tuple[str, bool]:
    """Return the page's address without a slash at its end, 'http://192.168.1.5:7860', and whether phones reach it."""
    host, port = listener.getsockname()[:2]
    if ip_address(host).is_unspecified:
        host = "127.0.0.1"
        with suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:  # in no network
            probe.connect(("192.0.2.1", 9))  # nobody's (RFC 5737): chooses the way to any other network, sends nothing
            host = probe.getsockname()[0]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}", not ip_address(host).is_loopback


def address_for_phones(asked: Any, address: str) -> str:
    """Return where phones find the drawing page: at the URL by which the wall itself was asked for, a proxy's perhaps,
    or at `address` where only this machine has that one."""
    if asked.hostname in ("localhost", "127.0.0.1", "::1", "0.0.0.0", socket.gethostname().lower()):
        return address
    return f"{asked.scheme}://{asked.netloc.rpartition('@')[2]}"


def code_as_text(address: str) -> str:
    """Return the QR code of an address in lines of text, its light modules filled: for white letters on black."""
    text = io.StringIO()
    segno.make(address, micro=False).terminal(text, compact=True)
    return text.getvalue()


def code_as_svg(address: str) -> str:
    """Return the QR code of an address as an SVG element without a size, black on white with its quiet zone."""
    title = f"QR code of {address}"
    return segno.make(address, micro=False).svg_inline(border=4, light="#fff", omitsize=True, title=title)
