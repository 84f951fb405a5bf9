"""Pages in HTML that hold everything they show, and request nothing from anywhere."""

import os
from functools import partial
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from mnist_twice.files import write_whole
from mnist_twice.names import percent, percent_range, plain, spelled

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
    write_whole(path, environment.get_template(template).render(where=where, **values))


def _thousands(number: float | None, digits: int = 0) -> str:
    return "not recorded" if number is None else f"{number:,.{digits}f}"
