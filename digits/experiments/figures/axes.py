"""The axes of an experiment's figures: one of the objective, and ticks of options."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from digits.experiments.records import Experiment
from digits.experiments.scales import OptionScale
from digits.experiments.words import objective_label
from digits.figures.style import SMALL_SIZE
from digits.figures.text import fit_text

MARGIN = 0.06
"""Free at either end of an axis, as a fraction of what it shows."""


@dataclass(frozen=True)
class ObjectiveScale:
    """The axis of the objective, which shows the better half of the trials whole and the others as far as it reaches.

    A few trainings that diverged would otherwise push all others into one line.
    """

    label: str
    lower_is_better: bool
    unit: float  # 100 for an accuracy, which is shown in percent
    low: float  # ends of the axis, in the unit shown
    high: float

    def clip(self, values: Sequence[float]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
        """Return the values in the unit shown, those beyond the axis moved to its end, and which these are."""
        shown = self.unit * np.array(values, dtype=float)
        inside = np.clip(shown, self.low, self.high)
        return inside, shown != inside

    def apply(self, axes: Axes) -> None:
        """Give the vertical axis its ends, with a margin, and its ticks."""
        margin = MARGIN * (self.high - self.low)
        axes.set_ylim(self.low - margin, self.high + margin)
        axes.yaxis.set_major_locator(MaxNLocator(6))
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")


def objective_scale(experiment: Experiment, values: Sequence[float]) -> ObjectiveScale:
    """Return the scale for these values of the objective, of which there must be one at least."""
    unit, lower_is_better = (1.0, True) if experiment.objective == "loss" else (100.0, False)
    shown = np.sort(unit * np.array(values, dtype=float))
    shown = shown if lower_is_better else shown[::-1]  # the best first
    best, middle, worst = shown[0], shown[(len(shown) - 1) // 2], shown[-1]
    reach = best + 3 * (middle - best)
    end = (min if lower_is_better else max)(worst, reach) if middle != best else worst
    low, high = sorted((float(best), float(end)))
    if low == high:
        low, high = low - 0.05 * (abs(low) or 1), high + 0.05 * (abs(high) or 1)
    return ObjectiveScale(objective_label(experiment), lower_is_better, unit, low, high)


def end_at_100(axes: Axes) -> None:
    """Have a horizontal axis of percentages end where they do, though intervals reach beyond."""
    low, high = axes.get_xlim()
    axes.set_xlim(low, min(high, 100 + 0.05 * (high - low)))


def apply_ticks(axes: Axes, scale: OptionScale, width: float) -> None:
    """Show an option along the horizontal axis, `width` inches long, on which positions between 0 and 1 are plotted."""
    positions, texts = scale.ticks(max(2, int(width / 0.65)))
    if scale.levels:
        texts = [fit_text(text, SMALL_SIZE, width / len(texts) - 0.08) for text in texts]
    axes.set_xlim(-MARGIN, 1 + MARGIN)
    axes.set_xticks(positions, texts)
