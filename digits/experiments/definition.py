"""The definition of an experiment: all that decides its results, stored with the study and equal for all workers."""

from __future__ import annotations

import dataclasses
import itertools
import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import ValidationError

from digits.command_line import first_fault
from digits.errors import UserError
from digits.experiments.values import Alternatives, Range, text_of, value_of, with_values
from digits.recipes import Augmentation, Recipe, find_problem, recipe_record

FORMAT = 1
"""The version of what a study holds."""


@dataclass(frozen=True)
class Definition:
    """What an experiment does. Of a grid, every combination of frameworks, recipes, `varied` and seeds."""

    kind: Literal["grid", "search", "confirm"]
    dataset: str
    dataset_fingerprint: str
    evaluate_on: Literal["test", "validation"]
    objective: Literal["loss", "accuracy"]
    frameworks: tuple[str, ...]
    recipes: Mapping[str, Recipe]  # by model; of confirm, by what the recipe is: best or default
    seeds: tuple[int, ...]  # of a search, each trial trains with all of them
    varied: Mapping[str, Alternatives] = field(default_factory=dict)
    space: Mapping[str, Range | Alternatives] = field(default_factory=dict)  # of a search
    pruner: str = "none"  # of a search
    init_from: str = ""  # of a grid, the experiment with whose runs its trainings start
    versions: Mapping[str, str] = field(default_factory=dict)  # of the packages that decide numbers
    format: int = FORMAT

    @property
    def label(self) -> str:
        """What the recipes are called among a trial's values."""
        return "recipe" if self.kind == "confirm" else "model"

    @property
    def differing(self) -> tuple[str, ...]:
        """The names of what trials differ in, in the order of the command."""
        lists: dict[str, Collection[Any]] = {
            "framework": self.frameworks,
            self.label: self.recipes,
            **self.varied,
            "seed": self.seeds if self.kind != "search" else (),
        }
        return (*(name for name, values in lists.items() if len(values) > 1), *self.space)

    def record(self) -> dict[str, Any]:
        """Return the definition as the study holds it, in JSON's types."""
        record = {name: getattr(self, name) for name in type(self).__dataclass_fields__}
        record["recipes"] = {name: recipe_record(recipe) for name, recipe in self.recipes.items()}
        record["space"] = {name: _space_record(part) for name, part in self.space.items()}
        plain: dict[str, Any] = json.loads(json.dumps(record))
        return plain


def read_definition(record: Mapping[str, Any]) -> Definition:
    """Return the definition that Definition.record gave; UserError where it is that of another version of this code."""
    try:
        if record["format"] != FORMAT:
            raise ValueError
        fields: dict[str, Any] = {name: record[name] for name in Definition.__dataclass_fields__}
        fields |= {name: tuple(fields[name]) for name in ("frameworks", "seeds")}
        fields["recipes"] = {name: _recipe(recipe) for name, recipe in record["recipes"].items()}
        fields["varied"] = {name: tuple(map(_value, values)) for name, values in record["varied"].items()}
        fields["space"] = {
            name: Range(**part) if isinstance(part, dict) else tuple(map(_value, part))
            for name, part in record["space"].items()
        }
        return Definition(**fields)
    except (KeyError, TypeError, ValueError, AttributeError):
        raise UserError(
            "the study was made by another version of this project; use that version, or another NAME."
        ) from None


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


def _products(definition: Definition) -> Iterator[dict[str, Any]]:
    names = ("framework", definition.label, *definition.varied)
    lists = (definition.frameworks, tuple(definition.recipes), *definition.varied.values())
    for seed in definition.seeds:
        for values in itertools.product(*lists):
            yield {**dict(zip(names, values, strict=True)), "seed": seed}


def defaults_of(definition: Definition) -> dict[str, Any]:
    """Return the default recipe's values of what is varied or searched, where there is one recipe."""
    if len(definition.recipes) != 1:
        return {}
    (recipe,) = definition.recipes.values()
    return {name: value_of(recipe, name) for name in [*definition.varied, *definition.space]}


def _recipe(record: Mapping[str, Any]) -> Recipe:
    return Recipe(**{**record, "augmentation": Augmentation(**record["augmentation"])})


def _value(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _space_record(part: Range | Alternatives) -> Any:
    return dataclasses.asdict(part) if isinstance(part, Range) else part


def _shown(value: Any) -> str:
    text = "nothing" if value is None else json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
