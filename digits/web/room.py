"""Bound what all requests together take of something, memory above all: further requests wait, or are refused."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio

from digits.errors import UserError

WAITING_SECONDS = 20.0  # after so long a wait a sentence is the better answer


class Busy(UserError):
    """The request can be answered later, but not now."""


class Room:
    """Room for `total` of something, in one event loop."""

    def __init__(self, total: int) -> None:
        self._free = total
        self._changed = anyio.Event()

    @asynccontextmanager
    async def take(self, amount: int) -> AsyncIterator[None]:
        """Hold so much of the room; waiting for it costs no thread. Busy where it does not become free in time."""
        with anyio.move_on_after(WAITING_SECONDS):
            while amount > self._free:
                await self._changed.wait()
        if amount > self._free:
            raise Busy("too many photos are being read just now; try again in a moment.")
        self._free -= amount
        try:
            yield
        finally:
            self._free += amount
            self._changed.set()
            self._changed = anyio.Event()
