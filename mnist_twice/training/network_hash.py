"""A hash of the code of a network, by which a run says that it was another."""

import ast
import hashlib
from pathlib import Path

PACKAGE = Path(__file__).parents[1]
FILES = ("layers.py", "networks.py")


def network_code(model: str, framework: str) -> str:
    """Return the SHA-256 of the code that the network's entry in NETWORKS of mnist_twice/<framework>/ consists of.

    That is the syntax tree of its function and of all that this names, written out in one form: so comments,
    docstrings, line ends and the code of other networks change nothing.
    """
    definitions: dict[str, ast.AST] = {}
    for file in FILES:
        for node in ast.parse((PACKAGE / framework / file).read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                definitions[node.name] = node
            elif isinstance(node, ast.Assign | ast.AnnAssign):
                target = node.target if isinstance(node, ast.AnnAssign) else node.targets[0]
                definitions[ast.unparse(target)] = node  # NETWORKS['tiny'] too
    networks = definitions.pop("NETWORKS").value  # type: ignore[attr-defined]
    for key, function in zip(networks.keys, networks.values, strict=True):
        definitions.setdefault(f"NETWORKS[{ast.unparse(key)}]", function)
    found: dict[str, str] = {}
    named = [f"NETWORKS[{model!r}]", "build_model"]
    while named:
        name = named.pop()
        if name in definitions and name not in found:
            named += [node.id for node in ast.walk(definitions[name]) if isinstance(node, ast.Name)]
            found[name] = ast.unparse(_WithoutTexts().visit(definitions[name]))
    return hashlib.sha256("\n".join(found[name] for name in sorted(found)).encode()).hexdigest()


class _WithoutTexts(ast.NodeTransformer):
    """Takes docstrings, and other texts that stand alone, out of a tree."""

    def visit_Expr(self, node: ast.Expr) -> ast.Expr | None:
        return None if isinstance(node.value, ast.Constant) else node
