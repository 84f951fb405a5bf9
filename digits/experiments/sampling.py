"""What a search tries next: the default recipe, then what the trials so far promise; and which trials it gives up."""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.pruners import BasePruner, HyperbandPruner, MedianPruner, NopPruner, WilcoxonPruner
from optuna.samplers import TPESampler
from optuna.trial import FrozenTrial

from digits.errors import UserError
from digits.experiments.definition import Definition, defaults_of, recipe_of
from digits.experiments.queue import PATIENCE, VALUES, Queue, params_of
from digits.experiments.study import trial_values
from digits.experiments.values import Range, is_integer, text_of

MOST_LISTED = 100_000
"""Combinations of a finite space that are listed, to see when all have been tried."""
MOST_REFUSED = 200
"""Samples in a row that no training can have, after which the space is at fault."""


def distributions_of(definition: Definition) -> dict[str, BaseDistribution]:
    """Return the space as Optuna takes it. Alternatives are texts there, because it takes no lists."""
    found: dict[str, BaseDistribution] = {}
    for name, part in definition.space.items():
        if not isinstance(part, Range):
            found[name] = CategoricalDistribution([text_of(value) for value in part])
        elif is_integer(name):
            found[name] = IntDistribution(int(part.low), int(part.high), log=part.log)
        else:
            found[name] = FloatDistribution(part.low, part.high, log=part.log)
    return found


def default_params(definition: Definition) -> dict[str, Any] | None:
    """Return the default recipe as the sampler would give it; None where it is not in the space."""
    params: dict[str, Any] = {}
    for name, value in defaults_of(definition).items():
        part = definition.space[name]
        if not (part.low <= value <= part.high if isinstance(part, Range) else value in part):
            return None
        params[name] = value if isinstance(part, Range) else text_of(value)
    return params


def possible_params(definition: Definition) -> list[dict[str, Any]] | None:
    """Return every combination that a training can have; None where they are endless, or too many to list."""
    lists: dict[str, list[Any]] = {}
    count = 1
    for name, part in definition.space.items():
        if not isinstance(part, Range):
            lists[name] = [text_of(value) for value in part]
        elif is_integer(name) and part.high - part.low < MOST_LISTED:
            lists[name] = list(range(int(part.low), int(part.high) + 1))
        else:
            return None
        if (count := count * len(lists[name])) > MOST_LISTED:
            return None
    found = [dict(zip(lists, params, strict=True)) for params in itertools.product(*lists.values())]
    return [params for params in found if not problem_of(definition, trial_values(definition, params))]


def problem_of(definition: Definition, values: Mapping[str, Any]) -> str:
    """Return why no training can have these values; nothing where one can."""
    try:
        recipe_of(definition, values)
    except UserError as error:
        return str(error)
    return ""


def pruner_of(definition: Definition) -> BasePruner:
    """Return what gives trials up. Steps are epochs; with several seeds, each of them is one."""
    if definition.pruner == "wilcoxon":
        return WilcoxonPruner(p_threshold=0.1)
    if definition.pruner == "hyperband":
        (recipe,) = definition.recipes.values()
        part = definition.space.get("epochs", (recipe.epochs,))
        steps = int(part.high if isinstance(part, Range) else max(part))
        return HyperbandPruner(max_resource=steps if len(definition.seeds) == 1 else len(definition.seeds))
    return MedianPruner() if definition.pruner == "median" else NopPruner()


class Sampling:
    """The samples of a search: none twice, and none that no training can have."""

    def __init__(self, definition: Definition, queue: Queue, seed: int) -> None:
        self.definition, self.queue, self.seed = definition, queue, seed
        self.distributions = distributions_of(definition)
        self._possible = possible_params(definition)
        self._refused = 0

    @property
    def most(self) -> int | None:
        """Trials after which everything has been tried; None where that is never."""
        return None if self._possible is None else len(self._possible)

    def claim(self) -> tuple[optuna.Trial, dict[str, Any]] | None:
        """Return a trial of this worker and its values; None where there is none to be had at present.

        Its numbers are drawn afresh from the seed and the number of earlier trials: so a search that was interrupted
        continues as if it had not been, and workers that begin at the same time draw other ones.
        """
        count = len(self.queue.counting())
        generated = np.random.SeedSequence([self.seed, count]).generate_state(1)
        self.queue.study.sampler = TPESampler(seed=int(generated[0]))
        trial = self.queue.claim(self.distributions)
        if trial is None:
            return None
        values = trial_values(self.definition, trial.params)
        if why := self._why_not(trial, values):
            self.queue.drop(trial, why)
            self._refused += 1
            if self._refused >= MOST_REFUSED:
                raise UserError(
                    f"{MOST_REFUSED} samples of the space in a row could not be used; of the last one, {why}."
                )
            self._enqueue_untried()
            return None
        self._refused = 0
        self.queue.note(trial, VALUES, values)
        return trial, values

    def _why_not(self, trial: optuna.Trial, values: Mapping[str, Any]) -> str:
        for other in self._earlier(self.queue.root(trial)):
            if params_of(other) == trial.params:
                return f"trial {other.number} has the same values"
        return problem_of(self.definition, values)

    def _earlier(self, root: int) -> list[FrozenTrial]:
        """Return the trials of lower roots, when all of them have their parameters.

        Another worker may be drawing them at this moment, the same ones. Where it was killed while it drew, nobody
        waits for it longer than a moment.
        """
        until = time.monotonic() + PATIENCE
        while True:
            found = [trial for at, trial in self.queue.counting().items() if trial is not None and at < root]
            if all(len(params_of(trial)) == len(self.distributions) for trial in found) or time.monotonic() > until:
                return found
            time.sleep(0.05)

    def _enqueue_untried(self) -> None:
        """Have one of the last combinations of a finite space be next, which a sampler may take long to meet."""
        if self._possible is not None:
            tried = [params_of(trial) for trial in self.queue.counting().values() if trial is not None]
            untried = [params for params in self._possible if params not in tried]
            if untried:
                self.queue.enqueue_first(random.Random(f"{self.seed} {len(tried)}").choice(untried))
