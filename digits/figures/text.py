"""Text that fits its place in a figure, and how a run is called there."""

import re
from bisect import bisect_right
from functools import cache, lru_cache

from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.textpath import text_to_path

from digits.evaluation import PairComparison
from digits.figures.style import FONTS
from digits.names import spelled
from digits.recipes import differences_of, run_name
from digits.runs import Run

MOST_DIFFERENCES = 4
"""How many differences from the default recipe a title names."""


def run_title(run: Run) -> str:
    """Return 'MNIST · CNN, filters 8 16 · PyTorch': with what is not as in the model's default recipe, with the seed
    where it is not 0, 'parity' after --parity, 'validation' where it was evaluated on such images, and the name where a
    user has chosen it."""
    dataset, model, *others = _title_parts(run)
    return " · ".join([dataset, ", ".join([model, *_differences(run)]), *others])


def pair_titles(pair: PairComparison) -> tuple[list[str], list[str], list[str]]:
    """Return what is in the first's title alone, in the second's alone, and in both: ['PyTorch'], ['TensorFlow'],
    ['MNIST', 'CNN']; in place of nothing, 'default', and the names of runs that their titles do not distinguish."""
    seeds = pair.a.seed != pair.b.seed
    first, second = (
        [*parts[:2], *_differences(run), *parts[2:]]
        for run in (pair.a, pair.b)
        for parts in [_title_parts(run, seed=seeds)]
    )
    common = [part for part in first if part in second]
    alone = [[part for part in parts if part not in common] for parts in (first, second)]
    if alone[0] == alone[1]:
        alone = [[f"'{name}'"] for name in pair.names]
    return alone[0] or ["default"], alone[1] or ["default"], common


def _title_parts(run: Run, seed: bool = False) -> list[str]:
    """Return dataset, model, framework, and what else a title names; `seed`: the seed in any case."""
    parts = [spelled(part) for part in (run.dataset, run.model, run.framework)]
    if run.seed or (seed and run.seed is not None):
        parts.append(f"seed {run.seed}")
    if run.parity:
        parts.append("parity")
    if run.evaluated_on == "validation":
        parts.append("validation")
    usual = run_name(run.dataset, run.model, run.framework, run.seed, run.parity)
    if run.name.partition("+")[0] != usual or run.name != run.info["name"]:
        parts.append(f"'{run.name}'")
    return parts


def _differences(run: Run) -> list[str]:
    """Return 'filters 8 16', 'learning rate 0.003', 'augment': what is not as in the model's default recipe."""
    words = []
    for name, value in differences_of(run).items():
        what = name.replace("_", " ")
        if isinstance(value, bool):
            words.append(what if value else f"no {what}")
        elif name != "evaluate_on":
            words.append(f"{what} {' '.join(map(str, value)) if isinstance(value, list) else value}"[:60])
    more = len(words) - MOST_DIFFERENCES
    return words if more < 2 else [*words[:MOST_DIFFERENCES], f"{more} more options"]


@lru_cache(10_000)
def text_width(text: str, size: float, weight: str = "normal") -> float:
    """Return the width of one line of text in inches."""
    width, _, _ = text_to_path.get_text_width_height_descent(
        text, FontProperties(family=FONTS, size=size, weight=weight), False
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
    # After a quoted name in Arabic or Hebrew, a mark returns to our direction: the number behind it would go before it.
    text = re.sub("([\u0590-\u08ff]')", "\\1\u200e", printable(text))
    for word in re.split(" +(?!%)", text):  # a number keeps its '%' beside it
        longer = f"{lines[-1]} {word}".strip()
        if text_width(longer, size, weight) <= width:
            lines[-1] = longer
        else:
            lines.append(fit_text(word, size, width, weight))
    return [line for line in lines if line]


def printable(text: str) -> str:
    """Return the text with every character that our fonts lack (or that is a control character) as a box."""
    return "".join(character if character.isprintable() and has_glyph(character) else "□" for character in text)


@cache
def has_glyph(character: str) -> bool:
    """Return whether one of our fonts has the character."""
    return any(get_font(findfont(name)).get_char_index(ord(character)) for name in FONTS)
