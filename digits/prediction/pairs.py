"""The two networks that are shown side by side: twins, so that what differs is the framework."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from digits.errors import UserError
from digits.names import FRAMEWORKS
from digits.prediction.trained_run import TrainedRun, best_run, facts_of, load_best
from digits.runs import Run

NETWORK = ("dataset", "images", "model", "filters", "dense")
"""Runs that are equal in these have the same network and data; perhaps with another recipe."""


def load_pair(runs: Sequence[Run], outputs: Path) -> list[TrainedRun]:
    """Return a run of each framework, ready to predict: the best for digits of those that have a twin.

    Twins are equal in data and all options but the seed, or, where no such are, in data and network. Where none are,
    the best run of each framework; of one framework alone, or nothing, where there are no more.
    """
    rest = [run for run in runs if run.framework in FRAMEWORKS and run.class_names == list("0123456789")]

    for alike in (_whole, _network):
        twins = _with_twin(rest, alike)
        while twins:
            same = alike(best_run(twins, outputs))
            with suppress(UserError):  # one of them cannot be used: the next best twins
                found = [run for run in twins if alike(run) == same]
                return [load_best([run for run in found if run.framework == one], outputs) for one in FRAMEWORKS]
            twins = [run for run in twins if alike(run) != same]
    best = []
    for framework in FRAMEWORKS:
        with suppress(UserError):
            best.append(load_best([run for run in rest if run.framework == framework], outputs))
    return best


def differences(a: TrainedRun, b: TrainedRun) -> list[str]:
    """Return in what two runs are unequal, such as 'model cnn against mlp': data and network first."""
    keys = [key for key in dict.fromkeys([*NETWORK, *a.facts, *b.facts]) if key != "seed"]
    differing = [key for key in keys if a.facts.get(key) != b.facts.get(key)]
    if "dataset" in differing:
        differing.remove("images")
    return [f"{key.replace('_', ' ')} {_text(a.facts.get(key))} against {_text(b.facts.get(key))}" for key in differing]


def _text(value: object) -> str:
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)


def _whole(run: Run) -> dict[str, Any]:
    return {key: value for key, value in facts_of(run).items() if key != "seed"}


def _network(run: Run) -> dict[str, Any]:
    return {key: facts_of(run).get(key) for key in NETWORK}


def _with_twin(runs: Sequence[Run], alike: Callable[[Run], dict[str, Any]]) -> list[Run]:
    keys = [alike(run) for run in runs]
    return [
        run
        for run, key in zip(runs, keys, strict=True)
        if any(other.framework != run.framework and key == own for other, own in zip(runs, keys, strict=True))
    ]
