"""Pages in HTML that hold everything they show, and request nothing from anywhere."""

import os
import re
from functools import partial
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from digits.figures.vector import COLOUR, dark_colour
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
    styles: dict[str, str] = {}
    functions = {"fragment": partial(_fragment, styles), "figure_rules": partial(_figure_rules, styles)}
    write_whole(path, environment.get_template(template).render(where=where, **functions, **values))


def _fragment(styles: dict[str, str], path: Path) -> Markup:
    """Return the figure's <svg> element with classes in place of its styles, which are added to `styles` with names."""

    def named(style: re.Match[str]) -> str:
        return f'class="{styles.setdefault(style[1], f"s{len(styles)}")}"'

    text = path.read_text(encoding="utf-8")
    return Markup(re.sub("<[^>]*>", lambda tag: re.sub('style="([^"]*)"', named, tag[0]), text))


def _figure_rules(styles: dict[str, str]) -> Markup:
    """Return the figures' styles in CSS, and the values of their colours: on light pages and paper, on dark pages."""
    rules = "".join(f".{name}{{{style}}}\n" for style, name in styles.items())
    used = sorted({"000000", *COLOUR.findall(rules)})
    light = "".join(f"--c{colour}:#{colour};" for colour in used)
    dark = "".join(f"--c{colour}:#{dark_colour(colour)};" for colour in used)
    return Markup(f"{rules}:root{{{light}}}\n@media screen and (prefers-color-scheme: dark){{:root{{{dark}}}}}")


def _thousands(number: float | None, digits: int = 0) -> str:
    return "not recorded" if number is None else f"{number:,.{digits}f}"
