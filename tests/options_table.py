"""The options of the scripts as Markdown tables, made from the scripts' own fields, as docs/options.md shows them.

python -m tests.options_table      # writes the tables of that page again
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic.fields import FieldInfo

from digits.command_line import flat_fields, option, shown
from digits.experiments.options import ConfirmOptions, GridOptions, SearchOptions, ShowOptions
from digits.recipes import RECIPES, Options
from digits.recipes.options import GROUPS

PAGE = Path(__file__).resolve().parents[1] / "docs" / "options.md"
POSITIONAL = {"download_mnist": "", "visualize_results": "runs", "predict_digit": "photos", "draw_digit": ""}
"""For each script but those that train, the field that takes the words before its options."""

EXPERIMENTS: dict[str, Any] = {
    "grid": GridOptions(),
    "search": SearchOptions(),
    "show": ShowOptions(),
    "confirm": ConfirmOptions(),
}
"""What the commands of run_experiment.py do without options."""


def options_table(default: Any, names: Sequence[str] = (), positional: str = "") -> str:
    """Return a row for each option (or each one named): its name, default and help text, below a heading."""
    fields = {name: (field, value) for name, field, value in flat_fields(default)}
    rows = []
    for name in names or fields:
        field, value = fields[name]
        several = " ..." if get_origin(field.annotation) is tuple else ""
        words = [
            f"`{field.title}{several}`" if name == positional else f"`{option(name)}`",
            f"`{shown(value)}`" if shown(value) else "",
            " ".join(str(field.description).split()) + _choices(field),
        ]
        rows.append(f"| {' | '.join(words)} |")
    return "\n".join(["| option | default | |", "|---|---|---|", *rows])


def default_options(script: str) -> Any:
    """Return what the script does without options and environment variables."""
    if script.startswith("mnist_"):
        return Options(RECIPES["cnn"])
    options = import_module(script).Options
    return options(mirror="") if script == "download_mnist" else options()


def with_tables(page: str) -> str:
    """Return docs/options.md with the first table below each heading as it has to be; ValueError if one lacks."""
    training = default_options("mnist_pytorch")
    tables = {title.capitalize(): options_table(training, names) for title, names in GROUPS.items()}
    grouped = {name for names in GROUPS.values() for name in names}
    others = [name for name, _, _ in flat_fields(training) if name not in grouped]
    tables["mnist_pytorch.py and mnist_tensorflow.py"] = options_table(training, others)
    for script, positional in POSITIONAL.items():
        tables[f"{script}.py"] = options_table(default_options(script), (), positional)
    for command, default in EXPERIMENTS.items():
        tables[f"run_experiment.py {command}"] = options_table(default, (), "experiment")
    for heading, table in tables.items():
        before, found, after = re.split(rf"(?<=\n)(#+ {re.escape(heading)}\n(?:[^|#\n].*\n|\n)*)", page, maxsplit=1)
        page = before + found + table + "\n" + re.sub(r"\A(\|.*\n)+", "", after)
    return page


def _choices(field: FieldInfo) -> str:
    """Return the option's choices in brackets; nothing where it has none, or where the help text names them all."""
    kind = field.annotation
    while get_origin(kind) not in (None, Literal):
        kind = get_args(kind)[0]
    choices = [] if field.title else get_args(kind)
    unnamed = [choice for choice in choices if not re.search(rf"\b{choice}\b", str(field.description))]
    return f" ({', '.join(f'`{choice}`' for choice in choices)})" if unnamed else ""


if __name__ == "__main__":
    PAGE.write_text(with_tables(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
