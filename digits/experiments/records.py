"""An experiment as its tables and figures see it: what was varied, and what each trial has given so far."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from digits.runs import Score

State = Literal["waiting", "running", "complete", "pruned", "failed"]


@dataclass(frozen=True)
class Training:
    """A finished training of a trial: a trial of a grid has one, that of a search one for each of its seeds."""

    seed: int
    score: Score  # on the images that the experiment evaluates on
    seconds: float  # of training steps alone
    epochs: int


@dataclass(frozen=True)
class Trial:
    """One combination of values, tried."""

    number: int  # in the order in which the study made them, from 0
    state: State
    values: Mapping[str, Any]  # by name: framework, model, seed, and fields of the recipe (tuples as such)
    objective: float | None  # what a search optimises, the mean over its trainings; None until one has ended
    epochs: tuple[float, ...]  # the objective after each epoch that was reported, whether or not the trial was pruned
    trainings: tuple[Training, ...]
    worker: str  # 'host:process'; empty while the trial waits
    started: datetime | None
    finished: datetime | None
    error: str  # the last lines of a training that failed


@dataclass(frozen=True)
class Experiment:
    """A study read whole. Trials that were given to another worker, or made twice, are not among its trials."""

    name: str
    kind: Literal["grid", "search", "confirm"]
    dataset: str
    frameworks: tuple[str, ...]
    models: tuple[str, ...]
    evaluate_on: Literal["test", "validation"]
    objective: Literal["loss", "accuracy"]  # a loss (mean cross-entropy, nats) is minimised, an accuracy maximised
    varied: tuple[str, ...]  # names of what more than one value was asked of, in the order of the command
    logarithmic: frozenset[str]  # those of them that are searched, and so shown, on a logarithmic scale
    defaults: Mapping[str, Any]  # the values of what is varied in the default recipe, where there is one
    wanted: int  # trials that the command asked for
    epochs: int  # that a trial takes unless it is pruned; 0 where that is itself varied
    trials: tuple[Trial, ...]
