"""What protects the page from strangers: who may ask, and bounds on bytes, time, and how many are answered at once."""

import socket
from collections.abc import Callable, Collection, Iterable
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

import anyio
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse
from uvicorn.protocols.http.h11_impl import H11Protocol

SECONDS, BYTES_A_SECOND = 5.0, 400_000  # a request may take so many seconds to arrive, and longer the larger it is
WAITING_SECONDS = 20.0  # for a place; after so long a wait a sentence is the better answer
HEADER_SECONDS, ANSWER_SECONDS = 10.0, 120.0  # until a connection is closed that sends or takes nothing


def own_hosts(host: str, address: str, allowed: Iterable[str]) -> set[str]:
    """Return the names that the page answers to: where it listens, this machine's own names, and what is allowed."""
    return {name.lower() for name in (host, address, "localhost", "127.0.0.1", "::1", socket.gethostname(), *allowed)}


class Guard:
    """ASGI middleware that refuses the requests of other sites' pages, and those by names that are not in `hosts`.

    Where the page listens at all addresses, any IP address is a name of its own; no other name is, against DNS
    rebinding, by which another site points a name of its own here and reads along.
    """

    def __init__(self, app: Any, hosts: Collection[str]) -> None:
        self._app, self._hosts = app, hosts

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        headers = Headers(scope=scope)
        host, origin = headers.get("host", ""), headers.get("origin")
        from_elsewhere = scope["method"] not in ("GET", "HEAD") and headers.get("sec-fetch-site") == "cross-site"
        app = self._app
        if not self._is_own(host):
            app = JSONResponse({"error": "the page is not known by this name; start it with --allow-host NAME."}, 421)
        elif from_elsewhere or (origin is not None and origin.lower().partition("://")[2] != host.lower()):
            app = JSONResponse(
                {"error": "the request is from a page of another site; only this page may send it."}, 403
            )
        await app(scope, receive, send)

    def _is_own(self, host: str) -> bool:
        any_address = not {"0.0.0.0", "::"}.isdisjoint(self._hosts)
        try:
            name = urlsplit(f"//{host}").hostname or "?"
            return name in self._hosts or (any_address and bool(ip_address(name)))
        except ValueError:
            return False


class Lane:
    """Requests of one kind: how many bytes each may have, how many may arrive at once, and how many are computed."""

    def __init__(self, most_bytes: int, arriving: int, computing: int) -> None:
        self._most_bytes = most_bytes
        self._places, self._threads = anyio.Semaphore(arriving), anyio.CapacityLimiter(computing)

    async def answer(self, request: Request, compute: Callable[[bytes], dict[str, Any]]) -> dict[str, Any]:
        """Return what `compute` makes of the request's body, in a thread; raises HTTPException if there is none."""
        length = request.headers.get("content-length", "")
        if not length.isdecimal():
            raise HTTPException(411, "the request does not state its length; send Content-Length.")
        if int(length) > self._most_bytes:
            raise HTTPException(413, f"it has more than {self._most_bytes:,} bytes; shrink it first.")
        try:
            with anyio.fail_after(WAITING_SECONDS):
                await self._places.acquire()
        except TimeoutError:
            raise HTTPException(503, "too many photos are being read just now; try again in a moment.") from None
        try:
            with anyio.move_on_after(SECONDS + int(length) / BYTES_A_SECOND) as arrival:
                body = await request.body()
            if arrival.cancelled_caught:
                raise HTTPException(408, "it took too long to arrive; send it again, or a smaller one.")
            return await anyio.to_thread.run_sync(compute, body, limiter=self._threads)
        finally:
            self._places.release()


class Protocol(H11Protocol):
    """uvicorn's, which closes connections that do not end their headers, or do not take their answer."""

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._end = self.loop.call_later(HEADER_SECONDS, transport.abort)

    def data_received(self, data: bytes) -> None:
        cycle = self.cycle
        super().data_received(data)
        if self.cycle is not cycle:  # the headers have ended
            self._end_after(ANSWER_SECONDS)

    def on_response_complete(self) -> None:
        still_sending = self.cycle.more_body
        super().on_response_complete()
        self._end_after(ANSWER_SECONDS if still_sending else HEADER_SECONDS)

    def connection_lost(self, exc: Exception | None) -> None:
        self._end.cancel()
        super().connection_lost(exc)

    def _end_after(self, seconds: float) -> None:
        self._end.cancel()
        self._end = self.loop.call_later(seconds, self.transport.abort)
