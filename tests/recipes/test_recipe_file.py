"""Recipes in files: read as they were written, refused with a sentence, and overridden by options."""

from __future__ import annotations

import json
import shlex
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from make_runs import make_run
from recipe_strategies import RECIPES_OF_ANY_KIND

from mnist_twice.errors import UserError
from mnist_twice.recipes import (
    RECIPES,
    Augmentation,
    Options,
    Recipe,
    command_words,
    complete_record,
    parse_options,
    read_recipe,
    recipe_record,
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "best.json"


@given(RECIPES_OF_ANY_KIND)
def test_a_recipe_is_read_as_it_was_written(recipe: Recipe) -> None:
    record = recipe_record(recipe)
    with tempfile.TemporaryDirectory() as folder:
        for content in (record, {"recipe": record, "model": "not of the recipe"}):
            path = Path(folder) / "recipe.json"
            path.write_text(json.dumps(content), encoding="utf-8")
            assert read_recipe(path) == recipe


def test_missing_fields_are_the_model_s(file: Path) -> None:
    file.write_text('{"recipe": {"model": "deep-cnn", "epochs": 5, "augmentation": {"flip": 0.5}}}')
    assert read_recipe(file) == replace(RECIPES["deep-cnn"], epochs=5, augmentation=Augmentation(flip=0.5))
    file.write_text('{"epochs": 5}')
    assert read_recipe(file) == Recipe(epochs=5)
    assert read_recipe(file, "mlp") == replace(RECIPES["mlp"], epochs=5)
    assert parse_options("", ["--recipe", str(file), "--model", "mlp"]).recipe.filters == ()


def test_a_run_gives_its_recipe(tmp_path: Path) -> None:
    recipe = replace(RECIPES["mlp"], epochs=2, dense=(32, 16), seed=4)
    run = make_run(tmp_path, model="mlp", seed=4, recipe=recipe)
    options = parse_options("", shlex.split(f"--recipe {run}/run.json --epochs 7 --model mlp"))
    assert options == Options(replace(recipe, epochs=7))
    # The command that repeats it does not need the file.
    words = "python mnist_pytorch.py --dataset mnist --model mlp --dense 32 16 --epochs 7 --seed 4"
    assert " ".join(command_words("mnist_pytorch.py", options)) == words


def test_amounts_in_a_file_count_only_with_augmentation(file: Path) -> None:
    file.write_text('{"augment": true, "augmentation": {"rotation": 5}}')
    assert parse_options("", ["--recipe", str(file)]).recipe.augmentation == Augmentation(rotation=5)
    assert parse_options("", [f"--recipe={file}", "--shift", "1"]).recipe.augmentation == Augmentation(5, 1)
    assert parse_options("", ["--recipe", str(file), "--no-augment"]) == Options(Recipe())


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ({"learning_rate": -1}, "has -1 as learning_rate, which must be greater than 0"),
        ({"recipe": {"epochs": True}}, "has True as epochs, which must be a whole number"),
        ({"betas": [0.9]}, "betas.1"),
        ({"model": "mlp", "filters": [8]}, "--filters of mlp must be 0 numbers"),
        ({"model": ["cnn"]}, "as model, which must"),
        ({"augmentation": {"rotation": 181}}, "has 181 as augmentation.rotation, which must be at most 180"),
        ({"lr": 0.1}, "has 'lr', which is no field of a recipe"),
        ({"augmentation": {"lr": 0.1}}, "has 0.1 as augmentation.lr, which"),
        ({"keep_best": True, "validation_fraction": 0}, "--keep-best needs validation images"),
        ([0.1], "has no recipe"),
        ("{", "is not JSON"),
        ('{"epochs": NaN}', "is not JSON"),
    ],
)
def test_what_is_no_recipe_is_refused(file: Path, content: Any, sentence: str) -> None:
    file.write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(UserError) as refused:
        read_recipe(file)
    assert str(refused.value).startswith(f"'{file}' ")
    assert sentence in str(refused.value)
    assert str(refused.value).endswith(".")


def test_the_scripts_refuse_it_with_status_2(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for sentence in ("'{}' is missing.", "--model cnn is not the model of --recipe {}, mlp; leave one"):
        with pytest.raises(SystemExit, match="2"):
            parse_options("", ["--recipe", str(file), "--model", "cnn"])
        assert capsys.readouterr().err.startswith(f"error: {sentence.format(file)}")
        file.write_text('{"model": "mlp"}')


def test_a_recorded_recipe_of_an_earlier_version_means_the_defaults_for_newer_fields() -> None:
    record = recipe_record(Recipe(epochs=7))
    del record["split"], record["augmentation"]["flip"], record["augmentation"]["cutout"]
    record["augmentation"]["elastic"] = 34.0  # the usual one of an earlier version, without --augment
    assert complete_record(record) == recipe_record(Recipe(epochs=7))
    assert complete_record({**record, "augment": True})["augmentation"]["elastic"] == 34.0
