"""The rules of the architecture: digits/ works without a framework, and twins stay twins."""

from __future__ import annotations

import ast
import json
import os
import pkgutil
import subprocess
import sys
import typing

import pytest
from paths import ROOT

import digits
from digits.training.model_table import SOURCES
from digits.training.recipe import RECIPES, Recipe

SLOW = ["sklearn", "matplotlib", "pandas", "seaborn", "requests", "mlxtend", "onnx", "onnxruntime", "scipy"]
FRAMEWORKS = ("pytorch", "tensorflow")
CORE = ["digits.data.datasets", "digits.runs.run", "digits.training.recipe", "digits.training.saving"]


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
    pytorch, tensorflow = (interface(f"mnist_{framework}.py") for framework in FRAMEWORKS)
    assert list(pytorch.items()) == list(tensorflow.items())
    assert list(pytorch) == ["set_up", "train", "predict", "main"]


@pytest.mark.parametrize("framework", FRAMEWORKS)
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


OWN = {name.replace("-", "_") for name in RECIPES if name not in SOURCES}


def test_the_twin_folders_have_the_same_networks_and_functions() -> None:
    found: set[str] = set()
    for module in ("networks", "deep", "files"):
        # A network of one's own may be in one framework alone.
        pytorch, tensorflow = (
            {name: what for name, what in interface(f"models/{framework}/{module}.py").items() if name not in OWN}
            for framework in FRAMEWORKS
        )
        assert list(pytorch.items()) == list(tensorflow.items())
        found |= pytorch.keys()
    assert found >= {*(name.replace("-", "_") for name in SOURCES), "build_model", "config_of", "save_checkpoint"}
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
    names = {framework: list(interface(f"models/{framework}/training.py")) for framework in FRAMEWORKS}
    assert all(ONLY_IN[framework] < set(found) for framework, found in names.items())
    pytorch, tensorflow = ([name for name in found if name not in ONLY_IN[key]] for key, found in names.items())
    assert pytorch == tensorflow
    assert "TrainingState.load" in pytorch
