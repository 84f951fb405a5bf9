"""Bound what all requests together take of something, memory above all: who finds no room waits, or is told so."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio

from digits.errors import UserError

WAITING_SECONDS = 20.0
"""After so long a wait a sentence is the better answer."""


class Busy(UserError):
    """There was no room for too long."""


class Room:
    """Room for `total` of something, in one event loop."""

    def __init__(self, total: int) -> None:
        self._free = total
        self._changed = anyio.Event()

    @asynccontextmanager
    async def take(self, amount: int) -> AsyncIterator[None]:
        """Hold so much of the room; waiting for it costs no thread. Busy where it does not come free in time."""
        try:
            with anyio.fail_after(WAITING_SECONDS):
                while amount > self._free:
                    await self._changed.wait()
        except TimeoutError:
            raise Busy("too many pictures are being read just now; try again in a moment.") from None
        self._free -= amount
        try:
            yield
        finally:
            self._free += amount
            self._changed.set()
            self._changed = anyio.Event()
