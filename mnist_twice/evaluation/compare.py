"""Several runs on the same images: where two agree, whether a difference is significant, how much seeds scatter."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import mean, stdev
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mnist_twice.errors import UserError
from mnist_twice.metrics import difference_interval
from mnist_twice.names import percent
from mnist_twice.runs import ENSEMBLE, Run

SIGNIFICANT = 0.05
"""Below this p-value a difference is called significant: a 95 % test, as the intervals are 95 % intervals."""
SAME_IMAGES = "only runs on the same images, with the same labels and class names, are compared"


@dataclass(frozen=True)
class PairComparison:
    """Two runs, image by image. The four counts add up to n; indices are those of the images, int64."""

    a: Run
    b: Run
    n: int
    both_right: int
    only_a_right: int
    only_b_right: int
    both_wrong: int
    disagreements: NDArray[np.int64]  # images for which the two predict different classes, most confident first
    both_wrong_images: NDArray[np.int64]  # images that both get wrong (perhaps differently), most confident first
    interval: tuple[float, float]  # 95 %, of a's accuracy less b's: over writers where both runs record them
    writers: int | None  # who wrote the images; None where not both runs record it
    p_value: float  # of the paired test over writers where they are known, else of the exact McNemar test
    recipe_differences: list[str]  # such as 'epochs 3 against 1'; empty where the recipes are equal or one has none

    @property
    def names(self) -> tuple[str, str]:
        """What the two are called: the names of their folders, or where these are equal, the folders' paths."""
        if self.a.name == self.b.name:
            return str(self.a.path), str(self.b.path)
        return self.a.name, self.b.name

    @property
    def significant(self) -> bool:
        return self.p_value < SIGNIFICANT

    @property
    def test(self) -> str:
        """What the p-value is of."""
        return f"paired test over {self.writers} writers" if self.writers else "exact McNemar test"

    @property
    def verdict(self) -> str:
        """In plain words: one to four sentences."""
        differing, gap = self.only_a_right + self.only_b_right, self.only_a_right - self.only_b_right
        both = "'{}' and '{}'".format(*self.names)
        if not differing:
            text = f"{both} are correct on exactly the same images: {self.both_right:,} of {self.n:,}."
        elif not gap:
            text = (
                f"{both} are equally accurate: each is correct on {self.only_a_right:,} of {self.n:,} images on which "
                "the other is wrong."
            )
        else:
            accuracies, ends = (percent(self.a.accuracy), percent(self.b.accuracy)), self.interval
            (better, worse), (high, low) = self.names, accuracies
            if gap < 0:
                (worse, better), (low, high), ends = self.names, accuracies, (-ends[1], -ends[0])
            chance = "below 0.01 %"
            if self.p_value >= 1e-4:
                chance = f"of {percent(self.p_value, 0 if self.p_value >= 0.1 else 2)}"
            text = (
                f"'{better}' classifies {abs(gap):,} more of {self.n:,} images correctly than '{worse}' ({high} "
                f"against {low}): {100 * abs(gap) / self.n:.2f} percentage points, 95 % interval {100 * ends[0]:.2f} "
                f"to {100 * ends[1]:.2f}. Two equally good networks would differ by at least this much with a "
                f"probability {chance} ({self.test}): the difference is "
                f"{'' if self.significant else 'not '}significant."
            )
        if len(self.recipe_differences) == 1 and self.a.seed != self.b.seed:
            return f"{text} They differ only in their seed: {self.a.seed} and {self.b.seed}."
        if self.recipe_differences:
            return f"{text} Their recipes differ, which may explain it: {', '.join(self.recipe_differences)}."
        return f"{text} This holds for these two trained networks; other seeds give other results." if gap else text


@dataclass(frozen=True)
class RecipeSummary:
    """The runs of one model, framework and recipe on the same images, by one code of the network."""

    runs: list[Run]  # one for each seed, by seed
    model: str
    framework: str
    differences: str  # from the model's other recipes among the runs compared: 'epochs 5'; '' where there is one recipe
    mean: float  # of the accuracies
    standard_deviation: float | None  # of the sample (n - 1); None of a single run
    minimum: float
    maximum: float

    @property
    def seeds(self) -> list[int]:
        return [run.seed for run in self.runs if run.seed is not None]


