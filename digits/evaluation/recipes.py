"""Runs of one recipe that differ in the seed alone: the mean of their accuracies, and how much it varies."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean, stdev
from typing import Any

from digits.runs import ENSEMBLE, Run


@dataclass(frozen=True)
class RecipeSummary:
    """The runs of one model, framework and recipe on the same images, by one code of the network."""

    runs: list[Run]  # one for each seed, by seed
    differences: str  # from the model's other recipes among the runs compared: 'epochs 5'; '' where there is one recipe
    mean: float  # of the accuracies
    standard_deviation: float | None  # of the sample (n - 1); None of a single run
    minimum: float
    maximum: float

    @property
    def model(self) -> str:
        return self.runs[0].model

    @property
    def framework(self) -> str:
        return self.runs[0].framework

    @property
    def seeds(self) -> list[int]:
        return [run.seed for run in self.runs if run.seed is not None]


def summarize_recipes(runs: Sequence[Run]) -> list[RecipeSummary]:
    """Return a summary of each recipe, the best mean first; of runs on the same images, ensembles are left out."""
    recipes: dict[tuple[str, str, str, str], dict[int | None, Run]] = {}
    models: dict[str, list[dict[str, Any]]] = {}
    codes: dict[tuple[str, str], set[str]] = {}
    for run in runs:
        if run.framework != ENSEMBLE:
            models.setdefault(run.model, []).append(_without_seed(run))
            recipe = json.dumps(_without_seed(run), sort_keys=True)
            code = run.network_code or ""
            codes.setdefault((run.model, run.framework), set()).add(code)
            # Each seed once: a copy of a run is no further evidence.
            recipes.setdefault((run.model, run.framework, recipe, code), {}).setdefault(run.seed, run)
    summaries = []
    for (model, framework, recipe, code), by_seed in recipes.items():
        accuracies = [run.accuracy for run in by_seed.values()]
        deviation = stdev(accuracies) if len(accuracies) > 1 else None
        ordered = sorted(by_seed.values(), key=lambda run: run.seed or 0)
        words = _differences(json.loads(recipe), models[model])
        if len(codes[model, framework]) > 1:
            words += f"{', ' if words else ''}network code {code[:8] or 'not recorded'}"
        summaries.append(RecipeSummary(ordered, words, mean(accuracies), deviation, min(accuracies), max(accuracies)))
    return sorted(summaries, key=lambda one: -one.mean)


def setting_text(value: object) -> str:
    """Return a value of a recipe in words: '16 32' for [16, 32]; 'yes' and 'no'; 'none' for nothing."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return (" ".join(map(str, value)) if isinstance(value, list) else "" if value is None else str(value)) or "none"


def _without_seed(run: Run) -> dict[str, Any]:
    return {key: value for key, value in run.settings.items() if key != "seed"}


def _differences(settings: dict[str, Any], others: Sequence[dict[str, Any]]) -> str:
    varied = [key for key in settings if any(other.get(key) != settings[key] for other in others)]
    return ", ".join(f"{key.replace('_', ' ')} {setting_text(settings[key])}" for key in varied)
