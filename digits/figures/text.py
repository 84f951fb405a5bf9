"""Text that fits its place in a figure, and how a run is called there."""

import re
from bisect import bisect_right
from functools import cache

from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.textpath import text_to_path

from digits.figures.style import FONT
from digits.names import spelled
from digits.runs import Run, run_name


def run_title(run: Run) -> str:
    """Return 'MNIST · CNN · PyTorch', with the seed where it is not 0, 'parity' after --parity, 'validation' where it
    was evaluated on such images, and what run_name has appended to the name, or else the name that a user has chosen:
    without it, two such runs would look the same."""
    parts = [spelled(part) for part in (run.dataset, run.model, run.framework)]
    if run.seed:
        parts.append(f"seed {run.seed}")
    if run.parity:
        parts.append("parity")
    if run.evaluated_on == "validation":
        parts.append("validation")
    usual, _, appended = run.name.partition("+")
    if usual != run_name(run.dataset, run.model, run.framework, run.seed, run.parity) or run.name != run.info["name"]:
        parts.append(f"'{run.name}'")
    elif appended:
        parts += [part.replace("_", " ").replace("=", " ") for part in appended.split("+") if "evaluate_on" not in part]
    return " · ".join(parts)


def text_width(text: str, size: float, weight: str = "normal") -> float:
    """Return the width of one line of text in inches."""
    width, _, _ = text_to_path.get_text_width_height_descent(
        text, FontProperties(family=FONT, size=size, weight=weight), False
    )
    return float(width) / 72


def fit_text(text: str, size: float, width: float, weight: str = "normal") -> str:
    """Return the text as it fits into `width` inches: unprintable characters replaced, its middle cut if long."""
    # However long: of more than 400 characters the middle is never seen.
    text = printable(text if len(text) <= 400 else text[:200] + text[-200:])

    def cut(keep: int) -> str:
        return text[:keep] + "…" + text[-keep:]

    if text_width(text, size, weight) <= width:
        return text
    fitting = bisect_right(range(1, len(text) // 2), width, key=lambda keep: text_width(cut(keep), size, weight))
    return cut(max(1, fitting))


def wrap_text(text: str, size: float, width: float, weight: str = "normal") -> list[str]:
    """Return the text in lines of at most `width` inches, broken at spaces."""
    lines = [""]
    for word in re.split(" +(?!%)", printable(text)):  # a number keeps its '%' beside it
        longer = f"{lines[-1]} {word}".strip()
        if text_width(longer, size, weight) <= width:
            lines[-1] = longer
        else:
            lines.append(fit_text(word, size, width, weight))
    return [line for line in lines if line]


def printable(text: str) -> str:
    """Return the text with every character that our font lacks (or that is a control character) as a box."""
    return "".join(character if character.isprintable() and _has_glyph(character) else "□" for character in text)


@cache
def _has_glyph(character: str) -> bool:
    return get_font(findfont(FONT)).get_char_index(ord(character)) != 0
