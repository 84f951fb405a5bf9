"""From the options of a command to the definition of its experiment, with all that can be wrong with them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from digits.data import Dataset
from digits.errors import UserError
from digits.experiments.definition import Definition, combinations, defaults_of, recipe_of
from digits.experiments.options import GridOptions, SearchOptions
from digits.experiments.spaces import default_space
from digits.experiments.values import parse_alternatives, parse_space, with_values
from digits.machine import versions
from digits.names import plain
from digits.recipes import RECIPES, Recipe, with_precision

PACKAGES = {
    "pytorch": ("torch", "numpy", "onnx"),
    "tensorflow": ("tensorflow", "keras", "numpy", "onnx", "tf2onnx"),
}
"""What decides the numbers of each framework's trainings, as in the training scripts."""
USUAL_FRACTION = 0.1
"""The validation_fraction of a search whose model holds out none by default."""


def grid_definition(options: GridOptions, fingerprint: str) -> tuple[Definition, list[str]]:
    """Return the grid, and a sentence for each combination that is left out; UserError where nothing is left.

    fingerprint: that of the dataset.
    """
    varied = parse_alternatives(options.set)
    definition = Definition(
        kind="grid",
        dataset=options.dataset,
        dataset_fingerprint=fingerprint,
        evaluate_on=options.evaluate_on,
        objective="loss",
        frameworks=_unlike(options.framework, "--framework"),
        recipes={model: with_precision(RECIPES[model]) for model in _unlike(options.model, "--model")},
        seeds=_unlike(options.seed, "--seed"),
        varied=varied,
        init_from=options.init_from,
        versions=versions_of(options.framework),
    )
    _, left_out = combinations(definition)
    return definition, left_out


def search_definition(options: SearchOptions, dataset: Dataset) -> Definition:
    """Return the search; UserError where its space is none."""
    fixed = parse_alternatives(options.set)
    for name, values in fixed.items():
        if len(values) > 1:
            raise UserError(f"--set {name}: a search takes one value; to vary it, name it in --space.")
    space = parse_space(options.space) or default_space(options.model)
    for name in fixed.keys() & space.keys():
        if options.space:
            raise UserError(f"{name} is in --set and in --space; leave one of them out.")
        del space[name]
    recipe = _base(options.model, {name: value for name, (value,) in fixed.items()})
    pruner = options.pruner
    if pruner == "auto":
        pruner = "wilcoxon" if options.seeds > 1 else "median"
    if pruner == "wilcoxon" and options.seeds == 1:
        raise UserError("--pruner wilcoxon compares trials seed by seed; give --seeds 5, say, or another --pruner.")
    definition = Definition(
        kind="search",
        dataset=dataset.name,
        dataset_fingerprint=dataset.fingerprint,
        evaluate_on="validation",
        objective=options.objective,
        frameworks=(options.framework,),
        recipes={options.model: recipe},
        seeds=tuple(range(options.seeds)),
        space=space,
        pruner=pruner,
        versions=versions_of([options.framework]),
    )
    try:
        recipe_of(definition, {"framework": options.framework, "model": options.model, **_first(definition)})
    except UserError as error:
        raise UserError(f"no training can have these values: {error}.") from None
    return definition


def versions_of(frameworks: Iterable[str]) -> dict[str, str]:
    """Return the versions of the packages that decide numbers, without Python's."""
    found = versions(dict.fromkeys(package for framework in frameworks for package in PACKAGES[framework]))
    return {package: version for package, version in found.items() if package != "python"}


def _base(model: str, fixed: Mapping[str, Any]) -> Recipe:
    """Return the model's recipe with what --set says; images are held out in any case."""
    recipe = with_values(RECIPES[model], fixed)
    if not recipe.validation_fraction and "validation_fraction" not in fixed:
        recipe = with_values(recipe, {"validation_fraction": USUAL_FRACTION})
    return with_precision(recipe)


def _first(definition: Definition) -> dict[str, Any]:
    """Return the default recipe's values of what is searched, where they are in the space, or else one of its own."""
    values = defaults_of(definition)
    for name, part in definition.space.items():
        if isinstance(part, tuple) and values[name] not in part:
            values[name] = part[0]
    return values


def _unlike(values: tuple[Any, ...], option: str) -> tuple[Any, ...]:
    """Return the values; UserError where there is none, or one twice."""
    twice = next((value for value in values if values.count(value) > 1), None)
    if twice is not None:
        raise UserError(f"{option}: {plain(twice)} is named twice.")
    return values
