"""docs/side_by_side.py shows every line of both frameworks' files once, functions of one name beside each other."""

from __future__ import annotations

import html
import re
import runpy

import pytest
from paths import ROOT

PAGE = runpy.run_path(str(ROOT / "docs" / "side_by_side.py"))


def text(line: tuple[int, str] | None) -> str:
    return html.unescape(re.sub("<[^>]*>", "", line[1])) if line else ""


@pytest.mark.slow
@pytest.mark.parametrize("file", PAGE["FILES"])
def test_every_line_is_shown_once_and_equal_lines_beside_each_other(file: str) -> None:
    left, right = (PAGE["parts_of"](ROOT, file, framework) for framework in PAGE["FRAMEWORKS"])
    parts = {name: list(PAGE["align"](*pair)) for name, *pair in PAGE["paired"](left, right)}
    for side, framework in enumerate(PAGE["FRAMEWORKS"]):
        lines = sorted(row[side] for rows in parts.values() for row in rows if row[side])
        path = ROOT / file.format(framework)
        source = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        assert [number for number, _ in lines] == list(range(1, len(source) + 1))
        assert [text(line) for line in lines] == source
    if file == "mnist_twice/{}/layers.py":
        assert any(text(right).startswith("def residual_block(") for _, right in parts["ResidualBlock"])
    if file == "mnist_{}.py":
        same = "    train_indices, held_out = split_dataset(dataset, recipe)"
        assert any(text(a) == text(b) and text(a).startswith(same) for a, b in parts["train"])


@pytest.mark.slow
def test_the_page_begins_with_the_loops_and_needs_no_other_file() -> None:
    page = PAGE["render"](ROOT)
    assert re.findall("<h2>(.*)</h2>", page)[0] == "train (mnist_*.py)"
    assert not re.search(r"src=|@import|url\(|href=\"[^#]", page)
