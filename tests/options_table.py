"""The options of a script as a Markdown table: what the documentation has to hold, and what prints it.

PYTHONPATH=. python tests/options_table.py mnist_pytorch      # or another script
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any

from digits.command_line import flat_fields, option, shown
from digits.training import RECIPES, Options


def options_table(default: Any) -> str:
    """Return a row an option, with its name, its default and its help text, below a heading."""
    rows = [
        (f"`{option(name)}`", f"`{shown(value)}`" if shown(value) else "", " ".join(str(field.description).split()))
        for name, field, value in flat_fields(default)
    ]
    return "\n".join(["| option | default | |", "|---|---|---|", *(f"| {' | '.join(row)} |" for row in rows)])


def default_options(script: str) -> Any:
    """Return what the script does without options."""
    return Options(RECIPES["cnn"]) if script.startswith("mnist_") else import_module(script).Options()


if __name__ == "__main__":
    print(options_table(default_options(sys.argv[1])))
