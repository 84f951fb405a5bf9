"""The rules of the architecture: no framework in digits/, never both in one file, and twins that stay twins."""

from __future__ import annotations

import ast
import json
import pkgutil
import re
import subprocess
import sys
import typing
from collections.abc import Iterator
from pathlib import Path

import pytest
from framework_process import PACKAGES, ROOT, environment

import digits
from digits.runs import STANDARD
from digits.training.recipe import RECIPES, Recipe

FRAMEWORK_OF = {
    **{package: framework for framework, packages in PACKAGES.items() for package in packages},
    **{f"mnist_{framework}": framework for framework in PACKAGES},
    **{f"models.{framework}": framework for framework in PACKAGES},
}
HIDDEN = {"__pycache__", "mnist_data", "outputs"}
FILES = [
    file
    for file in sorted(ROOT.rglob("*.py"))
    if not any(part in HIDDEN or part.startswith((".venv", ".git")) for part in file.relative_to(ROOT).parts)
]
PROBES = sorted(ROOT.glob("tests/probes/*.py"))
SLOW = ["sklearn", "matplotlib", "pandas", "seaborn", "requests", "mlxtend", "onnx", "onnxruntime", "scipy"]
CORE = ["digits.data.datasets", "digits.runs.run", "digits.training.recipe", "digits.training.saving"]


def name_of(file: Path) -> str:
    return file.relative_to(ROOT).as_posix()


def parse(path: str) -> ast.Module:
    return ast.parse((ROOT / path).read_text(encoding="utf-8"))


def imported(tree: ast.AST) -> Iterator[str]:
    """Yield what the code imports, wherever in it: 'torch', 'torch.nn', 'models.pytorch.networks'."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            function = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if function in ("import_module", "__import__"):
                yield str(node.args[0].value)


def frameworks(code: str) -> set[str]:
    names = {name for full in imported(ast.parse(code)) for name in (full, ".".join(full.split(".")[:2]))}
    return {FRAMEWORK_OF[name] for name in {*names, *(name.split(".")[0] for name in names)} if name in FRAMEWORK_OF}


def test_the_scan_sees_imports_of_every_kind() -> None:
    for code in (
        "import torch",
        "import torch.nn.functional as F",
        "from torchvision import datasets",
        "def f():\n    if True:\n        from torch.nn import Linear",
        "import importlib\nimportlib.import_module('torch')",
        "import mnist_pytorch",
        "from models import pytorch",
        "from models.pytorch.networks import cnn",
    ):
        assert frameworks(code) == {"pytorch"}, code
    assert frameworks("import keras, torch") == {"pytorch", "tensorflow"}
    assert frameworks("import torchlight\nfrom . import torch\nname = 'torch'") == set()
    assert {"mnist_pytorch.py", "digits/runs/run.py", "tests/test_architecture.py"} <= {name_of(file) for file in FILES}


@pytest.mark.parametrize("file", FILES, ids=name_of)
def test_frameworks_stay_where_they_belong(file: Path) -> None:
    found = frameworks(file.read_text(encoding="utf-8"))
    if file.is_relative_to(ROOT / "digits"):
        assert found == set()
    assert len(found) < 2 or file in PROBES


@pytest.mark.parametrize("probe", PROBES, ids=name_of)
def test_a_probe_answers_each_question_with_one_framework(probe: Path) -> None:
    for node in parse(name_of(probe)).body:
        assert len(frameworks(ast.unparse(node))) < 2


def test_tests_import_no_framework_into_pytest() -> None:
    for file in ROOT.glob("tests/**/*.py"):
        top_level = [node for node in ast.parse(file.read_text(encoding="utf-8")).body if not hasattr(node, "body")]
        assert frameworks("\n".join(map(ast.unparse, top_level))) == set(), file.name


def test_tests_name_no_folder_outside_the_project() -> None:
    outside = re.compile(r"ROOT\.parent\b|parents\[[2-9]|(\.parent){3}|shared\W+datasets")
    for guilty in ("ROOT" + ".parent / 'data'", "parents" + "[2]", 3 * ".parent", "'shared' / 'data" + "sets'"):
        assert outside.search(guilty)
    for file in ROOT.glob("tests/**/*.py"):
        found = outside.search(file.read_text(encoding="utf-8"))
        assert not found, f"{file.name}: {found}; real datasets are in the folder that MNIST_MIRROR names, if any"


def modules_after(code: str) -> set[str]:
    """Return the top-level packages that are imported in a fresh process after this code."""
    probe = f"{code}\nimport json, sys\nprint(json.dumps(sorted({{name.split('.')[0] for name in sys.modules}})))"
    done = subprocess.run([sys.executable, "-c", probe], env=environment(), capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout))


@pytest.mark.slow
def test_digits_works_where_no_framework_is_installed() -> None:
    names = [module.name for module in pkgutil.walk_packages(digits.__path__, "digits.")]
    assert set(CORE) < set(names)
    blocked = [package for packages in PACKAGES.values() for package in packages]
    found = modules_after(f"from framework_process import block\nblock({blocked})\nimport {', '.join(names)}")
    assert found.isdisjoint(blocked)


@pytest.mark.parametrize("module", CORE)
def test_light_modules_bring_nothing_heavy(module: str) -> None:
    found = modules_after(f"import {module}")
    assert "digits" in found
    assert found.isdisjoint(SLOW)


# --- twins ---


def interface(path: str) -> dict[str, list[str]]:
    """Return a file's public functions, classes and their public methods in order, with their parameters."""
    found: dict[str, list[str]] = {}
    for node in parse(path).body:
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            found[node.name] = parameters(node)
        elif isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            found[node.name] = []
            methods = (method for method in node.body if isinstance(method, ast.FunctionDef))
            found |= {f"{node.name}.{method.name}": parameters(method) for method in methods if method.name[0] != "_"}
    return found


