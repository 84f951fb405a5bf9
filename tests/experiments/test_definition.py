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
    combinations,
    grid_definition,
    read_definition,
    refuse_other,
    search_definition,
)
from mnist_twice.experiments.options import GridOptions, SearchOptions

NONE = np.zeros(0, np.uint8)
DATASET = Dataset("small", NONE, NONE, NONE, NONE, ("a", "b"), "f" * 64)


@pytest.fixture(autouse=True)
def same_versions(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if all packages were there."""
    monkeypatch.setattr(definitions, "versions_of", lambda frameworks: dict.fromkeys(frameworks, "1"))


def test_a_grid_has_every_combination_seed_by_seed() -> None:
    definition, left_out = grid_definition(
        GridOptions(model=("cnn", "mlp"), seed=(0, 7), set=("learning_rate=0.001,0.003",)), DATASET.fingerprint
    )
    values, _ = combinations(definition)
    assert len(values) == len({json.dumps(each) for each in values}) == 2 * 2 * 2 * 2
    assert values[0] == {"framework": "pytorch", "model": "cnn", "learning_rate": 0.001, "seed": 0}
    assert [each["seed"] for each in values] == [0] * 8 + [7] * 8
    assert definition.differing == ("framework", "model", "learning_rate", "seed")
    assert left_out == []


def test_impossible_combinations_are_left_out_with_a_sentence() -> None:
    options = GridOptions(framework=("pytorch",), model=("cnn", "mlp"), set=("filters=8x16,16x32",))
    definition, left_out = grid_definition(options, DATASET.fingerprint)
    assert len(combinations(definition)[0]) == 2
    assert left_out[0] == ("framework pytorch, model mlp, filters 8x16: --filters of mlp must be 0 numbers, not 2.")
    with pytest.raises(UserError, match=r"no combination .* --filters of mlp must be"):
        grid_definition(replace(options, model=("mlp",)), DATASET.fingerprint)


def test_equal_trainings_are_one() -> None:
    options = GridOptions(framework=("pytorch",), set=("augment=on,off", "rotation=5,10"))
    definition, left_out = grid_definition(options, DATASET.fingerprint)
    assert len(combinations(definition)[0]) == 3  # without augmentation its amounts have no effect
    assert "the same training as another combination" in left_out[0]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (GridOptions(evaluate_on="validation", model=("fast",)), "validation_fraction must be above 0"),
        (SearchOptions(set=("dropout=0.1,0.2",)), "a search takes one value"),
        (SearchOptions(set=("dropout=0.1",), space=("dropout=0..0.5",)), "in --set and in --space"),
        (SearchOptions(pruner="wilcoxon"), "--pruner wilcoxon compares trials seed by seed"),
        (SearchOptions(set=("filters=8",)), "--filters of cnn must be 2 numbers"),
    ],
)
def test_what_is_no_experiment_is_refused(options: GridOptions | SearchOptions, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        _ = (
            grid_definition(options, DATASET.fingerprint)
            if isinstance(options, GridOptions)
            else search_definition(options, DATASET)
        )


def test_a_definition_is_read_back() -> None:
    for definition in (
        grid_definition(GridOptions(set=("filters=8x16,16x32",)), DATASET.fingerprint)[0],
        search_definition(SearchOptions(space=("dropout=0..0.5", "dense=64,128", "batch_size=32..64")), DATASET),
    ):
        record = json.loads(json.dumps(definition.record()))
        assert read_definition(record) == definition
        refuse_other("name", record, definition)
        with pytest.raises(UserError, match="another version of this project"):
            read_definition({**record, "format": 0})


def test_another_definition_is_refused_with_what_differs() -> None:
    definition = search_definition(SearchOptions(), DATASET)
    record = definition.record()
    for other, what in (
        (search_definition(SearchOptions(seed=7), DATASET), "sampler seed: 0 there, 7 here"),
        (search_definition(SearchOptions(objective="accuracy"), DATASET), r"objective: \"loss\" there"),
        (search_definition(SearchOptions(set=("epochs=5",)), DATASET), "recipes, cnn, epochs: 3 there, 5 here"),
        (search_definition(SearchOptions(space=("dropout=0..0.5",)), DATASET), "space, batch size"),
        (replace(definition, dataset_fingerprint="0"), "dataset fingerprint"),
    ):
        with pytest.raises(UserError, match=what):
            refuse_other("name", record, other)
    with pytest.raises(UserError, match=r"versions, pytorch: .*not be comparable"):
        refuse_other("name", record, replace(definition, versions={"pytorch": "2"}))
