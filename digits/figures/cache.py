"""Which figures need no rendering: those made from the same inputs by the same code, and untouched since."""

import hashlib
import json
import os
from collections.abc import Iterable
from dataclasses import asdict
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from digits.figures.page import Words
from digits.files import read_bytes, write_whole

CACHE_FILE = ".figures.json"
"""The file in the outputs folder that records what each figure was made from. Without it, all are rendered again."""
FRAGMENTS = ".figures"
"""The folder beside it with the figures as parts of a page (see vector.py), by their keys."""
LARGEST = 16 << 20  # bytes; it takes some 500 a figure
SOURCE = Path(__file__).parents[1]


class FigureCache:
    """What was rendered before, by each figure's path."""

    def __init__(self, outputs: Path) -> None:
        """Read the record in `outputs`; it is empty where there is no such file, or a damaged one."""
        self.outputs = outputs
        self.entries: dict[str, dict[str, Any]] = {}
        self._used: set[Path] = set()  # parts of pages that this process has asked for
        try:
            entries = json.loads(read_bytes(outputs / CACHE_FILE, LARGEST).decode())
        except Exception:  # whatever is wrong with it: then all is rendered again, which is never wrong
            return
        if isinstance(entries, dict):
            self.entries = {path: entry for path, entry in entries.items() if isinstance(entry, dict)}

    def words(self, path: Path, key: str) -> Words | None:
        """Return the words of the figure at `path` where it is what this key would give, else None."""
        entry = self.entries.get(self._name(path), {})
        fresh = entry.get("key") == key and entry.get("state") == _state(path)
        if not fresh or (path.suffix == ".png" and not self.fragment(key).is_file()):
            return None
        try:
            return Words(**entry["words"])
        except (KeyError, TypeError):  # of an earlier version
            return None

    def fragment(self, key: str) -> Path:
        """Return the file of the figure as part of a page."""
        path = self.outputs / FRAGMENTS / f"{key[:32]}.svg"
        self._used.add(path)
        return path

    def remember(self, path: Path, key: str, words: Words, fragment: str | None = None) -> None:
        """Record that the figure at `path` was just rendered, and keep it as part of a page. Raises OSError."""
        if fragment is not None:
            self.fragment(key).parent.mkdir(exist_ok=True)
            write_whole(self.fragment(key), fragment)
        self.entries[self._name(path)] = {"key": key, "state": _state(path), "words": asdict(words)}

    def save(self) -> None:
        """Write the file, without the figures that are gone, and delete their parts of pages. Raises OSError.

        What was rendered in this call is kept for the page in any case: a training may just have replaced its run.
        """
        kept = {name: entry for name, entry in self.entries.items() if (self.outputs / name).is_file()}
        write_whole(self.outputs / CACHE_FILE, json.dumps(kept, indent=0))
        used = self._used | {self.fragment(str(entry.get("key"))) for entry in kept.values()}
        for file in (self.outputs / FRAGMENTS).glob("*.svg"):
            if file not in used:
                file.unlink(missing_ok=True)

    def _name(self, path: Path) -> str:
        return os.path.relpath(path, self.outputs)


def figure_key(name: str, inputs: Iterable[object]) -> str:
    """Return the SHA-256 of a figure's name, of what it is made from (texts), and of the code that renders it."""
    return hashlib.sha256(json.dumps([name, *map(str, inputs), hash_code(SOURCE)]).encode()).hexdigest()


@cache
def hash_code(folder: Path) -> str:
    """Return a hash of all modules in the folder and below, and of the libraries that make pixels of figures.

    Of all of digits/, not only of the modules that plot: a list of these would one day miss one.
    """
    digest = hashlib.sha256(" ".join(version(name) for name in ("matplotlib", "numpy", "seaborn")).encode())
    for file in sorted(folder.rglob("*.py")):
        digest.update(file.read_bytes())
    return digest.hexdigest()


def _state(path: Path) -> list[int] | None:
    """Return size and time of the file, which change when anybody else writes it; None where there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return [status.st_size, status.st_mtime_ns]
