"""docs/side_by_side.html is current, shows every line of both scripts once, and colours what differs."""

from __future__ import annotations

import html
import re
import runpy
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
GENERATOR = runpy.run_path(str(ROOT / "docs" / "side_by_side.py"))
SCRIPTS = [(ROOT / name).read_text(encoding="utf-8") for name in GENERATOR["SCRIPTS"]]

LEFT = '''"""Left."""
import one

class Both:
    size = 1

    def old(self):
        pass

    @property
    def method(self):
        return "<&>"

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

def only_right():
    pass

def train(model):
    loss = step(model, 2)

    return loss

class Both:
    @property
    def method(self):
        return "<&>"

main()
'''


def lines_of(page: str) -> dict[str, dict[int, tuple[str, str, int]]]:
    """Return of each side, by its number, each line's text, the words marked in it, and the row where it stands."""
    found: dict[str, dict[int, tuple[str, str, int]]] = {"left": {}, "right": {}}
    for side, other, number, row, text in re.findall(
        r'<code class="(\w+)( other)?" data-line="(\d+)" style="--row:(\d+);--indent:\d+">(.*)</code>', page
    ):
        assert int(number) not in found[side]
        marked = "".join(re.findall(r"<mark>(.*?)</mark>", text))
        assert other or not marked
        found[side][int(number)] = html.unescape(re.sub("<[^>]*>", "", text)), "*" if other else marked, int(row)
    return found


def texts(source: str) -> dict[int, str]:
    return {number: line.rstrip() for number, line in enumerate(source.splitlines(), start=1) if line.strip()}


def test_the_page_is_current() -> None:
    expected = GENERATOR["render"](*SCRIPTS)
    assert GENERATOR["PAGE"].read_text(encoding="utf-8") == expected, "run 'python docs/side_by_side.py'"


def test_every_line_is_shown_once() -> None:
    for left, right in (SCRIPTS, (LEFT, RIGHT), (RIGHT, LEFT), (LEFT, ""), ("", RIGHT)):
        shown = lines_of(GENERATOR["render"](left, right))
        for side, source in (("left", left), ("right", right)):
            assert {number: text for number, (text, *_) in shown[side].items() if text} == texts(source)


def test_lines_without_colour_are_equal_and_stand_beside_each_other() -> None:
    page = GENERATOR["render"](LEFT, RIGHT)
    for part in page.split("<section")[1:]:
        sides = lines_of(part)
        plain = [[(text, row) for text, marked, row in side.values() if text and not marked] for side in sides.values()]
        assert plain[0] == plain[1]


def test_parts_are_aligned_by_name_and_words_marked() -> None:
    page = GENERATOR["render"](LEFT, RIGHT)
    titles = re.findall(r"<h2>(.*)</h2>", page)
    assert titles == [
        *("docstring, imports, constants", "only_right", "class Both", "Both.old", "Both.method", "train", "only_left"),
        "start",
    ]
    assert re.findall(r"<mark>(.*?)</mark>", page.split("<h2>train</h2>")[1].split("</section>")[0]) == ["1", "2"]
    assert page.count("has no such part") == 3
    assert GENERATOR["parts_of"](LEFT)["only_left"][0][1] == "# why"


def test_the_page_needs_no_network() -> None:
    assert not re.search(r"https?:|src=|@import|url\(", GENERATOR["PAGE"].read_text(encoding="utf-8"))
