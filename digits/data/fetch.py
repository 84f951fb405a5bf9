"""One file from one address, over HTTP: within a size, within a time, and with the reason in plain words if it fails.

requests does the talking (proxies, certificates, connections). What it leaves to its user is here: a bound on the
bytes, and one on the whole time, because its time-outs are per read, which a server that drips bytes never exceeds.
"""

import threading
from concurrent.futures import Future
from dataclasses import dataclass
from urllib.parse import urljoin

import requests
import urllib3
from tqdm import tqdm

from digits.errors import UserError

CHUNK_BYTES = 65_536
MAX_REDIRECTS = 5


@dataclass(frozen=True)
class TimeLimits:
    """In seconds. The defaults suit a slow line: 26 MB, the largest file known here, in 15 minutes is 30 kB/s."""

    connect: float = 10
    read: float = 30  # without one byte
    file: float = 900  # from the look-up of the host's name to the last byte


def fetch(url: str, max_bytes: int, limits: TimeLimits) -> bytes:
    """Return the at most max_bytes that the address gives; UserError with the reason if it fails.

    Where stderr is a terminal, a progress bar is on it.
    """
    result: Future[bytes] = Future()
    give_up = threading.Event()

    def work() -> None:
        try:
            result.set_result(_stream(url, max_bytes, limits, give_up))
        except BaseException as error:
            result.set_exception(error)

    # A thread, because no time-out covers the look-up of a name or the headers as a whole. When time is up it is left
    # behind, and ends by itself at its next byte, its own time-out, or with the process.
    threading.Thread(target=work, daemon=True).start()
    try:
        return result.result(timeout=limits.file)
    except TimeoutError:
        raise UserError(f"not complete after {limits.file:g} s") from None
    finally:
        give_up.set()


def _stream(url: str, max_bytes: int, limits: TimeLimits, give_up: threading.Event) -> bytes:
    data = bytearray()
    name = url.rsplit("/", 1)[-1]
    try:
        with (
            tqdm(desc=name, unit="B", unit_scale=True, leave=False, disable=None) as bar,
            _session() as session,
            _open(session, url, limits) as response,
        ):
            if response.status_code != 200:
                raise UserError(f"HTTP status {response.status_code} {response.reason or ''}".rstrip())
            length = response.headers.get("Content-Length", "")
            bar.total = int(length) if length.isascii() and length.isdigit() else None
            if (bar.total or 0) > max_bytes:
                raise UserError(f"{bar.total:,} bytes offered, where at most {max_bytes:,} are expected")
            # read1, because read would wait for a whole chunk; undecoded, because the file is a .gz to begin with.
            while not give_up.is_set() and (chunk := response.raw.read1(CHUNK_BYTES, decode_content=False)):
                data += chunk
                bar.update(len(chunk))
                if len(data) > max_bytes:
                    raise UserError(f"more than the {max_bytes:,} bytes expected")
    except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError) as error:
        raise UserError(_reason(error, limits, len(data))) from error
    return bytes(data)


def _session() -> requests.Session:
    """Return a session that leaves redirections alone: requests reads the body of each, however long, even unasked."""
    session = requests.Session()
    session.resolve_redirects = lambda *arguments, **options: iter(())  # type: ignore[method-assign, assignment]
    return session


def _open(session: requests.Session, url: str, limits: TimeLimits) -> requests.Response:
    """Return the response at the end of the redirections; its body is not read yet."""
    for _ in range(MAX_REDIRECTS + 1):
        response = session.get(
            url,
            headers={"Accept-Encoding": "identity"},
            timeout=(limits.connect, limits.read),
            stream=True,
            allow_redirects=False,
        )
        if not response.is_redirect:
            return response
        url = urljoin(url, response.headers["Location"])
        response.close()
    raise UserError(f"more than {MAX_REDIRECTS} redirections")


def _reason(error: Exception, limits: TimeLimits, received: int) -> str:
    """Say in a few words what the libraries say in many."""
    text = str(error)  # it quotes the errors underneath
    if "NameResolutionError" in text:
        return "the host's name could not be resolved (no network?)"
    if "Connection refused" in text:
        return "connection refused"
    if "IncompleteRead" in text:
        return f"cut off after {received:,} bytes"
    timeouts = requests.ReadTimeout, urllib3.exceptions.ReadTimeoutError
    for kinds, reason in (
        (requests.exceptions.ProxyError, "the proxy does not answer as a proxy"),
        (requests.exceptions.SSLError, "the host's certificate could not be verified"),
        (requests.exceptions.ConnectTimeout, f"no connection within {limits.connect:g} s"),
        (timeouts, f"nothing came for {limits.read:g} s, after {received:,} bytes"),
        ((requests.ConnectionError, urllib3.exceptions.ProtocolError), "the connection broke off"),
    ):
        if isinstance(error, kinds):
            return reason
    return text