@dataclass(frozen=True)
class Comparison:
    """Runs that were evaluated on the same images and may therefore be compared."""

    dataset: str
    fingerprint: str | None  # of the dataset; None only where `runs` is one run that records none
    runs: list[Run]  # in the order given
    pairs: list[PairComparison]  # the two frameworks on one model and seed: a's framework is the first by alphabet
    recipes: list[RecipeSummary]  # of each recipe, over its seeds
    chosen: bool = False  # whether `pairs` is the one pair that was asked for, in place of the frameworks


def compare_runs(runs: Sequence[Run], chosen: tuple[Run, Run] | None = None) -> list[Comparison]:
    """Return the runs in groups of equal images, each group compared; every run is in exactly one group.

    Groups come in the order of their first run. A run that records no fingerprint is a group of its own.
    chosen: two of the runs that are compared image by image, in place of the two frameworks. Raises UserError if they
    are not in one group.
    """
    groups: dict[tuple[object, ...], list[Run]] = {}
    for i, run in enumerate(runs):
        # Labels too: another version may have held out other images with the same recipe.
        images = (run.fingerprint, *(run.held_out or {}).values(), run.labels.tobytes(), *run.class_names)
        groups.setdefault(images if run.fingerprint else (i,), []).append(run)
    comparisons = []
    for group in groups.values():
        asked = chosen if chosen and all(any(run is one for run in group) for one in chosen) else None
        pairs = [compare_pair(*asked)] if asked else [] if chosen else _framework_pairs(group)
        images = group[0].dataset, group[0].fingerprint
        comparisons.append(Comparison(*images, group, pairs, summarize_recipes(group), asked is not None))
    if chosen and not any(one.chosen for one in comparisons):
        raise UserError(f"{SAME_IMAGES}: {'; '.join(why_not_compared(compare_runs(chosen)))}.")
    return comparisons


def why_not_compared(comparisons: Sequence[Comparison]) -> list[str]:
    """Return for each of several groups of compare_runs what it was evaluated on, which is why they are apart."""
    texts = []
    for group in comparisons if len(comparisons) > 1 else ():
        run = group.runs[0]
        more = f" (and {len(group.runs) - 1} more)" if len(group.runs) > 1 else ""
        fingerprint = run.fingerprint[:8] if run.fingerprint else "not recorded, so train again"
        facts = {**(run.held_out or {}), "fingerprint": fingerprint}
        which = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in facts.items())
        texts.append(f"'{run.name}'{more} on {len(run.labels):,} {run.evaluated_on} images of {run.dataset} ({which})")
    return texts


def compare_pair(a: Run, b: Run) -> PairComparison:
    """Compare two runs of one group of compare_runs."""
    from scipy.stats import binomtest  # type: ignore[import-untyped]  # here, since its import takes a second

    confidence = a.probabilities.max(axis=1) + b.probabilities.max(axis=1)

    def most_confident_first(chosen: NDArray[np.bool_]) -> NDArray[np.int64]:
        indices = np.flatnonzero(chosen)
        return indices[np.argsort(-confidence[indices], kind="stable")]

    by_image = a.right.astype(np.int64) - b.right
    both_right, only_a, only_b, both_wrong = (
        int((x & y).sum()) for x in (a.right, ~a.right) for y in (b.right, ~b.right)
    )
    if a.writers is not None and b.writers is not None and np.array_equal(a.writers, b.writers):
        names, groups = np.unique(a.writers[:, 0], return_inverse=True)
        interval, writers = difference_interval(by_image, a.writers), len(names)
        p_value = paired_test(np.bincount(groups, by_image).astype(np.int64))
    else:
        interval, writers = difference_interval(by_image), None
        p_value = float(binomtest(only_a, only_a + only_b).pvalue) if only_a + only_b else 1.0  # McNemar's, exact
    counts = len(a.labels), both_right, only_a, only_b, both_wrong
    images = most_confident_first(a.predictions != b.predictions), most_confident_first(~a.right & ~b.right)
    return PairComparison(a, b, *counts, *images, interval, writers, p_value, _recipe_differences(a, b))


def holm(p_values: Sequence[float]) -> list[float]:
    """Return the p-values of as many tests, adjusted so that any of them is below p by chance with probability p.

    Holm (1979), 'A simple sequentially rejective multiple test procedure', Scandinavian Journal of Statistics 6.
    """
    order = np.argsort(p_values)
    factors = np.arange(len(p_values), 0, -1)
    adjusted = np.minimum(np.maximum.accumulate(factors * np.asarray(p_values)[order]), 1)
    return [float(adjusted[place]) for place in np.argsort(order)]


