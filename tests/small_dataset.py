"""A dataset of MNIST's form, small enough to be downloaded hundreds of times in a test, and ways to serve it."""

from __future__ import annotations

import gzip
import hashlib
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np

from mnist_twice.data import Entry
from mnist_twice.data.idx import idx_bytes

TRAIN, TEST = 60, 20
_rng = np.random.default_rng(0)
ARRAYS = tuple(
    array.astype(np.uint8)
    for count in (TRAIN, TEST)
    for array in (_rng.integers(0, 256, (count, 28, 28)), np.arange(count) % 10)
)
IDX_BYTES = [idx_bytes(array) for array in ARRAYS]
SMALL = Entry(
    name="small",
    folder="Small",
    title="Noise",
    sizes=(TRAIN, TEST),
    sha256=tuple(hashlib.sha256(data).hexdigest() for data in IDX_BYTES),
    licence="none",
)
GZ_BYTES = {f"{file}.gz": gzip.compress(data, mtime=0) for file, data in zip(SMALL.files, IDX_BYTES, strict=True)}

Respond = Callable[[BaseHTTPRequestHandler], None]


def with_mirrors(*mirrors: str) -> Entry:
    """Return the small dataset's entry with these mirrors."""
    return replace(SMALL, mirrors=mirrors)


def write_mirror(folder: Path, files: dict[str, bytes] = GZ_BYTES) -> Path:
    """Write the four .gz files into the folder, and return it."""
    folder.mkdir(parents=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return folder


@contextmanager
def serving(respond: Respond) -> Iterator[str]:
    """Give the address, ending in '/', of a server on this machine that answers every GET by respond(handler)."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            with suppress(OSError):  # the client has gone
                respond(self)

        def log_message(self, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()


def send(handler: BaseHTTPRequestHandler, body: bytes, status: int = 200, **headers: str) -> None:
    """Answer with the body. Headers are named as in Content_Length, which is right unless it is given."""
    handler.send_response(status)
    for name, value in {"Content_Length": str(len(body)), **headers}.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(body)


def send_file(handler: BaseHTTPRequestHandler) -> None:
    """Answer as a good mirror does."""
    body = GZ_BYTES.get(handler.path.rsplit("/", 1)[-1])
    send(handler, body or b"no such file", 200 if body else 404)
