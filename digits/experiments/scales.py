"""How values of an option lie on an axis: as numbers, as logarithms, or as levels side by side."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from digits.experiments.records import Experiment
from digits.experiments.words import value_text

MOST_LEVELS = 8
"""Numbers of which there are more than this many different ones lie on an axis of numbers."""


@dataclass(frozen=True)
class OptionScale:
    """The axis of one option."""

    name: str
    levels: tuple[Any, ...]  # of an option with few values: these, in order; else none
    low: float  # of an axis of numbers
    high: float
    logarithmic: bool

    def positions(self, values: Sequence[Any]) -> npt.NDArray[np.float64]:
        """Return where the values lie between 0 and 1, float64 (len(values),)."""
        if self.levels:
            return np.array([(self.levels.index(value) + 0.5) / len(self.levels) for value in values])
        low, high, numbers = self.low, self.high, np.array(values, dtype=float)
        if self.logarithmic:
            low, high, numbers = math.log(low), math.log(high), np.log(numbers)
        return (numbers - low) / (high - low) if high > low else np.full(len(numbers), 0.5)

    def ticks(self, most: int = 6) -> tuple[list[float], list[str]]:
        """Return positions of ticks, and what they are labelled with."""
        values = list(self.levels) or number_ticks(self.low, self.high, self.logarithmic, most)
        return list(self.positions(values)), [value_text(value) for value in values]

    def spread(self, positions: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Return the positions, those of one level moved a little apart, in the order given, so that each is seen."""
        moved = positions.copy()
        if self.levels:
            for position in np.unique(positions):
                here = np.flatnonzero(positions == position)
                width = min(0.5 / len(self.levels), 0.15) * (1 - 1 / len(here))
                moved[here] += np.linspace(-width / 2, width / 2, len(here))
        return moved


def option_scale(experiment: Experiment, name: str) -> OptionScale:
    """Return the scale on which all trials of the experiment lie.

    Numbers lie on an axis of numbers, unless few different ones were tried again and again.
    """
    values = [trial.values.get(name) for trial in experiment.trials]
    distinct = list(dict.fromkeys(values))
    numbers = [value for value in distinct if isinstance(value, int | float) and not isinstance(value, bool)]
    if len(numbers) < len(distinct):
        return OptionScale(name, tuple(sorted(distinct, key=_level_order)), 0, 1, False)
    if len(distinct) == 1 or (len(distinct) <= MOST_LEVELS and len(distinct) < len(values)):
        return OptionScale(name, tuple(sorted(numbers)), 0, 1, False)
    logarithmic = name in experiment.logarithmic and min(numbers) > 0
    return OptionScale(name, (), float(min(numbers)), float(max(numbers)), logarithmic)


def number_ticks(low: float, high: float, logarithmic: bool, most: int) -> list[float]:
    """Return at most `most` round numbers from low to high; of logarithms 1, 2 and 5, or 1 alone, of each decade."""
    if low == high:
        return [low]
    if logarithmic:
        decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        for steps in ((1, 2, 5), (1, 3), (1,)):
            ticks = [step * 10.0**decade for decade in decades for step in steps]
            ticks = [tick for tick in ticks if low * (1 - 1e-9) <= tick <= high * (1 + 1e-9)]
            if 2 <= len(ticks) <= most:
                return ticks
        if len(ticks) > most:
            return ticks[:: math.ceil(len(ticks) / most)]
    power = 10.0 ** math.floor(math.log10((high - low) / most))
    for step in (factor * power for factor in (1, 2, 5, 10, 20)):
        first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
        if last - first < most:
            break
    return [number * step for number in range(first, last + 1)] or [low, high]


def _level_order(value: object) -> tuple[bool, str, Any]:
    """Numbers and lists of numbers in their order, words in theirs, and no value first."""
    numbers = isinstance(value, int | float | tuple)
    return (value is not None, type(value).__name__ if numbers else "", value if numbers else str(value))
