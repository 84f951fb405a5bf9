"""The addresses at which phones find the page, and their QR codes."""

import io
import socket
from collections.abc import Sequence
from contextlib import suppress
from ipaddress import ip_address
from typing import Any

import segno

DOCUMENTATION = {socket.AF_INET: "192.0.2.1", socket.AF_INET6: "2001:db8::1"}
"""Addresses that belong to nobody (RFC 5737 and 3849): the way to them is the way to any other network."""


def page_addresses(listener: socket.socket) -> list[str]:
    """Return the addresses that other machines reach the socket by, 'http://192.168.1.5:7860', the likeliest first.

    None where it listens to this machine alone, or where this machine is in no network.
    """
    host, port = listener.getsockname()[:2]
    if not ip_address(host).is_unspecified:
        return [] if ip_address(host).is_loopback else [web_address(host, port)]
    found = []
    for family, nobody in DOCUMENTATION.items():
        with suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as probe:  # no such way
            probe.connect((nobody, 9))  # of a datagram socket: chooses the way, and sends nothing
            if family == socket.AF_INET or listener.family == family:
                found.append(web_address(probe.getsockname()[0], port))
    return found


def web_address(host: str, port: int) -> str:
    """Return 'http://127.0.0.1:7860', without a slash at its end."""
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def address_for_phones(asked: Any, addresses: Sequence[str]) -> str:
    """Return where phones find the drawing page, '' where they cannot: the address by which the wall itself was asked
    for, a proxy's perhaps, unless only this machine has it; then the first of `addresses`."""
    host = asked.hostname or ""
    try:
        only_here = ip_address(host).is_loopback or ip_address(host).is_unspecified
    except ValueError:
        only_here = host.lower() in ("localhost", socket.gethostname().lower())  # phones may not resolve the latter
    return next(iter(addresses), "") if only_here else f"{asked.scheme}://{asked.netloc.rpartition('@')[2]}"


def code_as_text(address: str) -> str:
    """Return the QR code of an address in lines of text, its light modules filled: for white letters on black."""
    text = io.StringIO()
    segno.make(address, micro=False).terminal(text, compact=True)
    return text.getvalue()


def code_as_svg(address: str) -> str:
    """Return the QR code of an address as an SVG element without a size, black on white with its quiet zone."""
    code = segno.make(address, micro=False)
    return code.svg_inline(border=4, light="#fff", omitsize=True, title=f"QR code of {address}")
