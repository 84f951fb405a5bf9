"""A definition in Optuna's terms: its parameters, what samples them, and what gives trials up."""

from __future__ import annotations

import copy
import itertools
import json
import math
import random
import zlib
from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
from optuna import Study
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.pruners import BasePruner, HyperbandPruner, MedianPruner, NopPruner, WilcoxonPruner
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.trial import FrozenTrial

from mnist_twice.experiments.definition import Definition, problem_of, start_of
from mnist_twice.experiments.values import Range, is_integer, text_of

MOST_LISTED = 100_000
"""Combinations of a finite space that are listed, to see when all have been tried."""


def distributions_of(definition: Definition) -> dict[str, BaseDistribution]:
    """Return the parameters: what trials differ in."""
    parts: Mapping[str, Range | tuple[Any, ...]] = definition.space
    if definition.kind != "search":
        parts = {name: definition.lists[name] for name in definition.differing}
    found: dict[str, BaseDistribution] = {}
    for name, part in parts.items():
        if not isinstance(part, Range):
            found[name] = CategoricalDistribution([*map(param_of, part)])
        elif is_integer(name):
            found[name] = IntDistribution(int(part.low), int(part.high), log=part.log)
        else:
            found[name] = FloatDistribution(part.low, part.high, log=part.log)
    return found


def param_of(value: Any) -> Any:
    """Return a value as Optuna takes it: a list of numbers is a text there."""
    return text_of(value) if isinstance(value, tuple) else value


def values_of(definition: Definition, params: Mapping[str, Any]) -> dict[str, Any]:
    """Return a trial's values by name: framework, model, and fields of the recipe, which the parameters stand for.

    Of a search's numbers that are no integers four digits are enough.
    """
    lists = definition.lists
    if definition.kind == "search":
        del lists["seed"]  # each trial has all of them
    values = {name: part[0] for name, part in lists.items()}
    for name, part in {**lists, **definition.space}.items():
        if name in params:
            found = params[name]
            if isinstance(part, Range):
                values[name] = min(max(float(f"{found:.4g}"), part.low), part.high) if type(found) is float else found
            else:
                values[name] = next(value for value in part if param_of(value) == found)
    return values


def start_params(definition: Definition) -> dict[str, Any] | None:
    """Return the parameters of the recipe that a search starts from; None where it is not in the space."""
    params: dict[str, Any] = {}
    for name, value in start_of(definition).items():
        part = definition.space[name]
        if not (part.low <= value <= part.high if isinstance(part, Range) else value in part):
            return None
        params[name] = param_of(value)
    return params


def possible_params(definition: Definition) -> list[dict[str, Any]] | None:
    """Return all that a search can try; None where that is endless, or too much to list."""
    lists: dict[str, list[Any]] = {}
    for name, part in definition.space.items():
        if not isinstance(part, Range):
            lists[name] = [*map(param_of, part)]
        elif is_integer(name) and part.high - part.low < MOST_LISTED:
            lists[name] = list(range(int(part.low), int(part.high) + 1))
        else:
            return None
        if math.prod(map(len, lists.values())) > MOST_LISTED:
            return None
    found = [dict(zip(lists, params, strict=True)) for params in itertools.product(*lists.values())]
    return [params for params in found if not problem_of(definition, values_of(definition, params))]


def key_of(params: Mapping[str, Any]) -> str:
    """Return the same text for the same parameters."""
    return json.dumps(params, sort_keys=True)


class Places(Protocol):
    """What knows a trial's place in its search."""

    def place_of(self, trial: FrozenTrial) -> int:
        """Return how many others had been drawn before it was, whether or not some were lost and tried again."""

    def get_trials(self, deepcopy: bool) -> list[FrozenTrial]:
        """Return all trials, as Optuna's study."""


class Sampler(BaseSampler):
    """Optuna's TPE, its random numbers drawn afresh from the seed and the trial's place.

    So a search that was interrupted continues as if it had not been, and workers that begin together draw other ones.
    """

    def __init__(self, places: Places, seed: int) -> None:
        self.places, self.seed = places, seed

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return self._for(trial).infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        return self._for(trial).sample_relative(study, trial, search_space)

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        return self._for(trial, param_name).sample_independent(study, trial, param_name, param_distribution)

    def _for(self, trial: FrozenTrial, name: str = "") -> BaseSampler:
        entropy = [self.seed, self.places.place_of(trial), zlib.crc32(name.encode())]
        (seed,) = map(int, np.random.SeedSequence(entropy).generate_state(1))
        return TPESampler(seed=seed)


class EachOnce(Sampler):
    """Draws what has not been tried, of a finite space most of which is going to be.

    Optuna's BruteForceSampler ends in an error where a trial has failed before its parameters were drawn.
    """

    def __init__(self, places: Places, seed: int, definition: Definition, possible: list[dict[str, Any]]) -> None:
        super().__init__(places, seed)
        self.space, self.possible = distributions_of(definition), possible

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return self.space

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        tried = {key_of(each.params) for each in self.places.get_trials(False)}
        untried = [params for params in self.possible if key_of(params) not in tried]
        return random.Random(f"{self.seed} {self.places.place_of(trial)}").choice(untried or self.possible)


class Hyperband(HyperbandPruner):
    """Optuna's pruner, in whose brackets trials stay when they are tried again: by their place, not their number."""

    def __init__(self, places: Places, steps: int) -> None:
        super().__init__(max_resource=steps)
        self.places = places

    def _get_bracket_id(self, study: Study, trial: FrozenTrial) -> int:
        placed = copy.copy(trial)
        placed.number = self.places.place_of(trial)
        return super()._get_bracket_id(study, placed)


def sampler_of(definition: Definition, places: Places, trials: int) -> BaseSampler:
    """Return what draws the parameters of a search of so many trials; a grid draws none."""
    if definition.kind != "search":
        return RandomSampler(0)
    possible = possible_params(definition)
    if possible is not None and 2 * trials >= len(possible):
        return EachOnce(places, definition.sampler_seed, definition, possible)
    return Sampler(places, definition.sampler_seed)


def pruner_of(definition: Definition, places: Places) -> BasePruner:
    """Return what gives trials up. Steps are epochs; with several seeds, each of them is one."""
    if definition.pruner == "wilcoxon":
        return WilcoxonPruner(p_threshold=0.1)
    if definition.pruner == "hyperband":
        (recipe,) = definition.recipes.values()
        part: Any = definition.space.get("epochs", (recipe.epochs,))
        epochs = int(part.high if isinstance(part, Range) else max(part))
        return Hyperband(places, epochs if len(definition.seeds) == 1 else len(definition.seeds))
    return MedianPruner() if definition.pruner == "median" else NopPruner()
