"""docs/side_by_side.py shows every line of both frameworks' files once, functions of one name beside each other."""

from __future__ import annotations

import html
import re
import runpy
from pathlib import Path

import pytest
from paths import ROOT

GENERATOR = runpy.run_path(str(ROOT / "docs" / "side_by_side.py"))

LEFT = '''"""Left."""
import one

class TwoWords:
    """<&>"""

def train(model):
    loss = step(model, 1)
    return loss

# why
def only_left():
    pass

main()
'''
RIGHT = '''"""Right."""
import one

def train(model):
    loss = step(model, 2)

    return loss

def two_words():
    pass

main()
'''
Row = tuple[tuple[int, str] | None, tuple[int, str] | None]


@pytest.fixture
def parts(tmp_path: Path) -> dict[str, list[Row]]:
    """The rows of each part of these two files."""
    for framework, text in (("pytorch", LEFT), ("tensorflow", RIGHT)):
        (tmp_path / f"{framework}.py").write_text(text)
    left, right = (GENERATOR["parts_of"](tmp_path, "{}.py", framework) for framework in GENERATOR["FRAMEWORKS"])
    return {name: list(GENERATOR["align"](*pair)) for name, *pair in GENERATOR["paired"](left, right)}


def text(line: tuple[int, str] | None) -> str:
    return html.unescape(re.sub("<[^>]*>", "", line[1])) if line else ""


@pytest.mark.parametrize(("side", "source"), [(0, LEFT), (1, RIGHT)])
def test_every_line_is_shown_once_with_its_number(parts: dict[str, list[Row]], side: int, source: str) -> None:
    lines = [row[side] for rows in parts.values() for row in rows if row[side]]
    assert {line[0]: text(line) for line in lines if line} == dict(enumerate(source.splitlines(), start=1))
    assert len(lines) == len(source.splitlines())


def test_parts_of_one_name_and_their_equal_lines_stand_beside_each_other(parts: dict[str, list[Row]]) -> None:
    assert list(parts) == ["docstring, imports, constants", "TwoWords", "train", "only_left"]
    beside = [(text(left).strip(), text(right).strip()) for left, right in parts["train"] if text(left) or text(right)]
    assert ("def train(model):", "def train(model):") in beside
    assert ("loss = step(model, 1)", "loss = step(model, 2)") in beside
    assert ("return loss", "return loss") in beside
    assert ("class TwoWords:", "def two_words():") in [(text(left), text(right)) for left, right in parts["TwoWords"]]
