"""From a search to its table, its report, and the comparison of what it found with the default recipe."""

from __future__ import annotations

import json
import shlex
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from experiments.postgresql import PostgreSQL
from experiments.workers import Worker, run_experiment, wait_until

from digits.data import load_dataset
from digits.errors import UserError
from digits.experiments.define import grid_definition, search_definition
from digits.experiments.options import GridOptions, SearchOptions, parse_command
from digits.experiments.repeat import command_of
from digits.experiments.study import read_experiment, read_study
from digits.recipes import RECIPES, recipe_record

pytestmark = pytest.mark.slow

Place = Callable[..., list[str]]
SEARCH = ("search", "found", "--space", "learning_rate=1e-4..1e-1:log", "dropout=0..0.5", "--trials", "6")


@pytest.fixture
def searched(place: Place, capfd: pytest.CaptureFixture[str]) -> Place:
    assert run_experiment(place(*SEARCH)) == 0
    capfd.readouterr()
    return place


def test_show_prints_the_table_and_says_what_it_wrote(
    searched: Place, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run_experiment(searched("show", "found", "--format", "svg")) == 0
    out = capfd.readouterr().out
    assert out.startswith("search: MNIST sample · CNN · PyTorch · 'found'\n6 of 6 trials ended: ")
    assert "validation loss  learning rate  dropout  accuracy  training  epochs  n" in out
    assert f"  {tmp_path / 'experiments' / 'found'}/: trials.csv, summary.csv, report.html\n" in out
    folder = tmp_path / "experiments" / "found"
    assert len((folder / "trials.csv").read_text().splitlines()) == 1 + 6
    assert "python run_experiment.py search found --dataset mnist-sample" in (folder / "report.html").read_text()

    assert run_experiment(searched("show", "found", "--format", "svg")) == 0
    assert "of which 0 rendered now" in capfd.readouterr().out


def test_show_names_the_experiments_that_there_are(searched: Place, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"there is no experiment 'fuond' in '.*experiments': there are found; one of"):
        run_experiment(searched("show", "fuond"))
    with pytest.raises(UserError, match="there is none"):
        run_experiment(["show", "found", "--output-dir", str(tmp_path / "elsewhere")])
    assert not (tmp_path / "elsewhere").exists()


def test_confirm_compares_the_best_recipe_with_the_default_one_once(
    searched: Place, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    words = searched("confirm", "found", "--seeds", "3")
    assert run_experiment(words) == 0
    out = capfd.readouterr().out
    assert "6 trainings with the seeds 1 2 3, on all training images; evaluated on the test images" in out
    assert "The best recipe is " in out
    folder = tmp_path / "experiments" / "found-confirm"
    record = json.loads((folder / "confirm.json").read_text())
    best = json.loads((tmp_path / "experiments" / "found" / "best.json").read_text())
    assert record["seeds"] == [1, 2, 3]
    assert record["evaluated_on"] == "test"
    assert record["sentence"] in out
    everything = {"validation_fraction": 0.0, "seed": 0}
    assert record["recipes"]["best"] == {**best["recipe"], **everything}
    assert record["recipes"]["default"] == {**recipe_record(RECIPES["cnn"]), **everything}
    differences = [
        b["score"]["accuracy"] - a["score"]["accuracy"] for a, b in zip(record["default"], record["best"], strict=True)
    ]
    assert record["accuracy_difference"]["mean"] == pytest.approx(sum(differences) / 3)

    experiment = read_experiment("found-confirm", tmp_path)
    assert experiment.kind == "confirm"
    # By turns, so that what else the machine does hits both.
    assert [trial.values["recipe"] for trial in experiment.trials] == ["default", "best"] * 3

    # A second call shows what is stored: nothing is trained, and nothing evaluated, even where all runs are gone.
    shutil.rmtree(folder / "runs")
    (folder / "confirm.json").unlink()
    assert run_experiment(words) == 0
    assert record["sentence"] in capfd.readouterr().out
    assert not (folder / "runs").exists()
    assert json.loads((folder / "confirm.json").read_text()) == record
    with pytest.raises(UserError, match=r"begun with 3 seeds.* give --seeds 3 to continue"):
        run_experiment(searched("confirm", "found"))

    for name in ("found", "found-confirm"):
        assert run_experiment(searched("show", name)) == 0
        assert record["sentence"] in capfd.readouterr().out
        assert record["remark"] in (tmp_path / "experiments" / name / "report.html").read_text()
    assert (folder / "confirmation.png").is_file()


@pytest.mark.nightly
def test_both_work_with_a_storage_too(place: Place, postgresql: PostgreSQL, capfd: pytest.CaptureFixture[str]) -> None:
    storage = ["--storage", postgresql.address("show")]
    assert run_experiment(place(*SEARCH, *storage)) == 0
    capfd.readouterr()
    assert run_experiment(place("confirm", "found", "--seeds", "2", *storage)) == 0
    sentence = next(line for line in capfd.readouterr().out.splitlines() if line.startswith("The best recipe"))
    assert run_experiment(place("show", "found", *storage)) == 0
    assert sentence in capfd.readouterr().out
    with pytest.raises(UserError, match="there are found, found-confirm"):
        run_experiment(place("show", "lost", *storage))


@pytest.mark.nightly
def test_an_interrupted_confirmation_continues_with_the_recipe_that_it_was_begun_with(
    searched: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FAKE_EPOCH", "0.3")
    words = searched("confirm", "found", "--seeds", "2")
    worker = Worker(tmp_path / "worker.txt", words)
    wait_until(lambda: "accuracy" in worker.text())
    worker.send(signal.SIGINT)
    assert worker.wait() == 130
    begun = read_study("found-confirm", tmp_path).definition
    # The search goes on meanwhile, and may find a better recipe.
    monkeypatch.setenv("FAKE_EPOCH", "0.02")
    assert run_experiment(searched(*SEARCH[:-1], "12")) == 0
    assert run_experiment(words) == 0
    assert "The best recipe is" in capfd.readouterr().out
    assert read_study("found-confirm", tmp_path).definition == begun


def test_what_cannot_be_confirmed_is_refused(place: Place, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UserError, match="there is no experiment 'found'"):
        run_experiment(place("confirm", "found"))
    assert run_experiment(place("search", "one", "--space", "dropout=0..0.5", "--trials", "1")) == 0
    with pytest.raises(UserError, match="the best recipe of 'one' is the default one"):
        run_experiment(place("confirm", "one"))
    assert run_experiment(place("grid", "rates", "--framework", "pytorch", "--set", "epochs=1")) == 0
    with pytest.raises(UserError, match="'rates' is a grid, and only a search has a best recipe to confirm"):
        run_experiment(place("confirm", "rates"))
    assert not (tmp_path / "experiments" / "one-confirm").exists()


@pytest.mark.nightly
def test_recipes_that_watch_validation_images_keep_them(
    place: Place, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    words = ("search", "kept", "--space", "learning_rate=0.002,0.003", "--trials", "3", "--set", "keep_best=on")
    assert run_experiment(place(*words)) == 0
    assert run_experiment(place("confirm", "kept", "--seeds", "2")) == 0
    assert "on 90 % of the training images (a recipe watches the others while it trains)" in capfd.readouterr().out
    recipes = read_study("kept-confirm", tmp_path).definition.recipes
    assert {recipe.validation_fraction for recipe in recipes.values()} == {0.1}


@pytest.mark.parametrize(
    "words",
    [
        ("grid", "x", "--set", "learning_rate=0.001,0.003", "filters=8x16,16x32", "augment=on,off"),
        ("grid", "x", "--model", "mlp", "--seed", "0", "1", "--init-from", "a grid"),
        ("search", "x", "--trials", "7", "--set", "augment=on", "rotation=5", "--space", "shift=0..3", "epochs=1..5"),
        ("search", "x", "--space", "dropout=0..0.5", "batch_size=32,64", "--objective", "accuracy", "--seeds", "3"),
    ],
)
def test_the_command_in_the_report_makes_the_same_experiment(place: Place, words: tuple[str, ...]) -> None:
    def defined(given: list[str]) -> tuple[object, str]:
        command, *rest = given
        if command == "grid":
            grid = parse_command(GridOptions(), command, "", rest)
            definition, _ = grid_definition(grid, load_dataset(grid.dataset, grid.data_dir).fingerprint)
            return definition, command_of(definition, grid.experiment, 0)
        search = parse_command(SearchOptions(), command, "", rest)
        definition = search_definition(search, load_dataset(search.dataset, search.data_dir))
        return definition, command_of(definition, search.experiment, search.trials)

    definition, command = defined(place(*words))
    python, script, *again = shlex.split(command)
    assert (python, script) == ("python", "run_experiment.py")
    assert defined([*again, *place(*words)[-4:-2]]) == (definition, command)  # with --data-dir
