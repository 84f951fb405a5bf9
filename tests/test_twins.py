"""The PyTorch and the TensorFlow files are twins: equal functions, signatures and networks; scripts stay short."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest
from paths import ROOT

from mnist_twice.recipes.recipe import RECIPES

FRAMEWORKS = ("pytorch", "tensorflow")
ONLY_IN = {
    "pytorch": {"losses_and_accuracy", "TrainState.update_average", "TrainState.evaluated"},
    "tensorflow": {"TrainState.swap_average"},
}
"""In mnist_twice/*/training.py: PyTorch has no metrics and averages weights in a copy; `fit` has both."""


def parse(path: str) -> ast.Module:
    return ast.parse((ROOT / path).read_text(encoding="utf-8"))


def interface(path: str) -> dict[str, list[str]]:
    """Return a file's public functions, classes and methods in order, with their parameters and defaults."""

    def functions(body: list[ast.stmt], prefix: str = "") -> Iterator[tuple[str, list[str]]]:
        for node in body:
            if isinstance(node, ast.ClassDef):
                yield from functions(node.body, f"{node.name}.")
            elif isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
                for argument in ast.walk(node.args):
                    if isinstance(argument, ast.arg):
                        argument.annotation = None  # a keras.Model in one is an nn.Module in the other
                yield prefix + node.name, ast.unparse(node.args).split(", ")

    return dict(functions(parse(path).body))


@pytest.mark.parametrize(
    "file", ["mnist_{}.py", *(f"mnist_twice/{{}}/{name}.py" for name in ("networks", "files", "device"))]
)
def test_twin_files_have_the_same_functions_in_the_same_order(file: str) -> None:
    pytorch, tensorflow = (interface(file.format(framework)) for framework in FRAMEWORKS)
    assert list(pytorch.items()) == list(tensorflow.items())
    assert pytorch


def test_twin_trainings_have_the_same_names() -> None:
    pytorch, tensorflow = (
        [name for name in interface(f"mnist_twice/{framework}/training.py") if name not in ONLY_IN[framework]]
        for framework in FRAMEWORKS
    )
    assert pytorch == tensorflow


def layers_of(path: str) -> dict[str, list[str]]:
    """Return the names of each network's layers, in the order in which an image passes them."""
    _, *functions = re.split("^def ", (ROOT / path).read_text(encoding="utf-8"), flags=re.MULTILINE)
    name = re.compile(r'^ {12}(\w+)=|name="(\w+)"|batch_norm\("(\w+)"\)', re.MULTILINE)
    return {text.partition("(")[0]: ["".join(found) for found in name.findall(text)] for text in functions}


def test_twin_networks_have_the_same_names_of_layers() -> None:
    pytorch, tensorflow = (layers_of(f"mnist_twice/{framework}/networks.py") for framework in FRAMEWORKS)
    names = [name.replace("-", "_") for name in RECIPES]
    assert {name: layers for name, layers in pytorch.items() if layers} == {
        name: ["scale", *layers]
        for name, layers in tensorflow.items()
        if layers  # scale_pixels() is several layers there
    }
    assert sorted(name for name, layers in pytorch.items() if layers) == sorted(names)


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_script_can_be_read_in_one_go(framework: str) -> None:
    """At most 150 lines, in which at most 24 names of the project are used, those in annotations not counted."""
    path = f"mnist_{framework}.py"
    assert len((ROOT / path).read_text(encoding="utf-8").splitlines()) <= 150
    tree = parse(path)
    ours: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("mnist_twice"):
            ours |= {alias.name for alias in node.names}
        for part in ("annotation", "returns"):
            if hasattr(node, part):
                setattr(node, part, None)
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)} & ours
    assert 15 < len(used) <= 24, sorted(used)
