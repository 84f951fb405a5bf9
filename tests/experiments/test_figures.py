"""The figures of experiments: what they say, and that they can be read whatever the experiment is like."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from figure_checks import all_texts, assert_readable, words
from make_experiments import make_grid, make_search, unfinished
from matplotlib.figure import Figure

from digits.experiments import Experiment
from digits.experiments.figures.history import plot_history
from digits.experiments.figures.parallel import plot_parallel
from digits.experiments.figures.slices import plot_slices
from digits.experiments.figures.timeline import plot_timeline
from digits.experiments.importance import importances_of
from digits.experiments.registry import figures_of
from digits.experiments.scales import option_scale
from digits.experiments.searches import ranked

pytestmark = pytest.mark.slow

EXPERIMENTS = {
    "a grid": make_grid(),
    "a grid that is running": unfinished(make_grid(), 22, 3),
    "a search for accuracy": make_search(objective="accuracy", seeds=1),
    "one trial": make_search(1, 1, pruned=0, failed=0),
    "all pruned": make_search(12, 1, pruned=1.1, failed=0),
    "all failed": make_search(12, 1, pruned=0, failed=1.1),
    "a search that is running": unfinished(make_search(), 20, 3),
}


def plotted(experiment: Experiment) -> dict[str, Figure]:
    return {spec.name: spec.plot() for spec in figures_of(experiment, Path())[0]}


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_figure_can_be_read(name: str) -> None:
    experiment = EXPERIMENTS[name]
    figures = plotted(experiment)
    for figure in figures.values():
        assert_readable(figure)
        assert not re.search(r"\b(nan|inf|None)\b", words(figure))
        assert experiment.name in words(figure)
    expected = {
        "all failed": {"timeline"},
        "one trial": {"history", "slices", "parallel_coordinates", "timeline"},
        "all pruned": {"history", "slices", "importance", "timeline"},
    }
    search = {"history", "slices", "parallel_coordinates", "importance", "timeline"}
    usual = search if experiment.kind == "search" else {"combinations", "timeline"}
    assert figures.keys() == expected.get(name, usual)


def test_names_of_workers_and_values_may_be_long() -> None:
    search = make_search(30)
    trials = tuple(
        replace(
            trial,
            worker=f"{'a-very-long-host-name' * 4}:{number % 3}",
            values={**trial.values, "schedule": f"$x_{number % 4}$ {'long ' * 30}"},
        )
        for number, trial in enumerate(search.trials)
    )
    for figure in plotted(replace(search, trials=trials)).values():
        assert_readable(figure)


def test_values_that_are_not_finite_are_left_out() -> None:
    search = make_search(30, pruned=0, failed=0)
    trials = [
        replace(trial, objective=math.nan if number == 3 else math.inf) if number in (3, 4) else trial
        for number, trial in enumerate(search.trials)
    ]
    trials[5] = replace(trials[5], state="pruned", epochs=(0.3, math.nan), objective=None, trainings=())
    search = replace(search, trials=tuple(trials))
    assert {3, 4} & {trial.number for trial in ranked(search)} == set()
    for figure in plotted(search).values():
        assert_readable(figure)


def test_trainings_that_diverged_do_not_hide_the_others() -> None:
    search = make_search(5, pruned=0, failed=0)
    pairs = zip(search.trials, (0.04, 0.05, 0.06, 2.3, 2.3), strict=True)
    trials = tuple(replace(trial, objective=loss) for trial, loss in pairs)
    low, high = plot_history(replace(search, trials=trials)).axes[0].get_ylim()
    assert low < 0.04 < 0.06 < high < 0.2


def test_the_history_says_which_trial_is_best_and_what_pruning_saved() -> None:
    search = make_search()
    best = ranked(search)[0]
    figure = plot_history(search)
    assert f"Best validation loss {best.objective:.4f}, in trial {best.number} of 60" in words(figure)
    assert "Pruning saved 31 % of the epochs: 250 of 360 were trained." in words(figure)
    line = next(line for line in figure.axes[0].lines if line.get_label() == "best so far")
    heights = np.asarray(line.get_ydata(), float)
    assert (np.diff(heights) <= 0).all()
    assert heights[-1] == best.objective
    assert "All 12 trials were pruned" in words(plot_history(EXPERIMENTS["all pruned"]))


def test_the_best_trial_is_highlighted_in_parallel_coordinates() -> None:
    search = make_search()
    best = ranked(search)[0]
    figure = plot_parallel(search)
    title = words(figure)
    assert f"learning rate {best.values['learning_rate']:.4g}" in title.replace("\n", " ")
    assert f"trial {best.number}." in title
    scale = option_scale(search, "learning_rate")
    orange = figure.axes[0].lines[1]
    assert np.asarray(orange.get_ydata())[0] == pytest.approx(scale.positions([best.values["learning_rate"]])[0])
    assert np.asarray(orange.get_ydata())[-1] == 1


def test_slices_have_a_panel_for_each_option() -> None:
    figure = plot_slices(make_search())
    labels = [axes.get_xlabel() for axes in figure.axes]
    assert labels == ["Learning rate (log)", "Dropout", "Batch size", "Schedule", "Filters"]
    texts = {text.get_text() for text in all_texts(figure)}
    assert {"constant", "cosine", "one-cycle", "16 32", "32", "64", "128"} <= texts


def test_the_timeline_counts_who_was_busy() -> None:
    assert "60 trials by 3 workers" in words(plot_timeline(make_search()))
    assert "On average 2.0 of the 2 workers were busy" in words(plot_timeline(make_grid()))
    many = plot_timeline(make_search(100, 80))
    assert "The first 60 workers are shown" in words(many)
    assert len(many.axes[0].get_yticks()) == 60


def test_importance_finds_what_matters_also_where_much_was_pruned() -> None:
    first, *others = importances_of(make_search(120))
    assert first.name == "learning_rate"
    assert first.low <= first.share <= first.high
    assert sum(one.share for one in (first, *others)) == pytest.approx(1)
    _, notes = figures_of(make_search(9, pruned=0, failed=0), Path())
    (note,) = notes
    assert note.startswith("the figure of importance is left out: of 9 trials it would be guesswork; 10 ")
