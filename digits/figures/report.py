"""report.html: one page that holds everything, images too, and asks for nothing from anywhere."""

from __future__ import annotations

import base64
import os
import secrets
import struct
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from digits.evaluation import PairComparison, why_not_compared
from digits.evaluation.tables import plain
from digits.figures.render import Rendering
from digits.figures.style import DOTS_PER_INCH, SPELLING, run_title
from digits.runs import ENSEMBLE, Run

TEMPLATES = Path(__file__).parent / "templates"


def write_report(drawing: Rendering, path: Path, left_out: Sequence[str]) -> None:
    """Write the page on all that was drawn; left_out: a sentence on each run that could not be read.

    Whatever is printed is escaped, and characters that show nothing or command a terminal become '?'. Raises OSError.
    """
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: plain(value) if type(value) is str else value,
    )
    environment.filters |= {"percent": _percent, "thousands": _thousands, "spelled": _spelled}
    page = environment.get_template("report.html").stream(
        groups=drawing.groups,
        overview=drawing.overview,
        not_compared=why_not_compared([group.comparison for group in drawing.groups]),
        left_out=left_out,
        notes=drawing.notes,
        number_of_runs=sum(len(group.evaluations) for group in drawing.groups),
        image=_image,
        title=run_title,
        facts=_facts,
        pair_name=_pair_name,
        where=partial(os.path.relpath, start=path.parent),
        anchor=_anchors(drawing),
    )
    unfinished = path.with_name(f".{path.name}-{secrets.token_hex(4)}")
    try:
        # Piece by piece: the images of many runs are never in memory all at once.
        with unfinished.open("w", encoding="utf-8") as file:
            file.writelines(page)
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)


def _image(path: Path) -> dict[str, Any]:
    """Return a PNG file's data URI, and its width and height in CSS pixels when text in it is as large as drawn."""
    data = path.read_bytes()
    width, height = struct.unpack(">II", data[16:24])  # where every PNG has them
    return {
        # Markup, so that megabytes of letters and digits are not looked through for what to escape.
        "uri": Markup(f"data:image/png;base64,{base64.b64encode(data).decode()}"),
        "width": round(width * 96 / DOTS_PER_INCH),
        "height": round(height * 96 / DOTS_PER_INCH),
    }


def _anchors(drawing: Rendering) -> Any:
    """Return the function from a evaluation to the id of its section: a number, since a name may hold anything."""
    runs = [evaluation.run for group in drawing.groups for evaluation in group.evaluations]
    numbers = {id(run): number for number, run in enumerate(runs, 1)}
    return lambda evaluation: f"run-{numbers[id(evaluation.run)]}"


def _pair_name(pair: PairComparison) -> str:
    """Return what both runs of a pair have in common: 'CNN, seed 3, parity'."""
    parts = [_spelled(pair.a.model)]
    if pair.a.seed:
        parts.append(f"seed {pair.a.seed}")
    if pair.a.parity and pair.b.parity:
        parts.append("parity")
    return ", ".join(parts)


def _facts(run: Run) -> list[tuple[str, str]]:
    """Return what one must know to repeat the run: words and what they stand for, only what run.json records."""
    info = run.info
    members = info.get("members")
    facts = [
        ("Recipe", _pairs(_recipe(run))),
        ("Weights", _weights(run)),
        ("Versions", _pairs(info.get("versions"))),
        ("Hardware", _pairs(info.get("hardware"))),
        ("Members", ", ".join(_member(one) for one in members) if isinstance(members, list) else ""),
        ("Dataset", f"{run.dataset}, fingerprint {run.fingerprint or 'not recorded'}"),
        ("Seconds", _pairs(info.get("seconds"))),
        ("Finished", str(info.get("created", ""))),
    ]
    return [(word, text) for word, text in facts if text]


def _recipe(run: Run) -> dict[str, Any]:
    """Return the recipe without what it does not use: how much to augment where it does not augment."""
    return {key: value for key, value in run.recipe.items() if key != "augmentation" or run.recipe.get("augment")}


def _weights(run: Run) -> str:
    """Return where the weights came from, unless they were drawn by lot and then trained."""
    start = run.info.get("init_from")
    source = f"those of '{start}'" if start else "drawn by lot"
    if not run.history and run.framework != ENSEMBLE:
        return f"{source}, not trained (0 epochs)"
    words = [f"{source} at the start"] if start else []
    words += ["the last layer fresh"] if run.info.get("new_head") else []
    words += ["the last layer alone trained"] if run.info.get("freeze_features") else []
    return ", ".join(words)


def _member(one: object) -> str:
    return str(one.get("name", one)) if isinstance(one, Mapping) else str(one)


def _pairs(values: object) -> str:
    if not isinstance(values, Mapping):
        return ""
    return ", ".join(f"{str(key).replace('_', ' ')} {_value(value)}" for key, value in values.items())


def _value(value: object) -> str:
    """Return a value of run.json as text: 'yes', '16 32' as on the command line, '(rotation 10.0, shift 2.0)'."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return " ".join(map(str, value)) or "none"
    if isinstance(value, Mapping):
        return f"({', '.join(f'{key} {part}' for key, part in value.items())})"
    return str(value)


def _percent(share: float, digits: int = 2) -> str:
    return f"{100 * share:.{digits}f} %"


def _thousands(number: float | None, digits: int = 0) -> str:
    return "not recorded" if number is None else f"{number:,.{digits}f}"


def _spelled(name: str) -> str:
    return SPELLING.get(name, name)
