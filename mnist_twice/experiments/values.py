"""What --set and --space say: alternatives for the fields of a recipe, and ranges to search them in.

learning_rate=0.001,0.003     alternatives, separated by commas
filters=8x16,16x32            lists of numbers, their numbers joined by x
augment=on,off
learning_rate=1e-4..1e-2:log  a range, searched on a logarithmic scale; of --space alone
"""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_origin

from pydantic import ValidationError

from mnist_twice.command_line import first_fault, flat_fields, with_fields
from mnist_twice.errors import UserError
from mnist_twice.names import spelled
from mnist_twice.recipes import RECIPES, Augmentation, Recipe

FIELDS = {name: field for name, field, _ in flat_fields(Recipe()) if name not in ("model", "seed")}
"""What may be varied: every field of a recipe, amounts of augmentation included. Models and seeds have options."""


@dataclass(frozen=True)
class Range:
    """All numbers from low to high, both included; integers where both are."""

    low: int | float
    high: int | float
    log: bool = False

    def __contains__(self, value: float) -> bool:
        return self.low <= value <= self.high


Value = bool | int | float | str | tuple[int | float | str, ...] | None
Alternatives = tuple[Value, ...]
Space = dict[str, Range | Alternatives]

# What a search varies unless --space says otherwise: ranges that the models' authors and others have used. Nothing
# makes a training longer than the default recipe's. Label smoothing is left out, because it raises the loss that a
# search minimises, also where it makes networks more accurate.
_STEPS = ("learning_rate=3e-4..1e-2:log", "ema=0,0.99,0.999")
_DROPOUT, _DECAY = "dropout=0..0.6", "weight_decay=0..0.2"
_SCHEDULED = (*_STEPS, "schedule=constant,cosine,one-cycle")
_USUAL = (*_SCHEDULED, _DROPOUT, _DECAY)
_SPACES = {
    "cnn": (*_SCHEDULED, _DROPOUT),
    "cnn-wide": (*_SCHEDULED, _DROPOUT),
    "lenet5": _SCHEDULED,
    "deep-cnn": (*_STEPS, _DROPOUT),  # its learning rate falls where the validation loss does not
    "resnet": (*_SCHEDULED, _DECAY),
    "fast": ("learning_rate=1e-3..3e-2:log", *_SCHEDULED[1:], _DROPOUT),  # one epoch has to do
}


def default_space(model: str) -> Space:
    """Return what a search varies of the model's recipe."""
    batches = ",".join(str(factor * RECIPES[model].batch_size) for factor in (1, 2, 4))
    return parse_space((f"batch_size={batches}", *_SPACES.get(model, _USUAL)))


def parse_space(words: Sequence[str], option: str = "--space") -> Space:
    """Return the alternatives, or with --space the range, of each field that the words name.

    Raises UserError if a word is no such thing.
    """
    found: Space = {}
    for word in words:
        name, _, text = word.partition("=")
        name, where = name.replace("-", "_"), f"{option} {word}"
        if name in ("model", "seed", "dataset", "framework"):
            raise UserError(f"{where}: use the option --{name} for that.")
        if name not in FIELDS:
            near = difflib.get_close_matches(name, FIELDS, 1)
            hint = f"did you mean {near[0]}?" if near else "mnist_pytorch.py --help lists them."
            raise UserError(f"{where}: a recipe has no field {name!r}; {hint}")
        if not text:
            raise UserError(f"{where}: the value is missing, as in {name}={text_of(value_of(Recipe(), name))}.")
        if name in found:
            raise UserError(f"{where}: {name} is given twice; separate alternatives by commas.")
        if ".." in text and option == "--set":
            raise UserError(f"{where}: a range is for --space of a search; list the values, as in {name}=A,B.")
        found[name] = (_range if ".." in text else _alternatives)(name, text, where)
    return found


def with_values(recipe: Recipe, values: Mapping[str, Any]) -> Recipe:
    """Return the recipe with these values in fields of its own or of its augmentation, checked and read as their types.

    Amounts of augmentation have no effect without it, and are then the usual ones: so equal trainings have equal
    recipes. Raises ValidationError if a value does not fit its field.
    """
    changed: Recipe = with_fields(recipe, values)
    return changed if changed.augment else dataclasses.replace(changed, augmentation=Augmentation())


def value_of(recipe: Recipe, name: str) -> Any:
    """Return the recipe's value in a field of its own or of its augmentation."""
    return next(value for field, _, value in flat_fields(recipe) if field == name)


def text_of(value: Any) -> str:
    """Return a value as --set takes it."""
    if isinstance(value, bool):
        return "on" if value else "off"
    return "x".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def option_text(name: str) -> str:
    """Return 'learning rate' for 'learning_rate', and 'EMA' for 'ema'."""
    return "EMA" if name == "ema" else name.replace("_", " ")


def value_text(value: object) -> str:
    """Return a value for people: numbers with four significant digits, 'on' and 'off', '16 32', 'PyTorch', '-' if none.

    Whole numbers keep all of theirs.
    """
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list | tuple):
        return " ".join(map(value_text, value)) or "none"
    return spelled(str(value))


def values_text(values: Mapping[str, Any]) -> str:
    """Return a combination of values in one line: 'PyTorch · CNN · learning rate 0.003'."""
    return " · ".join(
        value_text(value) if isinstance(value, str) else f"{option_text(name)} {value_text(value)}"
        for name, value in values.items()
    )


def count(n: int, what: str) -> str:
    """Return '1 trial', '3,000 trials'."""
    return f"{n:,} {what}{'' if n == 1 else 's'}"


def _alternatives(name: str, text: str, where: str) -> Alternatives:
    values = tuple(_read(name, part, where) for part in text.split(","))
    if len({*values}) < len(values):
        raise UserError(f"{where}: a value is given twice.")
    return values


def _range(name: str, text: str, where: str) -> Range:
    text, _, scale = text.partition(":")
    if scale not in ("", "log"):
        raise UserError(f"{where}: only 'log' may follow the colon.")
    low, high = (_read(name, part, where) for part in text.split("..", 1))
    if type(low) not in (int, float):
        raise UserError(f"{where}: {name} takes no range; list its values, separated by commas.")
    if not low < high:
        raise UserError(f"{where}: the range is empty; its lower end must be first.")
    if scale and low <= 0:
        raise UserError(f"{where}: a logarithmic scale cannot begin at {low:g}.")
    return Range(low, high, bool(scale))


def _read(name: str, text: str, where: str) -> Any:
    """Return the text as a value of the field."""
    several = get_origin(FIELDS[name].annotation) is tuple
    try:
        return value_of(with_fields(Recipe(), {name: text.split("x") if several else text}), name)
    except ValidationError as error:
        raise UserError(f"{where}: {text[:60]!r} {first_fault(error)[-1]}.") from None
