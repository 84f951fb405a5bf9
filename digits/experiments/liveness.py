"""Which running trials have lost their worker: by its process on this machine, by its heartbeat on another one.

A heartbeat is a number in the study that a worker raises every few seconds. Who watches it only asks whether it has
changed for a while by the watcher's own clock, so that the clocks of machines never matter.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from optuna.trial import FrozenTrial

WORKER, BEAT = "worker", "beat"
"""What a running trial holds: who works on it, and the heartbeat."""
INTERVAL = 10.0
"""Seconds between two beats."""
GRACE = 60.0
"""Seconds without a beat after which a worker counts as lost."""


@cache
def this_worker() -> dict[str, Any]:
    """Return what identifies this process, as JSON keeps it."""
    pid = os.getpid()
    return {"host": socket.gethostname(), "pid": pid, "machine": _machine(), "began": _start_of(pid)}


def is_dead(worker: Mapping[str, Any]) -> bool:
    """Return whether the worker was a process of this machine and has ended; of other machines nobody can tell."""
    if not worker.get("machine") or worker.get("machine") != _machine():
        return False
    return _start_of(int(worker["pid"])) != worker.get("began")


class Watch:
    """The heartbeats of running trials, as one observer has seen them."""

    def __init__(self, grace: float = GRACE) -> None:
        self.grace = grace
        self._beats: dict[int, object] = {}
        self._silent: dict[int, float] = {}  # seconds without a change
        self._looked = time.monotonic()

    def lost(self, running: Iterable[FrozenTrial]) -> list[FrozenTrial]:
        """Return those of the running trials, which are others', that nobody works on any more.

        Time in which the observer could not look, or did not, counts for a few seconds only: nobody else could have
        written then either.
        """
        now = time.monotonic()
        passed = min(now - self._looked, self.grace / 3)
        self._looked = now
        found = []
        for trial in running:
            number, beat = trial.number, trial.user_attrs.get(BEAT)
            changed = number not in self._beats or self._beats[number] != beat
            self._beats[number] = beat
            self._silent[number] = 0.0 if changed else self._silent[number] + passed
            if is_dead(trial.user_attrs.get(WORKER, {})) or self._silent[number] > self.grace:
                found.append(trial)
        return found


@cache
def _machine() -> str:
    """Return what only processes that see one another's numbers have in common; nothing where that is not known.

    Containers of one machine may share its name, and each numbers its processes from 1.
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{socket.gethostname()} {boot} {Path('/proc/self/ns/pid').stat().st_ino}"
    except OSError:
        return ""


def _start_of(pid: int) -> int | None:
    """Return when the process began, in the system's ticks, for numbers are used again; None where there is none."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    state, *numbers = text.rpartition(")")[2].split()  # the name before it may hold anything
    return None if state in "ZX" else int(numbers[18])
