"""Which figures need no drawing: those made from the same inputs by the same code, and untouched since."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from collections.abc import Iterable
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from digits.files.npy import read_bytes

DRAWN = ".drawn.json"
"""The file in the outputs folder that remembers what each figure was made from. Without it, all are drawn anew."""
LARGEST = 16 << 20  # bytes; it takes some 500 a figure


class FigureCache:
    """What was drawn before, by each figure's path."""

    def __init__(self, outputs: Path) -> None:
        """Read what is remembered in `outputs`; nothing where there is no such file, or a garbled one."""
        self.outputs = outputs
        self.entries: dict[str, dict[str, Any]] = {}
        try:
            entries = json.loads(read_bytes(outputs / DRAWN, LARGEST).decode())
        except Exception:  # whatever is wrong with it: then all is drawn anew, which is never wrong
            return
        if isinstance(entries, dict):
            self.entries = {path: entry for path, entry in entries.items() if isinstance(entry, dict)}

    def words(self, path: Path, key: str) -> str | None:
        """Return what the figure at `path` says in words where it is as this key would draw it, else None."""
        entry = self.entries.get(self._name(path), {})
        words = entry.get("words")
        fresh = entry.get("key") == key and entry.get("state") == _state(path)
        return words if fresh and isinstance(words, str) else None

    def remember(self, path: Path, key: str, words: str) -> None:
        """Note that the figure at `path` was just drawn."""
        self.entries[self._name(path)] = {"key": key, "state": _state(path), "words": words}

    def save(self) -> None:
        """Write the file, without the figures that are gone. Raises OSError."""
        kept = {name: entry for name, entry in self.entries.items() if (self.outputs / name).is_file()}
        unfinished = self.outputs / f"{DRAWN}-{secrets.token_hex(4)}"
        try:
            unfinished.write_text(json.dumps(kept, indent=0), encoding="utf-8")
            os.replace(unfinished, self.outputs / DRAWN)
        finally:
            unfinished.unlink(missing_ok=True)

    def _name(self, path: Path) -> str:
        return os.path.relpath(path, self.outputs)


def figure_key(name: str, inputs: Iterable[object]) -> str:
    """Return the SHA-256 over a figure's name, what it is made from (texts of it), and the code that draws it."""
    return hashlib.sha256(json.dumps([name, *map(str, inputs), _code()]).encode()).hexdigest()


@cache
def _code() -> str:
    """Return a hash of this package's source and of the libraries that make pixels of it.

    Of all modules, not only those that draw: a list of these would one day miss one.
    """
    digest = hashlib.sha256(" ".join(version(name) for name in ("matplotlib", "numpy", "seaborn")).encode())
    for file in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(file.read_bytes())
    return digest.hexdigest()


def _state(path: Path) -> list[int] | None:
    """Return size and time of the file, which change when anybody else writes it; None where there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return [status.st_size, status.st_mtime_ns]
