"""Pages in HTML that hold everything they show, and request nothing from anywhere."""

import base64
import os
import struct
from functools import partial
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from digits.figures.style import DOTS_PER_INCH
from digits.files import write_whole
from digits.names import percent, percent_range, plain, spelled

TEMPLATES = Path(__file__).parent / "templates"


def write_page(path: Path, template: str, *, templates: Path = TEMPLATES, **values: Any) -> None:
    """Write the page that a template gives with these values; `templates` is its folder, where it is none of ours.

    Whatever is printed is escaped, and characters that show nothing or command a terminal become '?'. Raises OSError.
    """
    environment = Environment(
        loader=FileSystemLoader([templates, TEMPLATES]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: plain(value) if type(value) is str else value,
    )
    environment.filters |= {"percent": percent, "range": percent_range, "thousands": _thousands, "spelled": spelled}
    where = partial(os.path.relpath, start=path.parent)
    page = environment.get_template(template).stream(image=_image, where=where, **values)
    write_whole(path, page)  # piece by piece: the images of many runs are never in memory all at once


def _image(path: Path) -> dict[str, Any]:
    """Return a PNG file's data URI, and its width and height in CSS pixels at which its text has its nominal size."""
    data = path.read_bytes()
    width, height = struct.unpack(">II", data[16:24])  # where every PNG has them
    return {
        # Markup, so that megabytes of letters and digits are not searched for what to escape.
        "uri": Markup(f"data:image/png;base64,{base64.b64encode(data).decode()}"),
        "width": round(width * 96 / DOTS_PER_INCH),
        "height": round(height * 96 / DOTS_PER_INCH),
    }


def _thousands(number: float | None, digits: int = 0) -> str:
    return "not recorded" if number is None else f"{number:,.{digits}f}"
