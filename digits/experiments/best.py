"""What a search has found: best.json while it runs, and a paragraph at its end."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from statistics import fmean
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from digits.experiments.definition import Definition, recipe_of
from digits.experiments.queue import TRAININGS, VALUES
from digits.experiments.records import Experiment
from digits.experiments.searches import pruning_of, ranked
from digits.experiments.study import OpenStudy
from digits.experiments.words import count, pruning_text, values_text
from digits.files import write_whole
from digits.names import percent
from digits.recipes import recipe_record

BEST = "best.json"
"""The best recipe, in the experiment's folder; the training scripts take it with --recipe."""


def best_of(definition: Definition, trials: Iterable[FrozenTrial | None]) -> FrozenTrial | None:
    """Return the complete trial with the best objective; of equal ones, the first."""
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


def summary(experiment: Experiment, path: Path) -> str:
    """Return what was found, and what pruning has saved, in sentences; path: of best.json."""
    if not (complete := ranked(experiment)):
        return "No trial was completed, so that there is no best recipe."
    best = complete[0]
    loss, accuracy = (fmean(one.score[key] for one in best.trainings) for key in ("loss", "accuracy"))
    seeds = f", means of {len(best.trainings)} seeds" if len(best.trainings) > 1 else ""
    values = values_text({name: best.values[name] for name in experiment.varied})
    pruning = pruning_of(experiment)
    sentences = [
        f"The best of {count(len(experiment.trials), 'trial')} is number {best.number}: {values}.",
        f"Its validation loss is {loss:.4f}, its validation accuracy {percent(accuracy)}{seeds}.",
        *([pruning_text(pruning)] if pruning else []),
        f"'{path}' has its recipe; the training scripts take that with --recipe.",
    ]
    return " ".join(sentences)
