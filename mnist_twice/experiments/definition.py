"""The definition of an experiment: all that decides its results, stored with the study and equal for all workers."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import field
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from mnist_twice.command_line import first_fault, flat_fields, option
from mnist_twice.data import Dataset
from mnist_twice.errors import UserError
from mnist_twice.experiments.options import GridOptions, Place, SearchOptions, Work
from mnist_twice.experiments.values import (
    Alternatives,
    Range,
    default_space,
    parse_alternatives,
    parse_space,
    text_of,
    value_of,
    with_values,
)
from mnist_twice.machine import versions
from mnist_twice.names import command_text
from mnist_twice.recipes import RECIPES, Recipe, find_problem, recipe_record, with_precision

FORMAT = 2
"""The version of what a study holds."""
PACKAGES = {
    "pytorch": ("torch", "numpy", "onnx"),
    "tensorflow": ("tensorflow", "keras", "numpy", "onnx", "tf2onnx"),
}
"""What decides the numbers of each framework's trainings, as in the training scripts."""
USUAL_FRACTION = 0.1
"""The validation_fraction of a search whose model holds out none by default."""


@dataclass(frozen=True)
class Definition:
    """What an experiment does. Of a grid, every combination of frameworks, recipes, `varied` and seeds."""

    kind: Literal["grid", "search", "confirm"]
    dataset: str
    dataset_fingerprint: str
    evaluate_on: Literal["test", "validation"]
    objective: Literal["loss", "accuracy"]  # a loss (mean cross-entropy, nats) is minimised, an accuracy maximised
    frameworks: tuple[str, ...]
    recipes: Mapping[str, Recipe]  # by model; of confirm, by what the recipe is: start or best
    seeds: tuple[int, ...]  # of a search, each trial trains with all of them
    varied: Mapping[str, Alternatives] = field(default_factory=dict)
    space: Mapping[str, Range | Alternatives] = field(default_factory=dict)  # of a search
    pruner: str = "none"  # of a search
    sampler_seed: int = 0  # of a search
    init_from: str = ""  # of a grid, the experiment with whose runs its trainings start
    versions: Mapping[str, str] = field(default_factory=dict)  # of the packages that decide numbers
    format: int = FORMAT

    @property
    def label(self) -> str:
        """What the recipes are called among a trial's values."""
        return "recipe" if self.kind == "confirm" else "model"

    @property
    def lists(self) -> dict[str, tuple[Any, ...]]:
        """What the trials of a grid are combined of, by name."""
        return {"framework": self.frameworks, self.label: (*self.recipes,), **self.varied, "seed": self.seeds}

    @property
    def differing(self) -> tuple[str, ...]:
        """The names of what trials differ in, in the order of the command."""
        if self.kind == "search":
            return (*self.space,)
        return (*(name for name, values in self.lists.items() if len(values) > 1),)

    def record(self) -> dict[str, Any]:
        """Return the definition as the study holds it, in JSON's types."""
        record: dict[str, Any] = TypeAdapter(Definition).dump_python(self, mode="json")
        return record


def read_definition(record: Mapping[str, Any]) -> Definition:
    """Return the definition that Definition.record gave; UserError where it is that of another version of this code."""
    try:
        if record["format"] == FORMAT:
            return TypeAdapter(Definition).validate_python(record)
    except (KeyError, ValidationError):
        pass
    raise UserError("the study was made by another version of this project; use that version, or another NAME.")


