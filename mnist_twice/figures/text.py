"""Text in figures: how runs and classes are called, in any script, and text that fits its place."""

import re
import unicodedata
from collections.abc import Sequence
from contextlib import suppress
from functools import cache, lru_cache
from pathlib import Path

from matplotlib.font_manager import FontProperties, findfont, findSystemFonts, fontManager, get_font
from matplotlib.ft2font import FT2Font
from matplotlib.textpath import text_to_path

from mnist_twice.evaluation import PairComparison
from mnist_twice.figures.style import FONTS
from mnist_twice.names import few, spelled
from mnist_twice.recipes import differences_of, run_name
from mnist_twice.runs import Run

MOST_DIFFERENCES = 4  # from the default recipe, in a title
PLACEHOLDERS = re.compile("last ?resort|blank|tofu", re.IGNORECASE)
"""In the names of fonts that have a glyph for every character, a box or nothing."""


def run_title(run: Run) -> str:
    """Return 'MNIST · CNN, filters 8 16 · PyTorch': with what is not as in the model's default recipe, with the seed
    where it is not 0, 'parity' after --parity, 'validation' where it was evaluated on such images, and the name where a
    user has chosen it."""
    dataset, model, *others = _title_parts(run)
    return " · ".join([dataset, ", ".join([model, *_differences(run)]), *others])


def pair_titles(pair: PairComparison) -> tuple[list[str], list[str], list[str]]:
    """Return what is in the first's title alone, in the second's alone, and in both: ['PyTorch'], ['TensorFlow'],
    ['MNIST', 'CNN']; in place of nothing, 'default', and the names of runs that their titles do not distinguish."""
    runs, seeds = (pair.a, pair.b), pair.a.seed != pair.b.seed
    first, second = ([*_title_parts(run, seeds), *_differences(run)] for run in runs)
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


def class_labels(names: Sequence[str]) -> list[str]:
    """Return what figures call the classes: each by its name, or by '#3' where no font here can draw the name of 3."""
    if missing := {letter for name in names for letter in name if letter.isprintable() and not has_glyph(letter)}:
        _find_fonts(frozenset(missing))
    return [name if name == printable(name) else f"#{number}" for number, name in enumerate(names)]


def note_on_labels(names: Sequence[str]) -> str | None:
    """Return a sentence on the classes that figures show by number; None where each has its name."""
    pairs = zip(class_labels(names), names, strict=True)
    numbered = [f"{label} {name}" for label, name in pairs if label != name]
    if not numbered:
        return None
    return (
        f"no font here has all characters of {few(numbered, 'class name')}, so the figures show these classes by "
        "number; the report's table of classes has both. Install a font for them (Noto has one for every script), then "
        "run this again."
    )


@lru_cache(10_000)
def text_width(text: str, size: float, weight: str = "normal") -> float:
    """Return the width of one line of text in inches."""
    width, _, _ = text_to_path.get_text_width_height_descent(
        text, FontProperties(family=FONTS, size=size, weight=weight), False
    )
    return float(width) / 72


def fit_text(text: str, size: float, width: float, weight: str = "normal") -> str:
    """Return the text as it fits into `width` inches: unprintable characters replaced, its middle cut if long."""
    fitted = text = printable(text if len(text) <= 400 else text[:200] + text[-200:])
    keep = len(text) // 2
    while text_width(fitted, size, weight) > width and keep > 1:
        keep -= 1
        fitted = text[:keep] + "…" + text[-keep:]
    return fitted


def wrap_text(text: str, size: float, width: float, weight: str = "normal") -> str:
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
    return "\n".join(line for line in lines if line)


def printable(text: str) -> str:
    """Return the text with every character that our fonts lack (or that is a control character) as a box."""
    return "".join(character if character.isprintable() and has_glyph(character) else "□" for character in text)


@cache
def has_glyph(character: str) -> bool:
    """Return whether one of our fonts has the character."""
    return any(get_font(findfont(name)).get_char_index(ord(character)) for name in FONTS)


@cache  # so that characters that no font has are not sought again
def _find_fonts(missing: frozenset[str]) -> None:
    """Add to FONTS installed fonts that have these characters, plain ones without serifs first."""

    def rank(path: str) -> tuple[bool, bool, str]:
        name = Path(path).name.lower()
        return "sans" not in name, "bold" in name or "italic" in name, path

    # Not by matplotlib's list of fonts, which it keeps on disk: a font that was just installed is not in it.
    for path in sorted(findSystemFonts(), key=rank):
        with suppress(OSError, RuntimeError):  # damaged, or of a kind that matplotlib does not read
            font = FT2Font(path)
            usable = font.scalable and not PLACEHOLDERS.search(font.family_name)
            found = {letter for letter in missing if usable and _draws(font, letter)}
            if found:
                fontManager.addfont(path)
                FONTS.append(font.family_name)
                missing = missing - found
    has_glyph.cache_clear()
    text_width.cache_clear()


def _draws(font: FT2Font, letter: str) -> bool:
    """Return whether the font has a glyph for the letter, and one that shows something unless it is a space."""
    has = font.get_char_index(ord(letter))
    return bool(has) and (unicodedata.category(letter)[0] in "ZM" or font.load_char(ord(letter)).width > 0)
