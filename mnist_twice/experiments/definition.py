"""The definition of an experiment: all that decides its results, stored with the study and equal for all workers."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import field
from textwrap import shorten
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from mnist_twice.command_line import flat_fields, option
from mnist_twice.data import Dataset
from mnist_twice.errors import UserError
from mnist_twice.experiments.options import GridOptions, Place, SearchOptions, Work
from mnist_twice.experiments.values import (
    Alternatives,
    Range,
    default_space,
    parse_space,
    text_of,
    value_of,
    with_values,
)
from mnist_twice.machine import versions
from mnist_twice.names import command_text
from mnist_twice.recipes import RECIPES, Recipe, find_problem, recipe_record, with_precision

PACKAGES = {
    "pytorch": ("torch", "numpy", "onnx"),
    "tensorflow": ("tensorflow", "keras", "numpy", "onnx", "tf2onnx"),
}
"""What decides the numbers of each framework's trainings, as in the training scripts."""
USUAL_FRACTION = 0.1
"""The validation_fraction of a search whose model holds out none by default."""
MOST_LISTED = 10_000
"""Combinations of a finite space that are listed, to try each once."""


@dataclass(frozen=True)
class Definition:
    """What an experiment does. Of a grid, every combination of frameworks, recipes, `space` and seeds."""

    kind: Literal["grid", "search", "confirm"]
    dataset: str
    dataset_fingerprint: str
    evaluate_on: Literal["test", "validation"]
    objective: Literal["loss", "accuracy"]  # a loss (mean cross-entropy, nats) is minimised, an accuracy maximised
    frameworks: tuple[str, ...]
    recipes: Mapping[str, Recipe]  # by model; of confirm, by what the recipe is: start or best
    seeds: tuple[int, ...]  # of a search, each trial trains with all of them
    space: Mapping[str, Range | Alternatives] = field(default_factory=dict)  # of a grid without ranges
    pruner: str = "none"  # of a search
    sampler_seed: int = 0  # of a search
    init_from: str = ""  # of a grid, the experiment with whose runs its trainings start
    format: Literal[3] = 3  # the version of what a study holds
    versions: Mapping[str, str] = field(default_factory=dict)  # of the packages that decide numbers

    @property
    def label(self) -> str:
        """What the recipes are called among a trial's values."""
        return "recipe" if self.kind == "confirm" else "model"

    @property
    def lists(self) -> dict[str, Any]:
        """The alternatives of framework and recipe, and of all else that the trials of a grid are combined of."""
        lists = {"framework": self.frameworks, self.label: (*self.recipes,)}
        return lists if self.kind == "search" else {**lists, **self.space, "seed": self.seeds}

    @property
    def differing(self) -> dict[str, Any]:
        """What trials differ in by name, in the order of the command: alternatives, or of a search ranges."""
        if self.kind == "search":
            return dict(self.space)
        return {name: values for name, values in self.lists.items() if len(values) > 1}

    def record(self) -> dict[str, Any]:
        """Return the definition as the study holds it, in JSON's types."""
        record: dict[str, Any] = TypeAdapter(Definition).dump_python(self, mode="json")
        return record


def read_definition(record: Any) -> Definition:
    """Return the definition that Definition.record gave; raises UserError if another version of this code made it."""
    try:
        return TypeAdapter(Definition).validate_python(record)
    except ValidationError:
        raise UserError(
            "the experiment was made by another version of this project; use that version, or another NAME."
        ) from None


def refuse_other(name: str, stored: Any, asked: Definition) -> None:
    """Raise UserError if the study of this name has another definition than the one that is asked for."""
    theirs: Any = stored
    ours: Any = asked.record()
    where: list[str] = []
    while isinstance(theirs, dict) and isinstance(ours, dict) and theirs != ours:
        where.append(next(key for key in {**theirs, **ours} if theirs.get(key) != ours.get(key)))
        theirs, ours = theirs.get(where[-1]), ours.get(where[-1])
    if where:
        there, here = ("nothing" if value is None else shorten(json.dumps(value), 60) for value in (theirs, ours))
        # The versions are the last field: nothing else differs then.
        hint = "install those of constraints.txt on every machine" if where[0] == "versions" else "give its options"
        raise UserError(
            f"there is another experiment '{name}' ({', '.join(where).replace('_', ' ')}: {there} there, {here} here); "
            f"{hint} to continue it, or choose another NAME."
        )


def grid_definition(options: GridOptions, fingerprint: str) -> tuple[Definition, list[str]]:
    """Return the grid, and a sentence for each combination that is left out; raises UserError if nothing is left.

    fingerprint: that of the dataset.
    """
    definition = Definition(
        kind="grid",
        dataset=options.dataset,
        dataset_fingerprint=fingerprint,
        evaluate_on=options.evaluate_on,
        objective="loss",
        frameworks=tuple(dict.fromkeys(options.framework)),
        recipes={model: with_precision(RECIPES[model]) for model in options.model},
        seeds=tuple(dict.fromkeys(options.seed)),
        space=parse_space(options.set, "--set"),
        init_from=options.init_from,
        versions=versions_of(options.framework),
    )
    _, left_out = combinations(definition)
    return definition, left_out


