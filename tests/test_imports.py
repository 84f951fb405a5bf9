"""Which package may import which: every import in the project against one table."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from paths import ROOT

SHARED = {"command_line", "errors", "machine", "metrics", "names", "processes"}
"""Modules directly in digits/, which every package may use."""
ALLOWED = {
    "files": set(),
    "photos": set(),
    "data": {"files", "photos"},
    "runs": {"files"},
    "recipes": {"files", "data", "runs"},
    "training": {"files", "data", "runs", "recipes"},
    "evaluation": {"files", "data", "recipes", "training", "runs", "prediction"},
    "figures": {"files", "data", "recipes", "training", "runs", "evaluation"},
    "prediction": {"files", "runs", "photos"},
    "web": {"files", "data", "photos", "prediction"},
    "experiments": {"files", "data", "recipes", "training", "runs", "evaluation", "figures"},
    "models": {"files", "data", "recipes", "training", "runs"},
}
"""For each package of digits/, and for models/, the packages of digits/ that it may import."""
SCRIPTS = {path.stem for path in ROOT.glob("*.py")}


def package_of(file: Path) -> str:
    """Return 'data' for digits/data/idx.py, 'models' for models/pytorch/deep.py, 'errors' for digits/errors.py."""
    top, *rest = file.relative_to(ROOT).with_suffix("").parts
    return rest[0] if top == "digits" else top


def imports(code: str) -> Iterator[str]:
    """Yield the dotted name of each module, or name in a module, that the code imports anywhere in it."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are written from the project's root"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def arrows(code: str) -> set[str]:
    """Return the packages of digits/ (or 'models', or a script's name) that the code imports."""
    found = set()
    for name in imports(code):
        top, *rest = name.split(".")
        if top == "digits":
            found.add(rest[0])
        elif top == "models" or top in SCRIPTS:
            found.add(top)
    return found


FILES = [*sorted(ROOT.glob("digits/**/*.py")), *sorted(ROOT.glob("models/**/*.py"))]


def test_imports_follow_the_table() -> None:
    for file in FILES:
        package = package_of(file)
        allowed = SHARED | {package} | (set() if package in SHARED else ALLOWED.get(package, set()))
        assert arrows(file.read_text(encoding="utf-8")) <= allowed, file


def test_the_table_lists_every_package_and_has_no_cycle() -> None:
    packages = {file.parent.name for file in ROOT.glob("digits/*/__init__.py")}
    assert packages == ALLOWED.keys() - {"models"}
    assert {path.stem for path in ROOT.glob("digits/*.py")} - {"__init__"} <= SHARED
    reached: set[str] = set()
    while ready := {package for package, uses in ALLOWED.items() if package not in reached and uses <= reached}:
        reached |= ready
    assert reached == ALLOWED.keys()
