"""Let only those requests through that the page itself makes, of a bounded size."""

import re
import socket
from collections.abc import Collection, Iterable
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import anyio
from fastapi.responses import JSONResponse
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request

from digits.web.room import Busy, Room

MAX_BYTES = 20_000_000  # of a request that carries a photo; phones make photos of 2 to 12 MB
MAX_JSON_BYTES = 4_000_000  # of any other request: a frame of a webcam
MAX_LABEL_BYTES = 1000  # of what the wall sends
MAX_JSON_VALUES = 1000
"""Most values in such a request. Four million bytes can be a million lists, which take Python a hundred million."""
MALFORMED = "this request is not one that the page sends; reload the page and try again."
PHOTOS = ("/predict", "/gradio_api/upload")
PHOTOS_BYTES, JSON_BYTES = 3 * MAX_BYTES, 4 * MAX_JSON_BYTES
"""Memory for all requests together, those still arriving included. Drawings never wait for photos."""
SECONDS, BYTES_A_SECOND = 5.0, 400_000  # a request may take so many seconds to arrive, and longer the larger it is
NEEDED = (
    *("", "predict", "config", "theme.css", "favicon.ico", "manifest.json", "assets/.+", "static/.+"),
    *("wall", "wall/(drawings|label|remove|clear)"),
    *("gradio_api/heartbeat/.+", "gradio_api/upload", "gradio_api/upload_progress", "gradio_api/run/.+"),
    *("gradio_api/queue/(join|data)", "gradio_api/stream/.+", "gradio_api/startup-events"),
)
"""What the page requests. Gradio serves much more: it fetches addresses on demand, and counts its visitors."""


def own_hosts(host: str, address: str, allowed: Iterable[str]) -> set[str]:
    """Return the names that the page answers to: where it listens, this machine's own names, and what is allowed."""
    names = (host, address, "localhost", "127.0.0.1", "::1", socket.gethostname(), *allowed)
    return {name.lower() for name in names if name}


class Guard:
    """ASGI middleware. Beyond NEEDED, files of the folder `uploads` may be requested, which the page shows.

    Only under the names in `hosts`, or any IP address where it listens at all of them: against DNS rebinding, by which
    another site points a name of its own here and reads along.
    """

    def __init__(self, app: Any, uploads: Path, hosts: Collection[str]) -> None:
        self.app = app
        self.hosts = hosts
        self.any_address = not {"0.0.0.0", "::"}.isdisjoint(hosts)
        self.needed = re.compile(f"/({'|'.join(NEEDED)}|gradio_api/file={re.escape(str(uploads))}/.+)/?")
        self._photos, self._others = Room(PHOTOS_BYTES), Room(JSON_BYTES)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
        elif scope["type"] == "http":
            try:
                await self._answer(scope, receive, send)
            except HTTPException as refusal:
                await JSONResponse({"error": refusal.detail}, refusal.status_code)(scope, receive, send)
            except Busy as busy:
                await JSONResponse({"error": str(busy)}, 503)(scope, receive, send)
            except ClientDisconnect:
                pass

    async def _answer(self, scope: Any, receive: Any, send: Any) -> None:
        """Have the app answer, a POST once all of it has arrived. HTTPException where the request is refused."""
        try:
            length = self._check(scope, Headers(scope=scope))
        except HTTPException:
            # A client that is still sending does not listen: its request is read to the end, but not kept.
            with anyio.move_on_after(SECONDS + MAX_BYTES / BYTES_A_SECOND):
                left = 5 * MAX_BYTES
                while left > 0 and (part := await receive()).get("more_body"):
                    left -= len(part["body"])
            raise
        if length is None:
            await self._pass_on(scope, receive, send)
            return
        room = self._photos if scope["path"].rstrip("/") in PHOTOS else self._others
        async with room.take(length):
            body = b""
            with anyio.move_on_after(SECONDS + length / BYTES_A_SECOND) as deadline:
                body = await Request(scope, receive).body()
            if deadline.cancelled_caught:
                raise HTTPException(408, "the photo took too long to arrive; send it again, or a smaller one.")
            if room is self._others and sum(map(body.count, (b"[", b"{", b","))) > MAX_JSON_VALUES:
                raise HTTPException(400, MALFORMED)
            events = [{"type": "http.request", "body": body}]
            del body  # so that it is freed once the app has taken it from `events`

            async def receive_next() -> Any:
                return events.pop() if events else await receive()

            await self._pass_on(scope, receive_next, send)

    async def _pass_on(self, scope: Any, receive: Any, send: Any) -> None:
        """Have the app answer. Gradio fails at what its page never sends: HTTPException then."""
        failed = False

        async def send_on(event: Any) -> None:
            nonlocal failed
            failed = failed or (event.get("status") == 500 and scope["path"].startswith("/gradio_api/"))
            if not failed:
                await send(event)

        try:
            await self.app(scope, receive, send_on)
        except Exception:
            if not failed:
                raise
        if failed:
            raise HTTPException(400, MALFORMED)

    def _check(self, scope: Any, headers: Headers) -> int | None:
        """Return the length of a POST's body, None for other methods. HTTPException for what the page never sends."""
        host, origin, path = headers.get("host", ""), headers.get("origin"), scope["path"]
        if not self._is_own(host):
            raise HTTPException(421, "the page has no such name; start draw_digit.py with --allow-host NAME for it.")
        from_elsewhere = scope["method"] not in ("GET", "HEAD") and headers.get("sec-fetch-site") == "cross-site"
        if from_elsewhere or (origin is not None and origin.lower().partition("://")[2] != host.lower()):
            raise HTTPException(403, "the request comes from a page of another site; only this page may send it.")
        if not self.needed.fullmatch(path) or ".." in path:
            raise HTTPException(
                404, "there is nothing here; the page is at /, its wall at /wall, and /predict takes photos."
            )
        if scope["method"] != "POST":
            return None
        length = headers.get("content-length", "")
        if not length.isdigit():
            raise HTTPException(411, "the request does not state its length; send Content-Length.")
        most = MAX_BYTES if path.rstrip("/") in PHOTOS else MAX_JSON_BYTES
        if int(length) > most:
            raise HTTPException(413, f"the photo has more than {most:,} bytes; shrink it first.")
        if path.startswith("/wall/") and int(length) > MAX_LABEL_BYTES:
            raise HTTPException(413, MALFORMED)
        return int(length)

    def _is_own(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname or ""
            return name in self.hosts or (self.any_address and bool(ip_address(name)))
        except ValueError:
            return False
