"""How options, their values and an experiment's state are written for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, get_args

from digits.experiments.records import Experiment, State
from digits.experiments.searches import Pruning
from digits.experiments.statistics import Spread
from digits.names import percent, percent_range, spelled

SEPARATOR = " · "


def option_text(name: str) -> str:
    """Return 'learning rate' for 'learning_rate', and 'EMA' for 'ema'."""
    return "EMA" if name == "ema" else name.replace("_", " ")


def value_text(value: object) -> str:
    """Return an option's value: numbers with four significant digits, 'on' and 'off', '16 32', 'PyTorch', '-' if none.

    Whole numbers keep all of theirs.
    """
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list | tuple):
        return " ".join(map(value_text, value)) or "none"
    return spelled(str(value))


def values_text(values: Mapping[str, Any]) -> str:
    """Return a combination of values in one line: 'PyTorch · CNN · learning rate 0.003'."""
    return SEPARATOR.join(
        value_text(value) if isinstance(value, str) else f"{option_text(name)} {value_text(value)}"
        for name, value in values.items()
    )


def objective_text(experiment: Experiment, value: float) -> str:
    """Return an accuracy as '98.81 %', a loss as '0.0412'."""
    return percent(value) if experiment.objective == "accuracy" else f"{value:.4g}" if value < 1e-4 else f"{value:.4f}"


def objective_label(experiment: Experiment) -> str:
    """Return what an axis shows: 'Validation loss', 'Test accuracy, %'."""
    kind = "loss" if experiment.objective == "loss" else "accuracy, %"
    return f"{experiment.evaluate_on.capitalize()} {kind}"


def pruning_text(pruning: Pruning) -> str:
    """Return what pruning saved, in a sentence."""
    trained = f"{pruning.trained:,} of {pruning.without:,}"
    return f"Pruning saved {percent(pruning.saved, 0)} of the epochs: {trained} were trained."


def subject(experiment: Experiment) -> str:
    """Return what was trained on what: 'MNIST · CNN, MLP · PyTorch, TensorFlow · fields'."""
    parts = [spelled(experiment.dataset)]
    parts += [", ".join(map(spelled, names)) for names in (experiment.models, experiment.frameworks)]
    return SEPARATOR.join([*parts, f"'{experiment.name}'"])


def counts_text(experiment: Experiment) -> str:
    """Return how far the experiment is: '60 of 60 trials: 38 complete, 22 pruned'."""
    counts = Counter(trial.state for trial in experiment.trials)
    states = ", ".join(f"{counts[state]:,} {state}" for state in _STATES if counts[state])
    ended = sum(counts[state] for state in ("complete", "pruned", "failed"))
    wanted = max(experiment.wanted, len(experiment.trials))
    trials = "trial" if wanted == 1 else "trials"
    return f"{ended:,} of {wanted:,} {trials} ended" + (f": {states}" if states else "; none has started")


def deviation_text(spread: Spread | None, unit: float = 1, digits: int = 2) -> str:
    return "-" if spread is None or spread.deviation is None else f"{unit * spread.deviation:.{digits}f}"


def interval_text(spread: Spread | None, *, is_percent: bool) -> str:
    """Return '98.50 to 99.00 %', or '0.0312 to 0.0371'; '-' where there is no interval."""
    if spread is None or spread.interval is None:
        return "-"
    low, high = spread.interval
    return percent_range(spread.interval) if is_percent else f"{low:.4f} to {high:.4f}"


def count(n: int, what: str) -> str:
    """Return '1 trial', '3,000 trials'."""
    return f"{n:,} {what}{'' if n == 1 else 's'}"


_STATES: tuple[State, ...] = ("complete", "pruned", "failed", "running", "waiting")
assert {*_STATES} == {*get_args(State)}
