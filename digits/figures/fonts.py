"""Names of classes in any script: in a font that has their characters, and by number where there is none."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TypeVar

from matplotlib.font_manager import findSystemFonts, fontManager
from matplotlib.ft2font import FT2Font, StyleFlags

from digits.data import Dataset
from digits.evaluation import Evaluation, PairComparison
from digits.figures.style import FONTS
from digits.figures.text import has_glyph, text_width
from digits.runs import Run

MOST_LISTED = 20  # names in a note
PLACEHOLDERS = ("lastresort", "blank", "tofu")
"""In the names of fonts that have a glyph for every character, a box or nothing."""

_sought: set[str] = set()
Named = TypeVar("Named", Run, Dataset)


def class_labels(names: Sequence[str]) -> list[str]:
    """Return what figures call the classes: each by its name, or by '#3' where no font here can draw the name of 3."""
    missing = {character for name in names for character in name if character.isprintable()} - _sought
    missing = {character for character in missing if not has_glyph(character)}
    _sought.update(missing)
    if missing:
        _find_fonts(missing)
    return [
        name if all(letter.isprintable() and has_glyph(letter) for letter in name) else f"#{number}"
        for number, name in enumerate(names)
    ]


def note_on_labels(names: Sequence[str]) -> str | None:
    """Return a sentence on the classes that figures show by number; None where each has its name."""
    pairs = zip(class_labels(names), names, strict=True)
    numbered = [f"{label} {name}" for label, name in pairs if label != name and label.startswith("#")]
    if not numbered:
        return None
    more = f" and {len(numbered) - MOST_LISTED:,} more" if len(numbered) > MOST_LISTED else ""
    return (
        f"no font here has all characters of {len(numbered):,} class names, so the figures show these classes by "
        f"number: {', '.join(numbered[:MOST_LISTED])}{more}; the report's table of classes has both. Install a font "
        "for them (Noto has one for every script), then run this again."
    )


def with_labels(one: Named) -> Named:
    """Return the run or dataset with the names of its classes as figures show them."""
    if isinstance(one, Dataset):
        return replace(one, class_names=tuple(class_labels(one.class_names)))
    return replace(one, info={**one.info, "class_names": class_labels(one.class_names)})


def evaluation_with_labels(evaluation: Evaluation) -> Evaluation:
    """Return the evaluation with the names of its classes as figures show them."""
    run = with_labels(evaluation.run)
    scores = [replace(score, name=label) for score, label in zip(evaluation.per_class, run.class_names, strict=True)]
    return replace(evaluation, run=run, per_class=scores)


def pair_with_labels(pair: PairComparison) -> PairComparison:
    """Return the pair with the names of its runs' classes as figures show them."""
    return replace(pair, a=with_labels(pair.a), b=with_labels(pair.b))


def _find_fonts(missing: Iterable[str]) -> None:
    """Add to FONTS those installed fonts that have most of these characters, until none has another one."""
    missing, found = set(missing), {}
    # Not by matplotlib's list of fonts, which it keeps on disk: a font that was just installed is not in it.
    for path in sorted(findSystemFonts()):
        try:
            font = FT2Font(path)
            placeholder = any(word in font.family_name.lower().replace(" ", "") for word in PLACEHOLDERS)
            if font.scalable and not placeholder:
                found[path] = font, {character for character in missing if _draws(font, character)}
        except (OSError, RuntimeError):  # damaged, or of a kind that matplotlib does not read
            continue

    def rank(path: str) -> tuple[int, bool, bool]:
        font, has = found[path]
        plain = not font.style_flags & (StyleFlags.BOLD | StyleFlags.ITALIC)
        return len(has & missing), plain, "sans" in font.family_name.lower()

    while missing and found:
        best = max(found, key=rank)
        font, has = found.pop(best)
        if not has & missing:
            break
        fontManager.addfont(best)
        FONTS.append(font.family_name)
        missing -= has
    has_glyph.cache_clear()
    text_width.cache_clear()


def _draws(font: FT2Font, character: str) -> bool:
    """Return whether the font has a glyph for the character, and one that shows something unless it is a space."""
    if not font.get_char_index(ord(character)):
        return False
    return unicodedata.category(character)[0] in "ZM" or font.load_char(ord(character)).width > 0
