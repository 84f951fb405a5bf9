"""What a search's best recipe is worth: its difference from the default recipe, seed by seed, on the test images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from digits.experiments.records import Experiment, Training
from digits.experiments.statistics import Spread, ratio_of, sign_flip_p_value, spread_of

DEFAULT, BEST = "default", "best"
"""The two recipes, among a trial's values as `recipe`."""
CONFIRM = "-confirm"
"""Ends the name of the experiment that confirms a search."""


@dataclass(frozen=True)
class Confirmation:
    """Both recipes, trained with the same seeds and evaluated on the same test images."""

    default: tuple[Training, ...]  # by seed, as `best`
    best: tuple[Training, ...]
    wanted: int  # pairs that there will be

    @property
    def seeds(self) -> tuple[int, ...]:
        return tuple(training.seed for training in self.best)

    @property
    def differences(self) -> list[float]:
        """By how much the best recipe is more accurate, a fraction, seed by seed."""
        return [self._difference(*pair, "accuracy") for pair in zip(self.best, self.default, strict=True)]

    @property
    def difference(self) -> Spread:
        return spread_of(self.differences)

    @property
    def loss_difference(self) -> Spread:
        return spread_of([self._difference(*pair, "loss") for pair in zip(self.best, self.default, strict=True)])

    @property
    def seconds_ratio(self) -> Spread:
        """Training seconds of the best recipe over those of the default one."""
        return ratio_of([one.seconds for one in self.best], [one.seconds for one in self.default])

    @property
    def p_value(self) -> float:
        """Of the exact permutation test of the differences in accuracy."""
        return sign_flip_p_value(self.differences)

    @property
    def is_clear(self) -> bool:
        """Whether the 95 % interval of the difference excludes 0."""
        interval = self.difference.interval
        return interval is not None and (interval[0] > 0 or interval[1] < 0)

    def sentence(self) -> str:
        """Return the result in words."""
        mean, n = self.difference.mean, self.difference.n
        points, low, high = (100 * abs(mean), *self._interval())
        how = "more" if mean > 0 else "less"
        seeds = f"n = {n} seed{'' if n == 1 else 's'}"
        if n < self.wanted:
            seeds = f"n = {n} of {self.wanted} seeds so far"
        interval = f"95 % interval {low:.2f} to {high:.2f}, {seeds}" if n > 1 else f"{seeds}, which gives no interval"
        what = f"{points:.2f} percentage points {how} accurate" if mean else "exactly as accurate as the default one"
        return f"The best recipe is {what} ({interval}), at {self.seconds_ratio.mean:.2f} times the training seconds."

    def remark(self) -> str:
        """Return how far the result can be relied on, in words."""
        n = self.difference.n
        if n < 2:
            return "Of one seed it is not known whether the difference is more than chance."
        least = " (the least that so few seeds can give)" if self.p_value <= 2 / 2**n + 1e-12 and n < 6 else ""
        test = f"p = {self.p_value:.3f}{least} by the exact permutation test of the paired differences"
        if self.is_clear:
            return f"The interval excludes 0; {test}."
        return f"The interval includes 0, so that these seeds do not tell the two recipes apart; {test}."

    def as_json(self) -> dict[str, Any]:
        """Return every number for confirm.json, accuracies and differences as fractions."""
        return {
            "sentence": self.sentence(),
            "remark": self.remark(),
            "seeds": list(self.seeds),
            "default": list(map(asdict, self.default)),
            "best": list(map(asdict, self.best)),
            "accuracy_difference": asdict(self.difference),
            "p_value": self.p_value,
            "loss_difference": asdict(self.loss_difference),
            "seconds_ratio": asdict(self.seconds_ratio),
        }

    def _interval(self) -> tuple[float, float]:
        """Return the ends of the interval in percentage points, turned over where the best recipe is less accurate."""
        low, high = self.difference.interval or (0.0, 0.0)
        return (-100 * high, -100 * low) if self.difference.mean < 0 else (100 * low, 100 * high)

    @staticmethod
    def _difference(best: Training, default: Training, what: Any) -> float:
        return float(best.score[what] - default.score[what])  # type: ignore[literal-required]


def confirmation_of(experiment: Experiment) -> Confirmation | None:
    """Return the result of an experiment of the kind 'confirm', from the seeds with which both recipes are trained.

    None where there is no such seed yet, and for other kinds.
    """
    if experiment.kind != "confirm":
        return None
    found: dict[str, dict[int, Training]] = {DEFAULT: {}, BEST: {}}
    for trial in experiment.trials:
        if trial.state == "complete":
            found[trial.values["recipe"]] |= {training.seed: training for training in trial.trainings}
    seeds = sorted(found[DEFAULT].keys() & found[BEST].keys())
    if not seeds:
        return None
    default, best = (tuple(found[name][seed] for seed in seeds) for name in (DEFAULT, BEST))
    return Confirmation(default, best, max(experiment.wanted // 2, len(seeds)))


def verdicts_of(experiment: Experiment) -> list[str]:
    """Return what an experiment of the kind 'confirm' has shown, in sentences; none where there is no result yet."""
    found = confirmation_of(experiment)
    return [] if found is None else [f"{found.sentence()} {found.remark()}"]


def fresh_seeds(used: Sequence[int], number: int) -> tuple[int, ...]:
    """Return the first seeds that are not among those used."""
    found: list[int] = []
    seed = 0
    while len(found) < number:
        if seed not in used:
            found.append(seed)
        seed += 1
    return tuple(found)
