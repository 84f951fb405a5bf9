"""The rules of the architecture: digits/ works without a framework, and twins stay twins."""

from __future__ import annotations

import ast
import json
import os
import pkgutil
import subprocess
import sys

import pytest
from paths import ROOT

import digits

SLOW = ["sklearn", "matplotlib", "pandas", "seaborn", "requests", "mlxtend", "onnx", "onnxruntime", "scipy"]
FRAMEWORKS = ("pytorch", "tensorflow")
CORE = ["digits.data.datasets", "digits.runs.run", "digits.recipes.recipe", "digits.training.saving"]


def parse(path: str) -> ast.Module:
    return ast.parse((ROOT / path).read_text(encoding="utf-8"))


def modules_after(code: str) -> set[str]:
    """Return the top-level packages that are imported in a fresh process after this code."""
    probe = f"{code}\nimport json, sys\nprint(json.dumps(sorted({{name.split('.')[0] for name in sys.modules}})))"
    done = subprocess.run(
        [sys.executable, "-c", probe],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout))


@pytest.mark.slow
def test_digits_works_where_no_framework_is_installed() -> None:
    names = [module.name for module in pkgutil.walk_packages(digits.__path__, "digits.")]
    assert set(CORE) < set(names)
    blocked = ["torch", "torchvision", "tensorflow", "keras"]
    modules_after(f"import sys\nsys.modules |= dict.fromkeys({blocked})\nimport {', '.join(names)}")


@pytest.mark.slow
def test_light_modules_bring_nothing_heavy() -> None:
    found = modules_after(f"import {', '.join(CORE)}")
    assert "digits" in found
    assert found.isdisjoint(SLOW)
