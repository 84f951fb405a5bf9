"""The PyTorch and the TensorFlow files are twins: equal functions, signatures and networks; scripts stay short."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest
from paths import ROOT

from digits.recipes.recipe import RECIPES

FRAMEWORKS = ("pytorch", "tensorflow")
ONLY_IN = {
    "pytorch": {"losses_and_accuracy", "TrainState.update_average", "TrainState.evaluated"},
    "tensorflow": {"TrainState.swap_average"},
}
"""In models/*/training.py: PyTorch has no metrics and averages weights in a copy; `fit` has both."""


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


@pytest.mark.parametrize("file", ["mnist_{}.py", "models/{}/networks.py", "models/{}/files.py", "models/{}/device.py"])
def test_twin_files_have_the_same_functions_in_the_same_order(file: str) -> None:
    pytorch, tensorflow = (interface(file.format(framework)) for framework in FRAMEWORKS)
    assert list(pytorch.items()) == list(tensorflow.items())
    assert pytorch


def test_twin_trainings_have_the_same_names() -> None:
    pytorch, tensorflow = (
        [name for name in interface(f"models/{framework}/training.py") if name not in ONLY_IN[framework]]
        for framework in FRAMEWORKS
    )
    assert pytorch == tensorflow


def layers_of(function: ast.FunctionDef) -> list[str]:
    """Return the names of a network's layers in the order in which an image passes them."""
    calls = [node for node in ast.walk(function) if isinstance(node, ast.Call)]
    names = {ast.unparse(call.func): call for call in reversed(calls)}
    if "OrderedDict" in names:
        return [str(keyword.arg) for keyword in names["OrderedDict"].keywords]
    (parts,) = (call.args for call in calls if ast.unparse(call.func) in ("keras.Sequential", "functional"))
    layers = parts[0].elts if isinstance(parts[0], ast.List) else parts
    return ["scale", *(_name_of(layer) for layer in layers if not isinstance(layer, ast.Starred))]  # *scale_pixels()


def _name_of(layer: ast.expr) -> str:
    assert isinstance(layer, ast.Call)
    name = next((keyword.value for keyword in layer.keywords if keyword.arg == "name"), layer.args and layer.args[0])
    assert isinstance(name, ast.Constant)
    return str(name.value)


def test_twin_networks_have_the_same_names_of_layers() -> None:
    pytorch, tensorflow = (
        {node.name: layers_of(node) for node in parse(f"models/{framework}/networks.py").body if _is_network(node)}
        for framework in FRAMEWORKS
    )
    assert pytorch == tensorflow
    assert {name.replace("-", "_") for name in RECIPES} == pytorch.keys()
    assert all(names[0] == "scale" and names[-1] == "head" for names in pytorch.values())
    lengths = [len(names) for name, names in pytorch.items() if name not in ("resnet", "vit")]  # these have blocks
    assert lengths == sorted(lengths)


def _is_network(node: ast.stmt) -> bool:
    return isinstance(node, ast.FunctionDef) and node.name not in ("build_model", "config_of")


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_script_can_be_read_in_one_go(framework: str) -> None:
    """At most 150 lines, in which at most 24 names of the project are used, those in annotations not counted."""
    path = f"mnist_{framework}.py"
    assert len((ROOT / path).read_text(encoding="utf-8").splitlines()) <= 150
    tree = parse(path)
    ours: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith(("digits", "models")):
            ours |= {alias.name for alias in node.names}
        for part in ("annotation", "returns"):
            if hasattr(node, part):
                setattr(node, part, None)
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)} & ours
    assert 15 < len(used) <= 24, sorted(used)
