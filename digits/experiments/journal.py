"""The journal: a study in one file, to which every process that works on it appends lines.

Optuna's file, with two differences. The lock is the operating system's, so that it ends with its process: Optuna's own
stays for 30 seconds after a kill. And a line that a killed process or a full disk left unfinished is cut off before
the next one is written, where it would make the file unreadable.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

from digits.files import naming

try:
    import fcntl

    HAS_LOCKS = True
except ImportError:  # Windows
    HAS_LOCKS = False


class Journal(JournalFileBackend):
    """The file at `path`, made where it is missing; its folder must be there."""

    def __init__(self, path: Path) -> None:
        # The lock is used where the system's is missing; not every Windows user may make Optuna's symbolic link.
        super().__init__(str(path), JournalFileOpenLock(str(path)))
        self.path = path

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Append the lines and put them on the disk, all of them or none. OSError where that fails."""
        if not HAS_LOCKS:
            super().append_logs(logs)
            return
        lines = "".join(json.dumps(log, separators=(",", ":")) + "\n" for log in logs).encode()
        with naming(self.path), _locked(self.path.with_suffix(".lock")), self.path.open("r+b", buffering=0) as file:
            end = _end_of_last_line(file.fileno())
            file.truncate(end)
            file.seek(end)
            try:
                if file.write(lines) < len(lines):  # the disk is full, which the second attempt reports
                    file.seek(end)
                    file.write(lines)
                os.fsync(file.fileno())
            except BaseException:
                file.truncate(end)
                raise


def _end_of_last_line(descriptor: int) -> int:
    """Return the size of the file without a last line that has no end."""
    size = os.fstat(descriptor).st_size
    end, step = size, 1 << 16
    while end > 0:
        start = max(end - step, 0)
        found = os.pread(descriptor, end - start, start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        end = start
    return 0


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the lock file's lock, which the system releases when this process ends, however it does."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