def summarize_recipes(runs: Sequence[Run]) -> list[RecipeSummary]:
    """Return a summary of each recipe, the best mean first; of runs on the same images, ensembles are left out."""
    trained = [run for run in runs if run.framework != ENSEMBLE]
    recipes: dict[tuple[str, str, str, str], dict[int | None, Run]] = {}
    for run in trained:
        key = (run.model, run.framework, json.dumps(_settings(run), sort_keys=True), run.network_code or "")
        # Each seed once: a copy of a run is no further evidence.
        recipes.setdefault(key, {}).setdefault(run.seed, run)
    summaries = []
    for (model, framework, _, code), by_seed in recipes.items():
        members = sorted(by_seed.values(), key=lambda run: run.seed or 0)
        accuracies = [run.accuracy for run in members]
        others = [run for run in trained if run.model == model]
        settings = _settings(members[0])
        differences = [
            f"{key.replace('_', ' ')} {setting_text(value)}"
            for key, value in sorted(settings.items())
            if any(_settings(other).get(key) != value for other in others)
        ]
        if len({run.network_code for run in others if run.framework == framework}) > 1:
            differences.append(f"network code {code[:8] or 'not recorded'}")
        deviation = stdev(accuracies) if len(accuracies) > 1 else None
        spread = (mean(accuracies), deviation, min(accuracies), max(accuracies))
        summaries.append(RecipeSummary(members, model, framework, ", ".join(differences), *spread))
    return sorted(summaries, key=lambda one: -one.mean)


def setting_text(value: object) -> str:
    """Return a value of a recipe in words: '16 32' for [16, 32]; 'yes' and 'no'; 'none' for nothing."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return (" ".join(map(str, value)) if isinstance(value, list) else "" if value is None else str(value)) or "none"


def paired_test(differences: NDArray[np.integer]) -> float:
    """Return the two-sided p-value of the exact permutation test.

    differences: (units,), by how many images the first run is better on those of each writer. Were the two equally
    good, each difference would have either sign by the toss of a coin (Fisher 1935, 'The design of experiments',
    section 21); the p-value is the probability of a sum at least as far from 0. (scipy.stats.permutation_test tries all
    signs of a few units only; of many it draws some at random.)
    """
    sizes = abs(differences[differences != 0])
    probabilities = np.ones(1)  # of the sums -total, ..., total, in steps of 1
    for size in sizes.tolist():
        half, pad = probabilities / 2, np.zeros(2 * size)
        probabilities = np.append(half, pad) + np.append(pad, half)
    observed = abs(int(differences.sum()))
    return min(2 * float(probabilities[int(sizes.sum()) + observed :].sum()), 1.0)


def _framework_pairs(runs: Sequence[Run]) -> list[PairComparison]:
    """Compare each run with those of the other framework on the same model and seed; with those of the very same
    recipe alone, where there are any."""
    trained = sorted((run for run in runs if run.framework != ENSEMBLE), key=lambda run: run.framework)
    candidates = [
        (a, b)
        for a, b in combinations(trained, 2)
        if a.framework != b.framework and (a.model, a.seed) == (b.model, b.seed)
    ]
    served = {id(run) for a, b in candidates if a.settings == b.settings for run in (a, b)}
    return [compare_pair(a, b) for a, b in candidates if a.settings == b.settings or not served & {id(a), id(b)}]


def _recipe_differences(a: Run, b: Run) -> list[str]:
    if not (a.recipe and b.recipe):  # an ensemble has none
        return []
    differences = []
    for key in {**a.settings, **b.settings}:
        first, second = (run.settings.get(key) for run in (a, b))
        if first != second:
            texts = f"{setting_text(first)[:40]} against {setting_text(second)[:40]}"
            differences.append(f"{key.replace('_', ' ')} {texts}")
    if (a.model, a.framework) == (b.model, b.framework) and len({a.network_code, b.network_code} - {None}) > 1:
        differences.append("the code of the network")
    return differences


def _settings(run: Run) -> dict[str, Any]:
    return {key: value for key, value in run.settings.items() if key != "seed"}