def search_definition(options: SearchOptions, dataset: Dataset) -> Definition:
    """Return the search; raises UserError if its space is none."""
    fixed: dict[str, Any] = parse_space(options.set, "--set")
    space = parse_space(options.space) or default_space(options.model)
    for name, values in fixed.items():
        if len(values) > 1:
            raise UserError(f"--set {name}: a search takes one value here; to vary it, use --space.")
        if options.space and name in space:
            raise UserError(f"{name} is in --set and in --space; leave one of them out.")
        space.pop(name, None)
    if not RECIPES[options.model].validation_fraction:
        fixed = {"validation_fraction": (USUAL_FRACTION,), **fixed}
    recipe = with_values(RECIPES[options.model], {name: value for name, (value,) in fixed.items()})
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
        recipes={options.model: with_precision(recipe)},
        seeds=tuple(range(options.seeds)),
        space=space,
        pruner=pruner,
        sampler_seed=options.seed,
        versions=versions_of([options.framework]),
    )
    some = start_of(definition)
    for name, part in space.items():  # one combination that is possible shows that samples can be
        if isinstance(part, Range):
            some[name] = part.high
        elif some[name] not in part:
            some[name] = part[0]
    try:
        recipe_of(definition, {"model": options.model, **some})
    except UserError as error:
        raise UserError(f"no training can have these values: {error}.") from None
    return definition


def versions_of(frameworks: Iterable[str]) -> dict[str, str]:
    """Return the versions of the packages that decide numbers, without Python's."""
    found = versions(dict.fromkeys(package for framework in frameworks for package in PACKAGES[framework]))
    return {package: version for package, version in found.items() if package != "python"}


def recipe_of(definition: Definition, values: Mapping[str, Any]) -> Recipe:
    """Return the recipe of these values of a trial; its seed too, where they have one.

    Raises UserError, the end of a sentence, if no training can have them.
    """
    fields = {name: value for name, value in values.items() if name not in ("framework", definition.label)}
    recipe = with_values(definition.recipes[str(values[definition.label])], fields)
    if definition.evaluate_on == "validation" and not recipe.validation_fraction:
        raise UserError("validation_fraction must be above 0, to evaluate on images that are held out")
    if problem := find_problem(recipe):
        raise UserError(problem.rstrip("."))
    return recipe


def combinations(definition: Definition) -> tuple[list[dict[str, Any]], list[str]]:
    """Return the parameters of each trial that is possible, and a sentence for each combination that was left out.

    All combinations of a seed come before those of the next one, so that an unfinished grid compares all of them.
    Raises UserError if no combination is possible.
    """
    found: dict[tuple[str, str], dict[str, Any]] = {}
    left_out: dict[str, None] = {}
    parts = sorted(definition.differing.items(), key=lambda part: part[0] != "seed")
    for chosen in itertools.product(*(_listed(part) for _, part in parts)):
        params = {name: param for (name, _), param in zip(parts, chosen, strict=True)}
        values = values_of(definition, params)
        described = ", ".join(f"{key} {text_of(value)}" for key, value in values.items() if key != "seed")
        try:
            recipe = recipe_of(definition, values)
        except UserError as error:
            left_out[f"{described}: {error}."] = None
            continue
        training = (values["framework"], json.dumps(recipe_record(recipe)))
        if found.setdefault(training, params) is not params:
            left_out[f"{described}: it is the same training as another combination."] = None
    if not found:
        raise UserError(f"no combination of these values is possible; {next(iter(left_out))}")
    return [*found.values()], [*left_out]


def is_finite(definition: Definition) -> bool:
    """Return whether all that a search can try can be listed."""
    return 0 < math.prod(len(_listed(part)) for part in definition.space.values()) <= MOST_LISTED


def _listed(part: Range | Alternatives) -> list[Any]:
    """Return the parameters that a part allows; nothing where they are endless, or too many."""
    if isinstance(part, tuple):
        return [*map(param_of, part)]
    low, high = part.low, part.high
    return [*range(low, int(high) + 1)] if isinstance(low, int) and high - low < MOST_LISTED else []


def param_of(value: Any) -> Any:
    """Return a value as Optuna takes it: a list of numbers is a text there."""
    return text_of(value) if isinstance(value, tuple) else value


def values_of(definition: Definition, params: Mapping[str, Any]) -> dict[str, Any]:
    """Return a trial's values by name: framework, model, and fields of the recipe, which the parameters stand for.

    Of a search's numbers that are no integers four digits are enough; of seeds it has none, as each trial has all.
    """
    values = {name: alternatives[0] for name, alternatives in definition.lists.items()}
    for name, part in definition.differing.items():
        if name in params:
            found = params[name]
            if isinstance(part, Range):
                values[name] = min(max(float(f"{found:.4g}"), part.low), part.high) if type(found) is float else found
            else:
                values[name] = next(value for value in part if param_of(value) == found)
    return values


def start_of(definition: Definition) -> dict[str, Any]:
    """Return what the recipe that a search starts from has of what is searched: the default one with --set."""
    (recipe,) = definition.recipes.values()
    return {name: value_of(recipe, name) for name in definition.space}


def command_of(command: str, options: Place) -> str:
    """Return the command of run_experiment.py that makes the experiment again; where and how is left out."""
    words = ["python", "run_experiment.py", command, options.experiment]
    for (name, _, usual), (_, _, chosen) in zip(flat_fields(type(options)()), flat_fields(options), strict=True):
        if chosen != usual and name not in (*Work.__dataclass_fields__, "seconds"):
            words += [option(name), *(map(str, chosen) if isinstance(chosen, tuple) else [str(chosen)])]
    return command_text(words)
