"""Grids and searches as their options define them, and as a study keeps them."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from mnist_twice.data import Dataset
from mnist_twice.errors import UserError
from mnist_twice.experiments import definition as definitions
from mnist_twice.experiments.definition import (
    Definition,
    combinations,
    grid_definition,
    is_finite,
    read_definition,
    refuse_other,
    search_definition,
    values_of,
)
from mnist_twice.experiments.options import GridOptions, SearchOptions

NONE = np.zeros(0, np.uint8)
DATASET = Dataset("small", NONE, NONE, NONE, NONE, ("a", "b"), "f" * 64)


@pytest.fixture(autouse=True)
def same_versions(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if all packages were there."""
    monkeypatch.setattr(definitions, "versions_of", lambda frameworks: dict.fromkeys(frameworks, "1"))


def defined(options: GridOptions | SearchOptions) -> Definition:
    if isinstance(options, SearchOptions):
        return search_definition(options, DATASET)
    return grid_definition(options, DATASET.fingerprint)[0]


def test_a_grid_has_every_combination_seed_by_seed() -> None:
    definition = defined(GridOptions(model=("cnn", "mlp"), seed=(0, 7), set=("learning_rate=0.001,0.003",)))
    params, left_out = combinations(definition)
    assert len(params) == len({json.dumps(each) for each in params}) == 2 * 2 * 2 * 2
    assert params[0] == {"framework": "pytorch", "model": "cnn", "learning_rate": 0.001, "seed": 0}
    assert [each["seed"] for each in params] == [0] * 8 + [7] * 8
    assert [*definition.differing] == ["framework", "model", "learning_rate", "seed"]
    assert left_out == []


def test_what_no_training_can_have_or_another_one_has_is_left_out_with_a_sentence() -> None:
    options = GridOptions(framework=("pytorch",), model=("cnn", "mlp"), set=("filters=8x16,16x32",))
    params, left_out = combinations(defined(options))
    assert len(params) == 2
    assert left_out[0] == "framework pytorch, model mlp, filters 8x16: --filters of mlp must be 0 numbers, not 2."
    with pytest.raises(UserError, match=r"no combination .* --filters of mlp must be"):
        defined(replace(options, model=("mlp",)))
    params, left_out = combinations(defined(GridOptions(framework=("pytorch",), set=("augment=on,off", "shift=1,2"))))
    assert len(params) == 3  # without augmentation its amounts have no effect
    assert "the same training as another combination" in left_out[0]
    finite = defined(SearchOptions(space=("optimizer=adam,sgd", "weight_decay=0,0.1", "epochs=1..3")))
    assert len(combinations(finite)[0]) == 9


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (GridOptions(evaluate_on="validation", model=("fast",)), "validation_fraction must be above 0"),
        (SearchOptions(set=("dropout=0.1,0.2",)), "a search takes one value"),
        (SearchOptions(set=("dropout=0.1",), space=("dropout=0..0.5",)), "in --set and in --space"),
        (SearchOptions(pruner="wilcoxon"), "--pruner wilcoxon compares trials seed by seed"),
        (SearchOptions(set=("filters=8",)), "--filters of cnn must be 2 numbers"),
        (SearchOptions(model="mlp", set=("optimizer=sgd",)), "can have these values: --weight-decay needs"),
    ],
)
def test_what_is_no_experiment_is_refused(options: GridOptions | SearchOptions, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        defined(options)


def test_what_is_finite_can_be_listed() -> None:
    spaces = ("epochs=1..3", "dropout=0,0.1"), ("dropout=0..0.5",), ("epochs=1..200", "batch_size=1..200")
    assert [is_finite(defined(SearchOptions(space=space))) for space in spaces] == [True, False, False]


def test_parameters_stand_for_values() -> None:
    """Optuna takes no lists, and draws more digits than a recipe should have."""
    definition = defined(SearchOptions(space=("filters=8x16,16x32", "dropout=0..0.50004")))
    values = values_of(definition, {"filters": "16x32", "dropout": 0.50003999})
    assert values == {"framework": "pytorch", "model": "cnn", "filters": (16, 32), "dropout": 0.5}
    assert values_of(definition, {}) == {"framework": "pytorch", "model": "cnn"}


def test_a_definition_is_read_back() -> None:
    for options in (
        GridOptions(set=("filters=8x16,16x32",)),
        SearchOptions(space=("dropout=0..0.5", "dense=64,128", "batch_size=32..64")),
    ):
        definition = defined(options)
        record = json.loads(json.dumps(definition.record()))
        assert read_definition(record) == definition
        refuse_other("name", record, definition)
        with pytest.raises(UserError, match="another version of this project"):
            read_definition({**record, "format": 0})


def test_another_definition_is_refused_with_what_differs() -> None:
    definition = defined(SearchOptions())
    record = definition.record()
    for other, what in (
        (defined(SearchOptions(seed=7)), "sampler seed: 0 there, 7 here"),
        (defined(SearchOptions(objective="accuracy")), r"objective: \"loss\" there"),
        (defined(SearchOptions(set=("epochs=5",))), "recipes, cnn, epochs: 3 there, 5 here"),
        (defined(SearchOptions(space=("dropout=0..0.5",))), "space, batch size"),
        (replace(definition, dataset_fingerprint="0"), "dataset fingerprint"),
        (
            replace(definition, versions={"pytorch": "2"}),
            r"pytorch: \"1\" there, .*; install those of constraints.txt",
        ),
    ):
        with pytest.raises(UserError, match=what):
            refuse_other("name", record, other)
