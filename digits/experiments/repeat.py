"""The command that makes an experiment again, from its definition."""

from __future__ import annotations

from digits.command_line import option
from digits.experiments.definition import Definition
from digits.experiments.values import FIELDS, Range, text_of, value_of
from digits.names import command_text
from digits.recipes import RECIPES, Recipe, with_precision


def command_of(definition: Definition, name: str, trials: int) -> str:
    """Return the command of run_experiment.py that makes the grid or the search `name`, of so many trials, again.

    Of the kind 'confirm', that command is the search's name and how many seeds. Where to store what is left out.
    """
    words = ["python", "run_experiment.py", definition.kind]
    if definition.kind == "confirm":
        words += [name.removesuffix("-confirm"), "--seeds", str(len(definition.seeds))]
        return command_text(words)
    models = list(definition.recipes)
    words += [name, "--dataset", definition.dataset, "--framework", *definition.frameworks, "--model", *models]
    if definition.kind == "grid":
        words += ["--seed", *map(str, definition.seeds), "--evaluate-on", definition.evaluate_on]
        words += _listed("set", [f"{name}={_texts(values)}" for name, values in definition.varied.items()])
        words += _listed("init_from", [definition.init_from] if definition.init_from else [])
    else:
        words += ["--trials", str(trials), "--objective", definition.objective, "--seeds", str(len(definition.seeds))]
        words += ["--pruner", definition.pruner, *_listed("space", _space(definition))]
        words += _listed("set", _changes(definition.recipes[models[0]]))
    return command_text(words)


def _listed(field: str, words: list[str]) -> list[str]:
    return [option(field), *words] if words else []


def _space(definition: Definition) -> list[str]:
    return [
        f"{name}={text_of(part.low)}..{text_of(part.high)}{':log' if part.log else ''}"
        if isinstance(part, Range)
        else f"{name}={_texts(part)}"
        for name, part in definition.space.items()
    ]


def _changes(recipe: Recipe) -> list[str]:
    """Return what the base recipe of a search has that its model's default recipe has not."""
    usual = with_precision(RECIPES[recipe.model])
    names = [name for name in FIELDS if value_of(recipe, name) != value_of(usual, name)]
    return [f"{name}={text_of(value_of(recipe, name))}" for name in names]


def _texts(values: tuple[object, ...]) -> str:
    return ",".join(map(text_of, values))
