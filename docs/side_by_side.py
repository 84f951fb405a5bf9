"""Write docs/side_by_side.html: the PyTorch and the TensorFlow code, function by function, side by side.

    python docs/side_by_side.py

First the two training loops and the networks, then the rest. Functions and classes stand beside those of the same name;
within them difflib aligns the lines. Lines that the other side does not have are coloured.
"""

import ast
import difflib
import html
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path

from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "side_by_side.html"
FRAMEWORKS = ("pytorch", "tensorflow")
FILES = (
    "mnist_{}.py",
    "mnist_twice/{}/networks.py",
    "mnist_twice/{}/layers.py",
    "mnist_twice/{}/training.py",
    "mnist_twice/{}/fit.py",
    "mnist_twice/{}/device.py",
    "mnist_twice/{}/files.py",
    "mnist_twice/{}/parallel.py",
)
FIRST = ("mnist_{}.py", "train")  # what the page begins with
OPENING = "docstring, imports, constants"

Line = tuple[int, str]  # its number in the file, and its text in HTML
Part = list[Line]

PAGE_TEXT = """<!DOCTYPE html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>PyTorch and TensorFlow, side by side</title>
<style>
{colours}
@media (prefers-color-scheme: dark) {{ {dark} }}
:root {{ color-scheme: light dark }}
body {{ margin: 1rem; font: clamp(14px, 1vw, 30px)/1.4 system-ui, sans-serif }}
nav {{ columns: 16em }} nav a {{ display: block }}
h2 {{ position: sticky; top: 0; margin: 0; padding: .5rem 0; background: Canvas }}
table {{ width: 100%; table-layout: fixed; border-collapse: collapse; margin-bottom: 2rem }}
th {{ text-align: left }} th:empty, td:nth-child(odd) {{ width: 3.5em; text-align: right; color: GrayText }}
td {{ padding: 0 .5em; vertical-align: top }}
td:nth-child(even) {{ font-family: ui-monospace, Consolas, monospace; white-space: pre-wrap; overflow-wrap: anywhere }}
td.other {{ background: light-dark(#fff3e2, #33230f); box-shadow: inset .3em 0 #c25e00 }}
</style>
<h1>PyTorch and TensorFlow, side by side</h1>
<p>Functions and classes stand beside those of the same name. A highlighted line has no counterpart on the other
side. Made by <kbd>python docs/side_by_side.py</kbd>.</p>
<nav>{contents}</nav>
{sections}
</html>
"""


def main() -> None:
    PAGE.write_text(render(ROOT), encoding="utf-8")
    print(f"{PAGE.relative_to(ROOT)} is written; open it in a browser.")


def render(root: Path) -> str:
    """Return the page, HTML that needs no other file, for the code in the folder."""
    parts = [(file, *pair) for file in FILES for pair in paired(*(parts_of(root, file, each) for each in FRAMEWORKS))]
    parts.sort(key=lambda part: part[:2] != FIRST and part[0] != "mnist_twice/{}/networks.py")
    parts.sort(key=lambda part: part[:2] != FIRST)
    contents, sections = [], []
    for i, (file, name, left, right) in enumerate(parts):
        title = html.escape(f"{name} ({file.format('*')})")
        contents.append(f'<a href="#{i}">{title}</a>')
        rows = "\n".join(f"<tr>{_cells(*row)}</tr>" for row in align(left, right))
        heads = "".join(f"<th><th>{file.format(each)}" for each in FRAMEWORKS)
        sections.append(f'<section id="{i}"><h2>{title}</h2><table><tr>{heads}</tr>\n{rows}\n</table></section>')
    light, dark = (
        HtmlFormatter(style=style, nobackground=True).get_style_defs("td") for style in ("default", "monokai")
    )
    return PAGE_TEXT.format(colours=light, dark=dark, contents="\n".join(contents), sections="\n".join(sections))


def parts_of(root: Path, file: str, framework: str) -> dict[str, Part]:
    """Return the lines of each function and class of a file by its name, and of what stands between them; {} without a
    file. Names are compared without underscores and capitals: ResidualBlock is a function in TensorFlow."""
    path = root / file.format(framework)
    if not path.is_file():
        return {}
    source = path.read_text(encoding="utf-8")
    coloured = highlight(source, PythonLexer(stripnl=False), HtmlFormatter(nowrap=True)).splitlines()
    lines = list(enumerate(coloured, start=1))
    parts: dict[str, Part] = {}
    end, name = 0, OPENING
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            name = node.name
        assert node.end_lineno
        parts.setdefault(name, []).extend(lines[end : node.end_lineno])
        end = node.end_lineno
    return parts


def paired(left: dict[str, Part], right: dict[str, Part]) -> Iterator[tuple[str, Part, Part]]:
    """Yield each name with its part of both files, in the left one's order, and then those of the right one alone."""
    others = {name.replace("_", "").lower(): name for name in right}
    for name, part in left.items():
        yield name, part, right.get(others.pop(name.replace("_", "").lower(), ""), [])
    yield from ((name, [], right[name]) for name in others.values())


def align(left: Part, right: Part) -> Iterator[tuple[Line | None, Line | None]]:
    """Yield rows of two lines: equal ones, and different ones or none beside each other."""
    first, second = ([text for _, text in part] for part in (left, right))
    for _, a, b, c, d in difflib.SequenceMatcher(None, first, second, autojunk=False).get_opcodes():
        yield from zip_longest(left[a:b], right[c:d])


def _cells(*row: Line | None) -> str:
    other = "" if row[0] and row[1] and row[0][1] == row[1][1] else ' class="other"'
    return "".join(f"<td>{line[0]}<td{other}>{line[1]}" if line else "<td><td>" for line in row)


if __name__ == "__main__":
    main()
