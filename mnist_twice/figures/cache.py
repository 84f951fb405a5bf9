"""Which figures need no rendering: those made from the same inputs by the same code, whose files are whole."""

import base64
import hashlib
import io
import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path

from mnist_twice.figures.page import DOTS_PER_INCH, Page, draw_pixels
from mnist_twice.files import write_whole

PARTS = ".page"
"""The folder beside the figures with each of them as part of a page: without its header, for screens and phones."""
PHONE_DOTS_PER_INCH = 180
ENDS = {".png": b"IEND\xaeB`\x82", ".svg": b"</svg>", ".pdf": b"%%EOF", ".json": b"}"}


@dataclass(frozen=True)
class RenderedFigure:
    """A figure in its file, and as part of a page."""

    path: Path  # of its PNG
    key: str
    title: str  # as Page.words
    explanation: str
    reading: str
    wide: str  # the PNG without its header, in Base64
    narrow: str  # the same for phones


def figure_key(name: str, inputs: Iterable[str]) -> str:
    """Return the SHA-256 of a figure's name, of what it is made from, and of the code that renders it."""
    return hashlib.sha256(json.dumps([name, *inputs, _hash_code()]).encode()).hexdigest()


def is_current(path: Path, key: str) -> bool:
    """Return whether there is a whole file in which the figure's key stands."""
    try:
        data = path.read_bytes()
    except OSError:
        return False
    return key.encode() in data and data.rstrip().endswith(ENDS[path.suffix])


def part_of(path: Path) -> Path:
    """Return where the figure of the PNG at `path` is kept as part of a page."""
    return path.parent / PARTS / f"{path.stem}.json"


def save_part(path: Path, key: str, wide: Page, narrow: Page) -> None:
    """Keep the figure of the PNG at `path` as part of a page. Raises OSError."""
    part_of(path).parent.mkdir(exist_ok=True)
    pictures = {"wide": _as_base64(wide, DOTS_PER_INCH), "narrow": _as_base64(narrow, PHONE_DOTS_PER_INCH)}
    write_whole(part_of(path), json.dumps({"key": key, **wide.words, **pictures}))


def read_part(path: Path) -> RenderedFigure:
    """Return the figure of the PNG at `path`, which was kept as part of a page."""
    return RenderedFigure(path, **json.loads(part_of(path).read_text()))


@cache
def _hash_code() -> str:
    """Return a hash of all modules of mnist_twice/ (a list of those that plot would one day miss one), and of the
    libraries that make pixels of figures."""
    digest = hashlib.sha256(" ".join(version(name) for name in ("matplotlib", "numpy", "seaborn")).encode())
    for file in sorted(Path(__file__).parents[1].rglob("*.py")):
        digest.update(file.read_bytes())
    return digest.hexdigest()


def _as_base64(figure: Page, dots_per_inch: float) -> str:
    buffer = io.BytesIO()
    draw_pixels(figure, dots_per_inch, without=figure.header - 0.08).save(buffer, format="png", optimize=True)
    return base64.b64encode(buffer.getvalue()).decode()
