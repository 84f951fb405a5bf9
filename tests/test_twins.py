"""The PyTorch and the TensorFlow files are twins: equal functions and signatures; scripts stay short."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest
from paths import ROOT

FRAMEWORKS = ("pytorch", "tensorflow")


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
