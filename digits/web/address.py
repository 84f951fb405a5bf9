"""The addresses at which phones find the page, and their QR codes."""

import io
import socket
from ipaddress import ip_address

import segno

DOCUMENTATION = {socket.AF_INET: "192.0.2.1", socket.AF_INET6: "2001:db8::1"}
"""Addresses that belong to nobody (RFC 5737 and 3849): the way to them is the way to any other network."""


def page_addresses(listener: socket.socket) -> list[str]:
    """Return the addresses that other machines reach the socket by, 'http://192.168.1.5:7860', the likeliest first.

    None where it listens to this machine alone, or where this machine is in no network.
    """
    host, port = listener.getsockname()[:2]
    if ip_address(host).is_loopback:
        return []
    hosts = _own_addresses() if ip_address(host).is_unspecified else [host]
    if listener.family == socket.AF_INET:
        hosts = [host for host in hosts if ":" not in host]
    return [web_address(host, port) for host in hosts]


def web_address(host: str, port: int) -> str:
    """Return 'http://127.0.0.1:7860', without a slash at its end."""
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def code_as_text(address: str) -> str:
    """Return the QR code of an address in lines of text, its light modules filled: for white letters on black."""
    text = io.StringIO()
    segno.make(address, micro=False).terminal(text, compact=True)
    return text.getvalue()


def code_as_svg(address: str) -> str:
    """Return the QR code of an address as an SVG element without a size, black on white with its quiet zone."""
    code = segno.make(address, micro=False)
    return code.svg_inline(border=4, light="#fff", omitsize=True, title=f"QR code of {address}")


def _own_addresses() -> list[str]:
    """Return this machine's addresses in networks: first the one by which it reaches others, IPv4 before IPv6."""
    found = []
    for family, nobody in DOCUMENTATION.items():
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as probe:
                probe.connect((nobody, 9))  # of a datagram socket: chooses the way, and sends nothing
                found.append(probe.getsockname()[0])
        except OSError:  # no such way
            pass
    try:
        own = socket.getaddrinfo(socket.gethostname(), None, type=socket.SOCK_STREAM)
        found += [str(address[0]) for *_, address in own]
    except OSError:  # the name leads nowhere
        pass
    usable = [host for host in found if "%" not in host and not ip_address(host).is_loopback]
    return sorted(dict.fromkeys(usable), key=lambda host: ":" in host)
