"""What --set and --space say is read as it was meant, or refused in a sentence."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnist_twice.errors import UserError
from mnist_twice.experiments.values import default_space, parse_space, text_of, value_of
from mnist_twice.recipes import RECIPES

widths = st.lists(st.integers(1, 4096), min_size=1, max_size=5).map(tuple)
VALUES = {
    "learning_rate": st.floats(1e-9, 1e9),
    "dropout": st.floats(0, 1, exclude_max=True),
    "batch_size": st.integers(1, 1_000_000),
    "filters": widths,
    "betas": st.tuples(*[st.floats(0, 1, exclude_max=True)] * 2),
    "augment": st.booleans(),
    "schedule": st.sampled_from(["constant", "cosine", "one-cycle"]),
    "rotation": st.floats(0, 180),
    "cutout": st.integers(0, 56),
}


@given(st.data(), st.sampled_from(sorted(VALUES)))
def test_alternatives_are_read_as_they_were_written(data: st.DataObject, name: str) -> None:
    values = data.draw(st.lists(VALUES[name], min_size=1, max_size=5, unique=True))
    word = f"{name}={','.join(map(text_of, values))}"
    assert parse_space([word], "--set") == {name: tuple(values)}
    assert parse_space([word.replace("_", "-", 1)]) == {name: tuple(values)}


@given(st.text(max_size=30))
def test_any_text_is_read_or_refused(text: str) -> None:
    for word in (text, f"learning_rate={text}", f"filters={text}"):
        for option in ("--set", "--space"):
            with suppress(UserError):
                assert parse_space([word], option)


@pytest.mark.parametrize(
    ("word", "sentence"),
    [
        ("learnign_rate=1", "a recipe has no field 'learnign_rate'; did you mean learning_rate?"),
        ("seed=1,2", "use the option --seed for that."),
        ("dropout=1.5", "'1.5' must be less than 1."),
        ("dropout=", "the value is missing, as in dropout=0.25."),
        ("dropout=0.5..0.1", "its lower end must be first."),
        ("dropout=0..0.5:log", "a logarithmic scale cannot begin at 0."),
        ("schedule=constant..cosine", "schedule takes no range; list its values, separated by commas."),
        ("epochs=1.5..3", "'1.5' must be a whole number."),
        ("learning_rate=nan", "must be"),
    ],
)
def test_what_is_wrong_is_said(word: str, sentence: str) -> None:
    with pytest.raises(UserError) as refused:
        parse_space([word])
    assert str(refused.value).startswith(f"--space {word}: ")
    assert sentence in str(refused.value)


def test_a_range_is_for_a_search_and_a_field_is_named_once() -> None:
    with pytest.raises(UserError, match="a range is for --space"):
        parse_space(["dropout=0..0.5"], "--set")
    with pytest.raises(UserError, match="dropout is given twice"):
        parse_space(["dropout=0.1", "dropout=0.2"], "--set")


def test_the_default_space_holds_the_default_recipe() -> None:
    for model, recipe in RECIPES.items():
        for name, part in default_space(model).items():
            assert value_of(recipe, name) in part
