"""What is installed: pyproject.toml names it, constraints.txt locks it, and the code imports nothing else."""

from __future__ import annotations

import ast
import itertools
import json
import os
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from paths import ROOT

PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PARTS = {"base": PYPROJECT["project"]["dependencies"], **PYPROJECT["project"]["optional-dependencies"]}
SCRIPTS = {path.stem for path in ROOT.glob("*.py")}
FILES = [
    *ROOT.glob("*.py"),
    *(file for top in ("mnist_twice", "benchmarks") for file in ROOT.glob(f"{top}/**/*.py")),
]
OURS = {*sys.stdlib_module_names, "mnist_twice", "benchmarks", *SCRIPTS}
DISTRIBUTIONS = packages_distributions()
SLOW = {"sklearn", "matplotlib", "pandas", "seaborn", "requests", "mlxtend", "onnx", "onnxruntime", "scipy"}
LIGHT = "mnist_twice.data.datasets, mnist_twice.runs, mnist_twice.recipes, mnist_twice.training.saving"


def allowed(file: str) -> set[str]:
    """Return what the parts of pyproject.toml that a file's imports may come from install: their packages, and what
    each of these needs itself."""
    parts = ["base", *(framework for framework in ("pytorch", "tensorflow") if framework in file)]
    parts += ["page"] * file.startswith(("mnist_twice/web/", "draw_digit"))
    parts += ["experiments"] * file.startswith(("mnist_twice/experiments/", "benchmarks/"))
    parts += ["tensorboard"] * (file == "mnist_twice/training/progress.py")
    named = {Requirement(line).name for part in parts for line in PARTS[part]}
    needed = [need for name in named for need in map(Requirement, requires(name) or [])]
    return {canonicalize_name(name) for name in named | {one.name for one in needed if "extra" not in str(one.marker)}}


def distributions(file: Path) -> set[str]:
    """Return the packages, as pip calls them, of all that a file imports, wherever in it."""
    nodes = list(ast.walk(ast.parse(file.read_text(encoding="utf-8"))))
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module}
    return {
        canonicalize_name(DISTRIBUTIONS.get(top, [top])[0]) for top in {name.split(".")[0] for name in names} - OURS
    }


@pytest.mark.slow
def test_what_a_file_imports_is_installed_with_its_part() -> None:
    names = {file.relative_to(ROOT).as_posix(): file for file in FILES}
    missing = {name: distributions(file) - allowed(name) for name, file in names.items()}
    assert missing.pop("mnist_twice/photos/read.py") == {"pillow-heif"}  # imported only where it is installed
    assert {name: packages for name, packages in missing.items() if packages} == {}
    assert "torch" in distributions(ROOT / "mnist_pytorch.py")


def test_the_lock_has_exact_versions_within_the_ranges() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [line.split(" ;")[0] for line in lines if not line.startswith("#")]
    assert [pin for pin in pins if not re.fullmatch(r"[a-z0-9-]+==[\w.]+", pin)] == []
    for requirement in map(Requirement, itertools.chain(*PARTS.values())):
        locked = {pin.split("==")[1] for pin in pins if pin.split("==")[0] == canonicalize_name(requirement.name)}
        assert list(requirement.specifier.filter(locked)), f"{requirement}: run 'make lock'"


@pytest.mark.slow
def test_what_the_training_scripts_import_brings_nothing_heavy() -> None:
    """They answer --help in the time that NumPy and pydantic take."""
    probe = f"import {LIGHT}, json, sys\nprint(json.dumps([name.partition('.')[0] for name in sys.modules]))"
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", probe], env=environment, capture_output=True, text=True, check=True)
    assert SLOW.isdisjoint(json.loads(done.stdout))