def parameters(function: ast.FunctionDef) -> list[str]:
    arguments = function.args
    positional = [*arguments.posonlyargs, *arguments.args]
    defaults = [None] * (len(positional) - len(arguments.defaults)) + arguments.defaults
    kinds = ["positional"] * len(arguments.posonlyargs) + ["any"] * len(arguments.args)
    found = list(zip(kinds, positional, defaults, strict=True))
    found += [("keyword", *pair) for pair in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)]
    found += [(kind, rest, None) for kind, rest in (("*", arguments.vararg), ("**", arguments.kwarg)) if rest]
    return [f"{kind} {argument.arg} = {default and ast.unparse(default)}" for kind, argument, default in found]


def test_signatures_are_told_apart() -> None:
    signatures = ["a", "b", "a=1", "a=2", "a, /", "*, a", "*, a=1", "*a", "**a", "a, b", "b, a"]
    found = [str(parameters(ast.parse(f"def f({signature}): pass").body[0])) for signature in signatures]  # type: ignore[arg-type]
    assert len(set(found)) == len(signatures)


def test_the_twin_scripts_have_the_same_functions_and_classes() -> None:
    pytorch, tensorflow = (interface(f"mnist_{framework}.py") for framework in PACKAGES)
    assert list(pytorch.items()) == list(tensorflow.items())
    assert list(pytorch) == ["set_up", "train", "predict", "main"]


@pytest.mark.parametrize("framework", PACKAGES)
def test_the_scripts_can_be_read_aloud(framework: str) -> None:
    """At most 192 lines, and what every tutorial of the framework shows stands in `train` itself."""
    text = (ROOT / f"mnist_{framework}.py").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 192
    train = next(node for node in ast.parse(text).body if isinstance(node, ast.FunctionDef) and node.name == "train")
    calls = [ast.unparse(node.func) for node in ast.walk(train) if isinstance(node, ast.Call)]
    steps = {
        "pytorch": ["optimizer.zero_grad", "model", "F.cross_entropy", "loss.backward", "optimizer.step"],
        "tensorflow": ["index_batches", "trainer.compile", "trainer.fit", "LearningRates", "EpochTable", "StopEarly"],
    }
    assert set(steps[framework]) <= set(calls)


OWN = {name.replace("-", "_") for name in RECIPES if name not in STANDARD}


def test_the_twin_folders_have_the_same_networks_and_functions() -> None:
    found: set[str] = set()
    for module in ("networks", "deep", "files"):
        # A network of one's own may be in one framework alone.
        pytorch, tensorflow = (
            {name: what for name, what in interface(f"models/{framework}/{module}.py").items() if name not in OWN}
            for framework in PACKAGES
        )
        assert list(pytorch.items()) == list(tensorflow.items())
        found |= pytorch.keys()
    assert found >= {*(name.replace("-", "_") for name in STANDARD), "build_model", "config_of", "save_checkpoint"}
    literal = typing.get_type_hints(Recipe)["model"]
    assert list(typing.get_args(literal)) == list(RECIPES)
    for name, recipe in RECIPES.items():
        assert recipe.model == name


ONLY_IN = {
    "pytorch": {"TrainingState.evaluated", "Scores", "Scores.add", "Scores.of_epoch", "Scores.mean"},
    "tensorflow": {"TrainingState.swap_average"},
}
"""PyTorch keeps the average of the weights in a network of its own and has no metrics; Keras has both in `fit`."""


def test_the_twin_trainings_have_the_same_names() -> None:
    names = {framework: list(interface(f"models/{framework}/training.py")) for framework in PACKAGES}
    assert all(ONLY_IN[framework] < set(found) for framework, found in names.items())
    pytorch, tensorflow = ([name for name in found if name not in ONLY_IN[key]] for key, found in names.items())
    assert pytorch == tensorflow
    assert "TrainingState.load" in pytorch


def test_the_twin_parallel_parts_have_the_same_names() -> None:
    pytorch, tensorflow = (list(interface(f"models/{framework}/parallel.py")) for framework in PACKAGES)
    common = [name for name in pytorch if name in tensorflow]
    assert common == [name for name in tensorflow if name in pytorch]
    assert {"join_workers", *(f"ParallelWorkers.{name}" for name in ("parallel", "part", "normalise"))} < set(common)


# --- every file ---


# The walkthrough is a notebook, whose first cell says it.
@pytest.mark.parametrize("file", [file for file in FILES if file.name != "walkthrough.py"], ids=name_of)
def test_module_says_what_it_is_for(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    docstring = ast.get_docstring(ast.parse(text))
    assert docstring
    assert re.match(r"\S.*[.!?:]$", docstring.splitlines()[0]) or "\n\n" not in docstring
    if not file.is_relative_to(ROOT / "tests"):
        assert len(text.splitlines()) <= 300
