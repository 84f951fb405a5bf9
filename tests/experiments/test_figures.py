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
from digits.experiments.figures.axes import objective_scale
from digits.experiments.figures.history import plot_history
from digits.experiments.figures.parallel import plot_parallel
from digits.experiments.figures.slices import plot_slices
from digits.experiments.figures.timeline import plot_timeline
from digits.experiments.importance import importances_of
from digits.experiments.registry import figures_of
from digits.experiments.scales import number_ticks, option_scale
from digits.experiments.searches import ranked

pytestmark = pytest.mark.slow

EXPERIMENTS = {
    "a grid": make_grid(),
    "a grid of one": make_grid(1, ("cnn",)),
    "a grid that is running": unfinished(make_grid(), 22, 3),
    "a search": make_search(),
    "a search for accuracy": make_search(objective="accuracy", seeds=1),
    "one trial": make_search(1, 1, pruned=0, failed=0),
    "all pruned": make_search(12, 1, pruned=1.1, failed=0),
    "all failed": make_search(12, 1, pruned=0, failed=1.1),
    "a search that is running": unfinished(make_search(), 20, 3),
    "40 workers": make_search(200, 40),
    "3,000 trials": make_search(3000, 5),
    "not started": replace(make_search(), trials=()),
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
        "not started": set(),
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


def test_trainings_that_diverged_do_not_hide_the_others() -> None:
    values = [0.04, 0.05, 0.06, 2.3, 2.3]
    scale = objective_scale(make_search(1), values)
    assert (scale.low, scale.high) == (0.04, pytest.approx(0.1))
    shown, beyond = scale.clip(values)
    assert list(shown) == [0.04, 0.05, 0.06, scale.high, scale.high]
    assert list(beyond) == [False] * 3 + [True] * 2
    accuracy = objective_scale(make_search(1, objective="accuracy"), [0.99, 0.98, 0.1])
    assert (accuracy.low, accuracy.high) == (pytest.approx(96), 99)
    equal = objective_scale(make_search(1), [0.5, 0.5])
    assert equal.low < 0.5 < equal.high


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
    for pruned in (0.0, 0.4):
        first, *others = importances_of(make_search(120, pruned=pruned))
        assert first.name == "learning_rate"
        assert first.low <= first.share <= first.high
        assert sum(one.share for one in (first, *others)) == pytest.approx(1)
    assert importances_of(make_search(9, pruned=0, failed=0)) == []
    _, notes = figures_of(make_search(9, pruned=0, failed=0), Path())
    (note,) = notes
    assert note.startswith("the figure of importance is left out: of 9 trials it would be guesswork; 10 ")


def test_scales() -> None:
    search = make_search()
    rate, size, schedule = (option_scale(search, name) for name in ("learning_rate", "batch_size", "schedule"))
    assert rate.logarithmic
    assert not rate.levels
    assert (size.levels, schedule.levels) == ((32, 64, 128), ("constant", "cosine", "one-cycle"))
    assert list(size.positions([32, 64, 128])) == pytest.approx([1 / 6, 1 / 2, 5 / 6])
    middle = math.sqrt(rate.low * rate.high)
    assert rate.positions([rate.low, middle, rate.high]) == pytest.approx([0, 0.5, 1])
    # Values of which none comes again are numbers, however few.
    assert option_scale(make_search(3, 1), "dropout").levels == ()
    assert option_scale(search, "filters").levels == ((16, 32), (24, 48), (32, 64))
    mixed = replace(
        search,
        trials=tuple(replace(t, values={"x": v}) for t, v in zip(search.trials[:4], (None, 1, True, "a"), strict=True)),
    )
    assert option_scale(mixed, "x").levels[0] is None


@pytest.mark.parametrize(
    ("low", "high", "logarithmic", "ticks"),
    [
        (0.02, 0.48, False, [0.1, 0.2, 0.3, 0.4]),
        (1e-4, 0.1, True, [1e-4, 1e-3, 1e-2, 1e-1]),
        (2e-4, 0.05, True, [1e-3, 1e-2]),
        (0.0011, 0.0016, True, [0.0011, 0.0012, 0.0013, 0.0014, 0.0015, 0.0016]),
        (5, 5, False, [5]),
        (1, 100, False, [20, 40, 60, 80, 100]),
    ],
)
def test_ticks_are_round(low: float, high: float, logarithmic: bool, ticks: list[float]) -> None:
    found = number_ticks(low, high, logarithmic, 6)
    if (low, high) == (2e-4, 0.05):  # 1, 2 and 5 of each decade are too many; 1 and 3 are not
        ticks = [3e-4, 1e-3, 3e-3, 1e-2, 3e-2]
    assert found == pytest.approx(ticks)