def refuse_other(name: str, stored: Mapping[str, Any], asked: Definition) -> None:
    """Raise UserError where the study of this name has another definition than the one that is asked for."""
    record = asked.record()
    differing = [key for key in record if record[key] != stored.get(key)]
    if not differing:
        return
    key, theirs, ours = differing[0], stored.get(differing[0]), record[differing[0]]
    while isinstance(theirs, dict) and isinstance(ours, dict):
        part = next(part for part in {**theirs, **ours} if theirs.get(part) != ours.get(part))
        key, theirs, ours = f"{key}, {part}", theirs.get(part), ours.get(part)
    what = f"{key.replace('_', ' ')}: {_shown(theirs)} there, {_shown(ours)} here"
    if differing == ["versions"]:
        raise UserError(
            f"the experiment '{name}' was begun with other versions ({what}), so that results would not be comparable; "
            "install those of constraints.txt on every machine, or choose another NAME."
        )
    raise UserError(
        f"there is another experiment '{name}' ({what}); give its options to continue it, or choose another NAME."
    )


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
        frameworks=_once(options.framework),
        recipes={model: with_precision(RECIPES[model]) for model in _once(options.model)},
        seeds=_once(options.seed),
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
    recipe = with_values(RECIPES[options.model], {name: value for name, (value,) in fixed.items()})
    if not recipe.validation_fraction and "validation_fraction" not in fixed:
        recipe = with_values(recipe, {"validation_fraction": USUAL_FRACTION})
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
    first = start_of(definition)
    for name, part in space.items():
        if isinstance(part, tuple) and first[name] not in part:
            first[name] = part[0]
    if problem := problem_of(definition, {"model": options.model, **first}):
        raise UserError(f"no training can have these values: {problem}.")
    return definition


def versions_of(frameworks: Iterable[str]) -> dict[str, str]:
    """Return the versions of the packages that decide numbers, without Python's."""
    found = versions(dict.fromkeys(package for framework in frameworks for package in PACKAGES[framework]))
    return {package: version for package, version in found.items() if package != "python"}


def recipe_of(definition: Definition, values: Mapping[str, Any]) -> Recipe:
    """Return the recipe of these values of a trial; its seed too, where they have one.

    UserError, the end of a sentence, where no training can have them.
    """
    fields = {name: value for name, value in values.items() if name not in ("framework", definition.label)}
    try:
        recipe = with_values(definition.recipes[str(values[definition.label])], fields)
    except ValidationError as error:
        where, _, rule = first_fault(error)
        raise UserError(f"{'.'.join(where)} {rule}") from None
    if definition.evaluate_on == "validation" and not recipe.validation_fraction:
        raise UserError("validation_fraction must be above 0, to evaluate on images that are held out")
    if problem := find_problem(recipe):
        raise UserError(problem.rstrip("."))
    return recipe


def problem_of(definition: Definition, values: Mapping[str, Any]) -> str:
    """Return why no training can have these values; nothing where one can."""
    try:
        recipe_of(definition, values)
    except UserError as error:
        return str(error)
    return ""


def combinations(definition: Definition) -> tuple[list[dict[str, Any]], list[str]]:
    """Return the values of each trial of a grid, and a sentence for each combination that was left out.

    All combinations of a seed come before those of the next one, so that an unfinished grid compares all of them.
    UserError where no combination is possible.
    """
    found: list[dict[str, Any]] = []
    recipes: set[tuple[str, str]] = set()
    left_out: dict[str, None] = {}
    for values in _products(definition):
        described = ", ".join(f"{key} {text_of(value)}" for key, value in values.items() if key != "seed")
        try:
            recipe = recipe_of(definition, values)
        except UserError as error:
            left_out[f"{described}: {error}."] = None
            continue
        same = (str(values["framework"]), json.dumps(recipe_record(recipe)))
        if same in recipes:
            left_out[f"{described}: the same training as another combination."] = None
            continue
        recipes.add(same)
        found.append(values)
    if not found:
        why = next(iter(left_out), "a list of values is empty.")
        raise UserError(f"no combination of these values is possible; {why}")
    return found, list(left_out)


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


def _products(definition: Definition) -> Iterator[dict[str, Any]]:
    *names, _ = lists = definition.lists
    for seed in definition.seeds:
        for values in itertools.product(*(lists[name] for name in names)):
            yield {**dict(zip(names, values, strict=True)), "seed": seed}


def _once(values: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(dict.fromkeys(values))


def _shown(value: Any) -> str:
    text = "nothing" if value is None else json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
