"""Several runs on the same test images: where they agree, whether a difference means anything, how seeds scatter."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import mean, stdev

import numpy as np
from numpy.typing import NDArray

from digits.runs import ENSEMBLE, Run

SIGNIFICANT = 0.05
"""Below this p-value a difference is called real: a 95 % test, as the intervals are 95 % intervals."""


@dataclass(frozen=True)
class PairComparison:
    """Two runs, image by image. The four counts add up to n; indices are those of test images, int64."""

    a: Run
    b: Run
    n: int
    both_right: int
    only_a_right: int
    only_b_right: int
    both_wrong: int
    disagreements: NDArray[np.int64]  # images for which the two predict different classes, most confident first
    both_wrong_images: NDArray[np.int64]  # images that both get wrong (perhaps differently), most confident first
    p_value: float  # of the exact McNemar test, two-sided
    significant: bool  # p_value < SIGNIFICANT
    recipe_differences: list[str]  # such as 'epochs 3 against 1'; empty where the recipes are equal or one has none
    verdict: str  # in plain words: two to five sentences


@dataclass(frozen=True)
class SeedSummary:
    """Runs of one recipe, model and framework that differ in the seed alone."""

    runs: list[Run]  # one for each seed, by seed
    n: int  # how many
    mean: float  # of the test accuracies
    standard_deviation: float  # of the sample (n - 1)
    minimum: float
    maximum: float

    def sentence(self) -> str:
        """Return the summary in words."""
        first = self.runs[0]
        return (
            f"{first.dataset} {first.model} {first.framework}: test accuracy {_percent(self.mean)} on average over "
            f"n = {self.n} seeds ({', '.join(str(run.seed) for run in self.runs)}), standard deviation "
            f"{100 * self.standard_deviation:.2f} points, from {_percent(self.minimum)} to {_percent(self.maximum)}."
        )


@dataclass(frozen=True)
class Comparison:
    """Runs that were tested on the same images and may therefore be compared."""

    dataset: str
    fingerprint: str | None  # of the dataset; None only where `runs` is one run that records none
    runs: list[Run]  # in the order given
    pairs: list[PairComparison]  # the two frameworks on one model and seed: a's framework is the first by alphabet
    seeds: list[SeedSummary]  # of each recipe that was trained with several seeds


def compare_runs(runs: Sequence[Run]) -> list[Comparison]:
    """Return the runs in groups of equal test images, each group compared; every run is in exactly one group.

    Groups come in the order of their first run. A run that records no fingerprint is a group of its own.
    """
    groups: dict[tuple[object, ...], list[Run]] = {}
    for i, run in enumerate(runs):
        # Labels and class names too: a fingerprint in run.json is a claim, and a forged one must not mix images.
        key = (run.fingerprint, run.labels.tobytes(), *run.class_names) if run.fingerprint else (i,)
        groups.setdefault(key, []).append(run)
    return [
        Comparison(group[0].dataset, group[0].fingerprint, group, _framework_pairs(group), _seed_summaries(group))
        for group in groups.values()
    ]


def why_not_compared(comparisons: Sequence[Comparison]) -> list[str]:
    """Return a sentence for each two groups of compare_runs on why they are not compared with one another."""
    return [_why_not(first, second) for first, second in combinations(comparisons, 2)]


def compare_pair(a: Run, b: Run) -> PairComparison:
    """Compare two runs of one group of compare_runs. Raises ValueError where their labels are not equal."""
    if not np.array_equal(a.labels, b.labels):
        raise ValueError(f"'{a.name}' and '{b.name}' were not tested on the same labels")
    a_right, b_right = a.predictions == a.labels, b.predictions == b.labels
    only_a, only_b = int((a_right & ~b_right).sum()), int((b_right & ~a_right).sum())
    p_value = mcnemar(only_a, only_b)
    differences = _recipe_differences(a, b)
    return PairComparison(
        a=a,
        b=b,
        n=len(a.labels),
        both_right=int((a_right & b_right).sum()),
        only_a_right=only_a,
        only_b_right=only_b,
        both_wrong=int((~a_right & ~b_right).sum()),
        disagreements=_most_confident_first(a, b, np.flatnonzero(a.predictions != b.predictions)),
        both_wrong_images=_most_confident_first(a, b, np.flatnonzero(~a_right & ~b_right)),
        p_value=p_value,
        significant=p_value < SIGNIFICANT,
        recipe_differences=differences,
        verdict=" ".join(_verdict(a, b, only_a, only_b, p_value, differences)),
    )


def mcnemar(only_a_right: int, only_b_right: int) -> float:
    """Return the two-sided p-value of the exact McNemar test.

    Only images that one of the two gets right tell them apart; were the two equally good, each such image would be a
    fair coin. McNemar (1947), Psychometrika 12, 153-157, in its exact (binomial) form.
    """
    from scipy.stats import binomtest  # type: ignore[import-untyped]  # imported here because it takes long

    differing = only_a_right + only_b_right
    return float(binomtest(only_a_right, differing).pvalue) if differing else 1.0


def least_significant_difference(differing: int) -> int | None:
    """Return by how many images two runs must differ in accuracy for McNemar's p to be below SIGNIFICANT.

    differing: images that exactly one of the two gets right. None where even all of them for one run would not do.
    """
    from scipy.stats import binom

    # The largest count for the loser whose lower tail is below SIGNIFICANT / 2; the two tails are equal.
    loser = int(binom.ppf(SIGNIFICANT / 2, differing, 0.5)) - 1
    return differing - 2 * loser if loser >= 0 else None


def _verdict(a: Run, b: Run, only_a: int, only_b: int, p_value: float, differences: list[str]) -> list[str]:
    """Return the sentences of a verdict."""
    gap = abs(only_a - only_b)
    better, worse = (a, b) if only_a >= only_b else (b, a)
    both, n = f"'{a.name}' and '{b.name}'", f"{len(a.labels):,}"
    if not only_a + only_b:
        sentences = [f"{both} get exactly the same of {n} images right."]
    elif not gap:
        sentences = [
            f"{both} are equally accurate: each gets {only_a:,} of {n} images right that the other gets wrong."
        ]
    else:
        sentences = [
            f"'{better.name}' gets {gap:,} more of {n} images right than '{worse.name}' ({_percent(better.accuracy)} "
            f"against {_percent(worse.accuracy)}); {only_a + only_b:,} images are read right by only one of the two.",
            f"Two equally good networks would differ by that much or more with a probability of "
            f"{_probability(p_value)} (exact McNemar test): {_meaning(only_a + only_b, p_value, n)}",
        ]
    if differences:
        sentences.append(f"Their recipes differ ({', '.join(differences)}), which may be the reason.")
    elif gap:
        sentences.append("The test speaks of these two trained networks; another seed gives others.")
    return sentences


def _meaning(differing: int, p_value: float, n: str) -> str:
    if p_value < SIGNIFICANT:
        return "the difference is more than chance."
    needed = least_significant_difference(differing)
    threshold = f"a difference of {needed:,} images would be needed" if needed else "so few images could not show one"
    return f"on {n} images, this difference cannot be told from chance; {threshold}."


def _why_not(first: Comparison, second: Comparison) -> str:
    names = [_some_names(group.runs) for group in (first, second)]
    beginning = f"{names[0]} and {names[1]} are not compared: "
    for group, name in zip((first, second), names, strict=True):
        if not group.fingerprint:
            return f"{beginning}{name} does not record the fingerprint of its dataset; train it again."
    if first.dataset != second.dataset:
        return f"{beginning}they were tested on different images, those of {first.dataset} and of {second.dataset}."
    if first.fingerprint != second.fingerprint:
        return (
            f"{beginning}both name the dataset {first.dataset}, but its images were not the same (their fingerprints "
            "differ)."
        )
    return f"{beginning}their labels or class names differ although their datasets' fingerprints are equal."


def _some_names(runs: Sequence[Run]) -> str:
    more = len(runs) - 1
    return f"'{runs[0].name}'" + (f" (and {more} more)" if more else "")


def _framework_pairs(runs: Sequence[Run]) -> list[PairComparison]:
    """Compare each run with those of the other framework on the same model and seed; with those of the very same
    recipe alone, where there are any."""
    trained = sorted((run for run in runs if run.framework != ENSEMBLE), key=lambda run: run.framework)
    candidates = [
        (a, b)
        for a, b in combinations(trained, 2)
        if a.framework != b.framework and (a.model, a.seed) == (b.model, b.seed)
    ]
    same = [(a, b) for a, b in candidates if a.settings == b.settings]
    served = {id(run) for pair in same for run in pair}
    return [compare_pair(a, b) for a, b in candidates if a.settings == b.settings or not served & {id(a), id(b)}]


def _seed_summaries(runs: Sequence[Run]) -> list[SeedSummary]:
    recipes: dict[tuple[str, str, str], dict[int, Run]] = {}
    for run in runs:
        if run.seed is not None:
            recipe = json.dumps({**run.settings, "seed": None}, sort_keys=True)
            # Each seed once: a copy of a run is no further evidence.
            recipes.setdefault((run.model, run.framework, recipe), {}).setdefault(run.seed, run)
    return [_summarise([by_seed[seed] for seed in sorted(by_seed)]) for by_seed in recipes.values() if len(by_seed) > 1]


def _summarise(runs: list[Run]) -> SeedSummary:
    accuracies = [run.accuracy for run in runs]
    return SeedSummary(runs, len(runs), mean(accuracies), stdev(accuracies), min(accuracies), max(accuracies))


def _recipe_differences(a: Run, b: Run) -> list[str]:
    if not (a.recipe and b.recipe):  # an ensemble has none
        return []
    ours, theirs = a.settings, b.settings
    keys = [key for key in {**ours, **theirs} if ours.get(key) != theirs.get(key)]
    return [f"{key.replace('_', ' ')} {_value(ours.get(key))} against {_value(theirs.get(key))}" for key in keys]


def _value(value: object) -> str:
    return str("nothing" if value is None else value)[:40]


def _most_confident_first(a: Run, b: Run, indices: NDArray[np.int64]) -> NDArray[np.int64]:
    confidence = a.probabilities[indices].max(axis=1) + b.probabilities[indices].max(axis=1)
    return indices[np.argsort(-confidence, kind="stable")]


def _percent(share: float) -> str:
    return f"{100 * share:.2f} %"


def _probability(p_value: float) -> str:
    return f"{100 * p_value:.0f} %" if p_value >= 0.1 else f"{100 * p_value:.2g} %"
