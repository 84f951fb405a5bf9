"""Write docs/side_by_side.html: both training scripts, function by function, with the differences coloured.

    python docs/side_by_side.py

Functions, classes and methods stand beside those of the same name; within them difflib aligns the lines.
"""

import ast
import difflib
import html
import re
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SCRIPTS = ("mnist_pytorch.py", "mnist_tensorflow.py")
PAGE = ROOT / "docs" / "side_by_side.html"
OPENING, CLOSING = "docstring, imports, constants", "start"

Line = tuple[int, str]  # its number in the file, and its text
Part = list[Line]
Row = tuple[Line | None, Line | None]

TEMPLATE = ROOT / "docs" / "side_by_side_template.html"  # with Python's {fields}; a brace of its own is written twice


def main() -> None:
    left, right = ((ROOT / name).read_text(encoding="utf-8") for name in SCRIPTS)
    PAGE.write_text(render(left, right), encoding="utf-8")
    print(f"{PAGE.relative_to(ROOT)} is written.")


def render(left: str, right: str, names: tuple[str, str] = SCRIPTS) -> str:
    """Return the page, HTML that needs no other file, for the source code of two scripts."""
    pairs = [(name, align(*parts)) for name, parts in paired(parts_of(left), parts_of(right))]
    rows = [row for _, aligned in pairs for row in aligned if any(line and line[1] for line in row)]
    equal = sum(_equal(row) for row in rows)
    links = (f'<li><a href="#part-{i}">{html.escape(name)}</a></li>' for i, (name, _) in enumerate(pairs))
    sections = (_section(i, name, aligned, names) for i, (name, aligned) in enumerate(pairs))
    return TEMPLATE.read_text(encoding="utf-8").format(
        left=names[0],
        right=names[1],
        same=equal,
        only_left=sum(row[0] is not None for row in rows) - equal,
        only_right=sum(row[1] is not None for row in rows) - equal,
        contents="\n".join(links),
        sections="\n".join(sections),
    )


def parts_of(source: str) -> dict[str, Part]:
    """Return the lines of each function, class heading and method by its name, and of what stands before and after."""
    lines = [(number, text.rstrip()) for number, text in enumerate(source.splitlines(), start=1)]
    parts: dict[str, Part] = {}
    end = 0
    for name, last in _ends(ast.parse(source).body):
        parts.setdefault(name, []).extend(lines[end:last])
        end = last
    if end < len(lines):
        parts.setdefault(CLOSING, []).extend(lines[end:])
    return {name: part for name, lines in parts.items() if (part := _without_blank_ends(lines))}


def _ends(body: list[ast.stmt]) -> Iterator[tuple[str, int]]:
    """Yield the name of each part and the number of its last line, in order."""
    name = OPENING
    for node in body:
        if isinstance(node, ast.ClassDef):
            methods = [inner for inner in node.body if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef)]
            if methods:
                first = min([methods[0].lineno, *(decorator.lineno for decorator in methods[0].decorator_list)])
                yield f"class {node.name}", first - 1
            for method in methods:
                yield f"{node.name}.{method.name}", method.end_lineno or 0
            yield f"class {node.name}" if not methods else f"{node.name}.{methods[-1].name}", node.end_lineno or 0
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, node.end_lineno or 0
        else:
            yield name, node.end_lineno or 0
            continue
        name = CLOSING


def _without_blank_ends(lines: Part) -> Part:
    filled = [i for i, (_, text) in enumerate(lines) if text]
    return lines[filled[0] : filled[-1] + 1] if filled else []


def paired(left: dict[str, Part], right: dict[str, Part]) -> Iterator[tuple[str, tuple[Part, Part]]]:
    """Yield each part with its name: in the left file's order, those of the right one alone behind their neighbours."""
    names = list(left)
    place = 0
    for name in right:
        if name in left:
            place = names.index(name) + 1
        else:
            names.insert(place, name)
            place += 1
    for name in names:
        yield name, (left.get(name, []), right.get(name, []))


def align(left: Part, right: Part) -> list[Row]:
    """Return rows of two lines: equal ones, similar ones, and different ones or none beside each other."""
    rows: list[Row] = []
    waiting: tuple[Part, Part] = ([], [])  # lines of either side with no counterpart yet
    first, second = iter(left), iter(right)

    def flush() -> None:
        rows.extend(zip_longest(*waiting))
        waiting[0].clear()
        waiting[1].clear()

    # difflib marks two similar lines with a line of hints below one of them or both.
    differences = list(difflib.ndiff([text for _, text in left], [text for _, text in right]))
    for i, difference in enumerate(differences):
        if difference.startswith("  "):
            flush()
            rows.append((next(first), next(second)))
        elif difference.startswith("- "):
            waiting[0].append(next(first))
        elif difference.startswith("+ "):
            hints = (differences[i - 1][:2], *(later[:2] for later in differences[i + 1 : i + 2]))
            line = next(second)
            if "? " in hints and waiting[0]:
                similar = waiting[0].pop()
                flush()
                rows.append((similar, line))
            else:
                waiting[1].append(line)
    flush()
    return rows


def _equal(row: Row) -> bool:
    return row[0] is not None and row[1] is not None and row[0][1] == row[1][1]


def _section(number: int, name: str, rows: list[Row], names: tuple[str, str]) -> str:
    columns = []
    for side, label in enumerate(("left", "right")):
        lines = [_line(row, side, label, i) for i, row in enumerate(rows, start=2) if row[side]]
        missing = "" if lines else " has no such part"
        columns += [f'<h3 class="{label}">{names[side]}{missing}</h3>', *lines]
    title = html.escape(name)
    return f'<section id="part-{number}">\n<h2>{title}</h2>\n<div>\n' + "\n".join(columns) + "\n</div>\n</section>"


def _line(row: Row, side: int, label: str, place: int) -> str:
    mine, other = row[side], row[1 - side]
    assert mine is not None
    number, text = mine
    kind = label if not text or _equal(row) else f"{label} other"
    shown = _marked(text, other[1]) if other else html.escape(text, quote=False)
    indent = len(text) - len(text.lstrip()) + 4  # a long line goes on four columns further to the right
    return f'<code class="{kind}" data-line="{number}" style="--row:{place};--indent:{indent}">{shown}</code>'


def _marked(text: str, other: str) -> str:
    """Return the line in HTML, the words that the other line does not have marked, if the two are similar at all."""
    words, others = (re.findall(r"\w+|\s+|.", line) for line in (text, other))
    matcher = difflib.SequenceMatcher(None, words, others, autojunk=False)
    if matcher.ratio() < 0.5:
        return html.escape(text, quote=False)
    shown = ""
    for kind, start, end, _, _ in matcher.get_opcodes():
        piece = html.escape("".join(words[start:end]), quote=False)
        shown += piece if kind == "equal" or not piece.strip() else f"<mark>{piece}</mark>"
    return shown


if __name__ == "__main__":
    main()
