"""Importance: which of the options that were searched decide whether a trial is among the best."""

from __future__ import annotations

from matplotlib.figure import Figure

from digits.experiments.importance import TOP, Importance, counted
from digits.experiments.records import Experiment
from digits.experiments.words import option_text, subject
from digits.figures.page import add_axes, new_figure
from digits.figures.style import BLUE, INK, MARGIN, ORANGE, SMALL_SIZE, tidy_axes
from digits.figures.text import fit_text, text_width
from digits.names import percent

WIDTH, ROW = 9.4, 0.42  # inches; the height of an option


def plot_importance(experiment: Experiment, importances: list[Importance]) -> Figure:
    """Return the figure of the importances of a search, of which there must be one at least."""
    first = importances[0]
    title = f"What decides most is the {option_text(first.name)}: {percent(first.share, 0)} of the importance"
    if len(importances) > 1 and importances[1].high > first.low:
        title = f"No option clearly decides most; first comes the {option_text(first.name)}, {percent(first.share, 0)}"
    explanation = (
        f"PED-ANOVA over {len(counted(experiment)):,} complete and pruned trials: how far an option's values in the "
        f"best {percent(TOP, 0)} of them differ from those in all of them. The shares add up to 100 %. Lines: 90 % "
        "intervals over resamples of the trials. An option with a small share may matter outside the values tried."
    )
    names = [fit_text(option_text(one.name), SMALL_SIZE, 2.4) for one in importances]
    left = MARGIN + max(text_width(name, SMALL_SIZE) for name in names) + 0.15
    height = max(ROW * len(importances), 0.8)
    with new_figure(title, subject(experiment), explanation, WIDTH, height + 0.6) as (figure, top):
        axes = add_axes(figure, left, top, WIDTH - left - MARGIN - 0.7, height)
        for row, one in enumerate(importances):
            axes.barh(row, 100 * one.share, height=0.6, color=ORANGE if row == 0 else BLUE, alpha=0.85)
            axes.plot([100 * one.low, 100 * one.high], [row, row], color=INK, linewidth=1.6)
            end = 100 * max(one.share, one.high)
            axes.annotate(
                percent(one.share, 0), (end, row), (6, 0), textcoords="offset points", va="center", size=SMALL_SIZE
            )
        axes.set(xlim=(0, max(100 * max(one.high, one.share) for one in importances)), xlabel="Importance, %")
        axes.set(ylim=(len(importances) - 0.5, -0.5))
        axes.set_yticks(range(len(names)), names)
        tidy_axes(axes, "x")
    return figure
