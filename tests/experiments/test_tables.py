"""Tables of grids and searches: their numbers by hand, in the terminal and as CSV."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from statistics import mean, median

import pytest
from make_experiments import DEFAULTS, a_training, a_trial, make_grid, make_search, unfinished
from scipy import stats

from digits.experiments.searches import Pruning, pruning_of, ranked
from digits.experiments.tables import experiment_as_text, summary_as_csv, table_of, trials_as_csv
from digits.experiments.words import counts_text, value_text


def read(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_a_grid_s_summary_has_a_row_for_everything_but_the_seed() -> None:
    grid = make_grid()
    rows = read(summary_as_csv(grid))
    assert len(rows) == 12
    first = [trial for trial in grid.trials if {**trial.values, "seed": 0} == {**grid.trials[0].values, "seed": 0}]
    accuracies = [trial.trainings[0].score["accuracy"] for trial in first]
    assert float(rows[0]["accuracy_mean"]) == pytest.approx(mean(accuracies))
    low, high = stats.ttest_1samp(accuracies, 0).confidence_interval(0.95)
    assert (float(rows[0]["accuracy_low"]), float(rows[0]["accuracy_high"])) == pytest.approx((low, high))
    assert (rows[0]["n"], rows[0]["trials"]) == ("5", "5")
    assert float(rows[0]["training_seconds_median"]) == median(trial.trainings[0].seconds for trial in first)


def test_the_table_of_a_grid() -> None:
    header, first, *others = table_of(make_grid())
    assert header[:3] == ["framework", "model", "learning rate"]
    assert first[:3] == ["PyTorch", "CNN", "0.001"]
    assert first[-1] == "5"
    assert len(others) == 11
    assert table_of(make_grid(seeds=1))[1][4:6] == ["-", "-"]  # one seed has no interval
    lines = experiment_as_text(make_grid()).splitlines()
    assert len({line.index("%") for line in lines[1:]}) == 1  # aligned


def test_what_is_not_finished_is_counted_and_has_no_numbers() -> None:
    early = unfinished(make_grid(), 22, 3)
    assert counts_text(early) == "22 of 60 trials ended: 22 complete, 3 running, 35 waiting"
    lines = table_of(early)
    assert lines[5][-1] == "2 of 5"
    assert lines[6][3:] == ["-"] * 7 + ["0 of 5"]
    assert read(summary_as_csv(early))[5]["accuracy_mean"] == ""


@pytest.mark.parametrize("objective", ["loss", "accuracy"])
def test_the_best_trials_of_a_search(objective: str) -> None:
    search = make_search(objective=objective)
    best = ranked(search)
    values = [trial.objective or 0.0 for trial in best]
    assert values == sorted(values, reverse=objective == "accuracy")
    header, *lines = table_of(search)
    assert header[:3] == ["trial", f"validation {objective}", "learning rate"]
    assert [line[0].split()[0] for line in lines[:10]] == [str(trial.number) for trial in best[:10]]
    assert any("(default)" in line[0] for line in lines)


def test_the_default_recipe_is_shown_with_its_results_wherever_it_ranks() -> None:
    search = make_search()
    default, *others = search.trials
    assert default.values.items() >= DEFAULTS.items()
    lines = table_of(replace(search, trials=(replace(default, objective=9.0), *others)))
    assert len(lines) == 1 + 10 + 1
    assert lines[-1][:2] == ["0 (default)", "9.0000"]


def test_pruning_counts_epochs() -> None:
    trained = tuple(a_training(seed, 0.98, 0.05, 9.0, 3) for seed in (0, 1))
    trials = (
        a_trial(0, {"dropout": 0.1}, trained, epochs=(0.3, 0.2, 0.1)),
        a_trial(1, {"dropout": 0.2}, state="pruned", epochs=(0.4,)),
        a_trial(2, {"dropout": 0.3}, state="failed"),
    )
    search = replace(make_search(1), trials=trials, epochs=6)
    assert pruning_of(search) == Pruning(trained=7, without=12)
    assert pruning_of(replace(search, trials=trials[:1])) is None
    assert pruning_of(replace(search, epochs=0)) is None  # nobody knows how many trial 1 would have taken
    varied = tuple(replace(trial, values={**trial.values, "epochs": 4}) for trial in trials)
    assert pruning_of(replace(search, epochs=0, trials=varied)) == Pruning(trained=7, without=6 + 8)


def test_trials_csv_has_a_row_for_every_trial_and_scores_by_seed() -> None:
    search = unfinished(make_search(failed=0.3), 40, 3)
    rows = read(trials_as_csv(search))
    assert [row["state"] for row in rows] == [trial.state for trial in search.trials]
    best = ranked(search)[0]
    row = rows[best.number]
    assert float(row["objective_validation_loss"]) == best.objective
    assert [float(row[f"accuracy_s{seed}"]) for seed in (0, 1)] == [one.score["accuracy"] for one in best.trainings]
    assert row["filters"] == value_text(best.values["filters"])
    assert row["started"].startswith("2026-03-01T09:")
    failed = next(row for row in rows if row["state"] == "failed")
    assert failed["error"] == "RuntimeError: out of memory / =the last line"
    assert (rows[-1]["state"], rows[-1]["worker"], rows[-1]["started"]) == ("waiting", "", "")


def test_cells_are_no_formulas_and_no_commands_to_the_terminal() -> None:
    search = make_search(3, 1, pruned=0, failed=0)
    evil = replace(search.trials[1], state="failed", error='=HYPERLINK("x")\n\x1b[2J', worker="@host:1", trainings=())
    search = replace(search, trials=(search.trials[0], evil, search.trials[2]))
    row = read(trials_as_csv(search))[1]
    assert row["error"].startswith("'=HYPERLINK")
    assert row["worker"] == "'@host:1"
    assert "\x1b" not in trials_as_csv(search)
    named = replace(search.trials[0], values={**search.trials[0].values, "schedule": "\x1b[31m"})
    assert "\x1b" not in experiment_as_text(replace(search, trials=(named,)))
