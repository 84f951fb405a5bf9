"""From a search to its table, its report, and the comparison of what it found with what it started from."""

from __future__ import annotations

import html
import json
import shlex
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pandas as pd
import pytest
from browser import CHROMIUM, complaints
from scipy import stats

from mnist_twice.errors import UserError
from mnist_twice.experiments.confirm import confirmation_of
from mnist_twice.experiments.definition import Definition, command_of
from mnist_twice.experiments.options import ConfirmOptions, parse_command
from mnist_twice.experiments.results import read_experiment, table_of
from mnist_twice.recipes import RECIPES, recipe_record
from run_experiment import COMMANDS, main

pytestmark = pytest.mark.slow

Place = Callable[..., list[str]]
SEARCH = ("search", "found", "--space", "learning_rate=1e-4..1e-1:log", "dropout=0..0.5", "--trials", "6")


@pytest.fixture
def searched(place: Place, capfd: pytest.CaptureFixture[str]) -> Place:
    assert main(place(*SEARCH, "--set", "epochs=2")) == 0
    capfd.readouterr()
    return place


def test_show_prints_the_table_and_writes_files_that_need_nothing_else(
    searched: Place, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(searched("show", "found", "--format", "svg")) == 0
    out = capfd.readouterr().out
    assert out.startswith("search: MNIST sample · CNN · PyTorch · 'found'\n6 of 6 trials ended: ")
    assert "trial learning rate dropout accuracy, % loss seconds epochs" in " ".join(out.split())
    folder = tmp_path / "experiments" / "found"
    trials = pd.read_csv(folder / "trials.csv")
    assert len(trials) == 6
    for row in trials.to_dict("records"):
        assert row["last_reported"] > 0  # of pruned ones too
        started, finished = (datetime.fromisoformat(row[name]) for name in ("started", "finished"))
        assert started.utcoffset() == datetime.now().astimezone().utcoffset()
        assert started <= finished
        if row["state"] == "complete":
            assert row["objective"] == pytest.approx(row["last_reported"], abs=1e-6)
            assert (folder / row["run"] / "run.json").is_file()
    assert pd.read_csv(folder / "summary.csv")["objective"].is_monotonic_increasing
    page = html.unescape((folder / "report.html").read_text())
    assert "python run_experiment.py search found --trials 6 --space" in page
    assert page.count("<img") == 2
    assert {path.name for path in folder.glob("*.svg")} == {"history.svg", "slices.svg"}
    if CHROMIUM is not None:
        assert complaints(folder / "report.html", tmp_path) == []


def test_the_summary_of_a_grid_while_it_is_running(
    place: Place, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_FAIL", "seed=2")
    words = ("--seed", "0", "1", "2", "--set", "learning_rate=0.001,0.003", "filters=8x16,16x32")
    assert main(place("grid", "rates", "--framework", "pytorch", *words)) == 1
    capfd.readouterr()
    assert main(place("show", "rates")) == 0
    out = capfd.readouterr().out
    assert "12 of 12 trials ended: 8 complete, 4 failed.\n" in out
    folder = tmp_path / "experiments" / "rates"
    experiment = read_experiment("rates", tmp_path)
    row = pd.read_csv(folder / "summary.csv").iloc[0]
    trials = experiment.trials[experiment.trials["learning_rate"] == 0.001]
    losses = trials.loc[trials["filters"] == (8, 16), "loss"].dropna()
    low, high = stats.ttest_1samp(losses, 0).confidence_interval(0.95)
    assert [row[f"loss_{part}"] for part in ("mean", "low", "high")] == pytest.approx([losses.mean(), low, high])
    assert (row["n"], row["filters"]) == (2, "8x16")
    assert "because seed is 2" in (folder / "report.html").read_text()
    assert (folder / "combinations.png").is_file()

    # What has no numbers yet is counted, and shown as such.
    early = table_of(replace(experiment, frozen=experiment.frozen[8:9]))
    assert early.iloc[0][["n", "accuracy, %"]].to_list() == ["0", "-"]


def test_show_names_the_experiments_that_there_are(searched: Place, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"there is no experiment 'fuond' in '.*experiments': there are found\. If"):
        main(searched("show", "fuond"))
    with pytest.raises(UserError, match=r"no experiments yet\. If it is in a database, add --storage\."):
        main(["show", "found", "--output-dir", str(tmp_path / "elsewhere")])
    assert not (tmp_path / "elsewhere").exists()


def test_confirm_compares_the_best_recipe_with_the_start_once(
    searched: Place, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """The start has what --set has given the search: two epochs, as the best recipe."""
    words = searched("confirm", "found", "--seeds", "3")
    assert main(words) == 0
    out = capfd.readouterr().out
    assert out.startswith("Best recipe against start, with the seeds 1 2 3, evaluated on the test images.\n")
    folder = tmp_path / "experiments" / "found-confirm"
    record = json.loads((folder / "confirm.json").read_text())
    best = json.loads((tmp_path / "experiments" / "found" / "best.json").read_text())
    assert (record["seeds"], record["definition"]["evaluate_on"]) == ([1, 2, 3], "test")
    assert record["sentence"] in out
    assert "a p-value needs 6 seeds" in record["sentence"]
    everything, recipes = {"validation_fraction": 0.0, "seed": 0}, record["definition"]["recipes"]
    assert recipes["best"] == {**best["recipe"], **everything}
    assert recipes["start"] == {**recipe_record(RECIPES["cnn"]), **everything, "epochs": 2}
    differences = [b["accuracy"] - a["accuracy"] for a, b in zip(record["start"], record["best"], strict=True)]
    assert record["accuracy_difference"]["mean"] == pytest.approx(sum(differences) / 3)
    # By turns, so that what else the machine does hits both.
    assert [*read_experiment("found-confirm", tmp_path).trials["recipe"]] == ["start", "best"] * 3

    # A second call shows what is stored: nothing is trained, and nothing evaluated, even where all runs are gone.
    shutil.rmtree(folder / "runs")
    (folder / "confirm.json").unlink()
    assert main(words) == 0
    assert record["sentence"] in capfd.readouterr().out
    assert not (folder / "runs").exists()
    assert json.loads((folder / "confirm.json").read_text()) == record
    with pytest.raises(UserError, match=r"begun with 3 seeds.* give --seeds 3 to continue"):
        main(searched("confirm", "found"))
    for name in ("found", "found-confirm"):
        assert main(searched("show", name)) == 0
        assert record["sentence"] in capfd.readouterr().out
        assert record["sentence"] in html.unescape((tmp_path / "experiments" / name / "report.html").read_text())
    assert (folder / "confirmation.png").is_file()


def test_what_a_confirmation_says() -> None:
    assert parse_command(ConfirmOptions(), "confirm", "", ["x"]).seeds == 6

    def sentence(differences: list[float], epochs: int = 3) -> str:
        recipes = {"start": replace(RECIPES["mlp"], epochs=3), "best": replace(RECIPES["mlp"], epochs=epochs)}
        definition = Definition("confirm", "mnist", "", "test", "loss", ("pytorch",), recipes, tuple(range(6)))
        start = pd.DataFrame({"seed": range(7), "recipe": "start", "accuracy": 0.9, "loss": 1, "training_seconds": 10})
        scores = {"accuracy": [0.9 + each for each in differences], "training_seconds": 5}
        best = start[: len(differences)].assign(recipe="best", **scores)
        found = confirmation_of(definition, pd.concat([start, best]))
        return found["sentence"] if found else ""

    assert sentence([0.01, 0.012, 0.008, 0.011, 0.01, 0.009]) == (
        "Best recipe against start: +1.00 percentage points of test accuracy (95 % interval +0.85 to +1.15, n = 6 of "
        "6 seeds) and 0.50 times the training seconds. The interval excludes 0: the best recipe is more accurate; "
        "p = 0.031 by the exact permutation test of the paired differences."
    )
    assert "includes 0: these seeds show no difference" in sentence([0.01, -0.02, 0, 0.01, 0.01, -0.01])
    assert sentence([-0.01] * 5).endswith("the start is more accurate; a p-value needs 6 seeds.")
    assert sentence([0.01]) == ""
    assert sentence([0.01] * 6, 9).endswith("Epochs: 9 with the best recipe, 3 with the start.")


def test_what_cannot_be_confirmed_is_refused(place: Place, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no experiment 'found'"):
        main(place("confirm", "found"))
    assert main(place("search", "one", "--space", "dropout=0..0.5", "--trials", "1")) == 0
    with pytest.raises(UserError, match="the best recipe of 'one' is its start"):
        main(place("confirm", "one"))
    assert main(place("grid", "rates", "--framework", "pytorch", "--set", "epochs=1")) == 0
    with pytest.raises(UserError, match="'rates' is a grid; only a search has a best recipe to confirm"):
        main(place("confirm", "rates"))
    assert not (tmp_path / "experiments" / "one-confirm").exists()


@pytest.mark.nightly
def test_recipes_that_watch_validation_images_keep_them(place: Place, tmp_path: Path) -> None:
    words = ("search", "kept", "--space", "learning_rate=0.002,0.003", "--trials", "3", "--set", "keep_best=on")
    assert main(place(*words)) == 0
    assert main(place("confirm", "kept", "--seeds", "2")) == 0
    recipes = read_experiment("kept-confirm", tmp_path).definition.recipes
    assert {recipe.validation_fraction for recipe in recipes.values()} == {0.1}


@pytest.mark.parametrize(
    "words",
    [
        ("grid", "x", "--set", "learning_rate=0.001,0.003", "filters=8x16,16x32", "augment=on,off"),
        ("grid", "x", "--model", "mlp", "--seed", "0", "1", "--init-from", "a grid"),
        ("search", "x", "--trials", "7", "--set", "augment=on", "--space", "shift=0..3", "epochs=1..5", "--seed", "7"),
        ("confirm", "x", "--seeds", "8"),
    ],
)
def test_the_command_in_the_report_makes_the_same_experiment(words: tuple[str, ...]) -> None:
    command, *rest = words
    asked = parse_command(COMMANDS[command][1], command, "", rest)
    python, script, again, *others = shlex.split(command_of(command, asked))
    assert (python, script, again) == ("python", "run_experiment.py", command)
    assert parse_command(COMMANDS[command][1], command, "", others) == asked
