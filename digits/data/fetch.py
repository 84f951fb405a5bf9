"""One file from one address, over HTTP: within a size, within a time, and with the reason in plain words if it fails.

requests does the talking (proxies, certificates, redirections). What it leaves to its user is here: a bound on the
bytes, and one on the whole time, because its time-outs are per read, which a server that drips bytes never exceeds.
"""

import time

import requests
import urllib3
from tqdm import tqdm

from digits.errors import UserError

CHUNK_BYTES = 65_536
CONNECT_SECONDS = 10.0
READ_SECONDS = 30.0  # without one byte
FILE_SECONDS = 900.0  # 26 MB, the largest file known here, in 15 minutes is 30 kB/s


def fetch(url: str, max_bytes: int) -> bytes:
    """Return the at most max_bytes that the address gives; UserError with the reason if it fails.

    Where stderr is a terminal, a progress bar is on it.
    """
    end = time.monotonic() + FILE_SECONDS
    name = url.rsplit("/", 1)[-1]
    data = bytearray()
    try:
        with (
            tqdm(desc=name, unit="B", unit_scale=True, leave=False, disable=None) as bar,
            requests.get(
                url,
                headers={"Accept-Encoding": "identity"},
                timeout=(CONNECT_SECONDS, READ_SECONDS),
                stream=True,
            ) as response,
        ):
            if response.status_code != 200:
                raise UserError(f"HTTP status {response.status_code} {response.reason or ''}".rstrip())
            length = response.headers.get("Content-Length", "")
            bar.total = int(length) if length.isdigit() else None
            if (bar.total or 0) > max_bytes:
                raise UserError(f"{bar.total:,} bytes offered, where at most {max_bytes:,} are expected")
            # read1, because read would wait for a whole chunk; undecoded, because the file is a .gz to begin with.
            while chunk := response.raw.read1(CHUNK_BYTES, decode_content=False):
                data += chunk
                bar.update(len(chunk))
                if len(data) > max_bytes:
                    raise UserError(f"more than the {max_bytes:,} bytes expected")
                if time.monotonic() > end:
                    raise UserError(f"not complete after {FILE_SECONDS:g} s")
    except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError) as error:
        raise UserError(_reason(error, len(data))) from error
    return bytes(data)


def _reason(error: Exception, received: int) -> str:
    """Say in a few words what the libraries say in many."""
    text = f"{type(error).__name__}: {error}"  # which quotes the errors underneath by their names
    for words, reason in (
        ("NameResolutionError", "the host's name could not be resolved (no network?)"),
        ("Connection refused", "connection refused"),
        ("IncompleteRead", f"cut off after {received:,} bytes"),
        ("407 ", "the proxy asks for a password; put it into https_proxy, as http://NAME:PASSWORD@HOST:PORT"),
        ("ProxyError", "the proxy does not answer as a proxy"),
        ("SSLError", "the host's certificate could not be verified"),
        ("ConnectTimeout", f"no connection within {CONNECT_SECONDS:g} s"),
        ("ReadTimeout", f"nothing came for {READ_SECONDS:g} s, after {received:,} bytes"),
        ("Connection", "the connection broke off"),
    ):
        if words in text:
            return reason
    return text
