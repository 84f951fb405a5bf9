"""What a search has found: best.json while it runs, and a paragraph at its end."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from digits.experiments.definition import Definition, recipe_of
from digits.experiments.queue import TRAININGS, VALUES
from digits.experiments.study import OpenStudy
from digits.experiments.values import text_of
from digits.files import write_whole
from digits.names import percent
from digits.training import recipe_record

BEST = "best.json"
"""The best recipe, in the experiment's folder; the training scripts take it with --recipe."""


def best_of(definition: Definition, trials: Iterable[FrozenTrial | None]) -> FrozenTrial | None:
    """Return the complete trial with the best objective; of equal ones the first."""
    sign = 1 if definition.objective == "loss" else -1
    complete = [trial for trial in trials if trial is not None and trial.state == TrialState.COMPLETE]
    return min(complete, key=lambda trial: (sign * (trial.value or 0.0), trial.number), default=None)


def write_best(opened: OpenStudy, trial: FrozenTrial) -> None:
    """Write best.json, unless it has this trial already."""
    definition, path = opened.definition, opened.folder / BEST
    content: dict[str, Any] = {
        "recipe": recipe_record(recipe_of(definition, trial.user_attrs[VALUES])),
        "experiment": opened.study.study_name,
        "trial": trial.number,
        "objective": f"validation {definition.objective}",
        "value": trial.value,
        "dataset": definition.dataset,
        "framework": definition.frameworks[0],
        "trainings": trial.user_attrs[TRAININGS],
    }
    text = json.dumps(content, indent=2) + "\n"
    if not path.is_file() or path.read_text(encoding="utf-8", errors="replace") != text:
        write_whole(path, text)


def summary(opened: OpenStudy, trials: Iterable[FrozenTrial | None], path: Path) -> str:
    """Return what was found, and what pruning has saved, in sentences."""
    definition = opened.definition
    ended = [trial for trial in trials if trial is not None and trial.state.is_finished()]
    best = best_of(definition, ended)
    if best is None:
        return "No trial was completed, so that there is no best recipe."
    values = best.user_attrs[VALUES]
    found = ", ".join(f"{name} {_number(values[name])}" for name in definition.space)
    scores = [result["score"] for result in best.user_attrs[TRAININGS]]
    accuracy = sum(score["accuracy"] for score in scores) / len(scores)
    loss = sum(score["loss"] for score in scores) / len(scores)
    seeds = f" (mean of {len(scores)} seeds)" if len(scores) > 1 else ""
    pruned = [trial for trial in ended if trial.state == TrialState.PRUNED]
    sentences = [
        f"The best of {len(ended)} trials is number {best.number}: {found}.",
        f"Its validation loss is {loss:.4f}, its validation accuracy {percent(accuracy)}{seeds}.",
    ]
    if pruned:
        trained = sum(_epochs(definition, trial) for trial in ended)
        whole = sum(_full(definition, trial) - _epochs(definition, trial) for trial in pruned) + trained
        sentences.append(
            f"{len(pruned)} trials were pruned: {trained:,} epochs were trained, which is "
            f"{percent(1 - trained / max(whole, 1), 0)} less than the {whole:,} without pruning."
        )
    return " ".join([*sentences, f"'{path}' has the recipe: the training scripts take it with --recipe."])


def _epochs(definition: Definition, trial: FrozenTrial) -> int:
    """Return the epochs that were trained for the trial."""
    finished = sum(result["epochs"] for result in trial.user_attrs.get(TRAININGS, []))
    return int(max(finished, len(trial.intermediate_values) if len(definition.seeds) == 1 else 0))


def _full(definition: Definition, trial: FrozenTrial) -> int:
    """Return the epochs of the trial's recipe, for all seeds."""
    recipe = recipe_of(definition, trial.user_attrs[VALUES])
    return int(recipe.epochs) * len(definition.seeds)


def _number(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else text_of(value)
