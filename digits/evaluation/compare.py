"""Several runs on the same images: where they agree, and whether a difference is significant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from digits.errors import UserError
from digits.evaluation.paired import SIGNIFICANT, paired_test
from digits.evaluation.recipes import RecipeSummary, setting_text, summarize_recipes
from digits.names import percent
from digits.runs import ENSEMBLE, Run, number_writers


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
    writers: int | None  # who wrote the images; None where not both runs record it
    p_value: float  # of the paired test over writers where they are known, else McNemar's
    needed: int | None  # images in accuracy at which that test would call the difference significant; None: at none
    mcnemar: float  # p-value of the exact McNemar test, as if all images were independent
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
    def verdict(self) -> str:
        """In plain words: one to four sentences."""
        differing, gap = self.only_a_right + self.only_b_right, abs(self.only_a_right - self.only_b_right)
        named = list(zip((self.a, self.b), self.names, strict=True))
        (better, its_name), (worse, other_name) = named if self.only_a_right >= self.only_b_right else named[::-1]
        both = "'{}' and '{}'".format(*self.names)
        if not differing:
            text = f"{both} are correct on exactly the same images: {self.both_right:,} of {self.n:,}."
        elif not gap:
            text = (
                f"{both} are equally accurate: each is correct on {self.only_a_right:,} of {self.n:,} images on which "
                "the other is wrong."
            )
        else:
            test = "exact McNemar test"
            if self.writers:
                test = f"paired test over {self.writers} writers; exact McNemar test: {_chance(self.mcnemar)}"
            text = (
                f"'{its_name}' classifies {gap:,} more of {self.n:,} images correctly than '{other_name}' "
                f"({percent(better.accuracy)} against {percent(worse.accuracy)}); {differing:,} images are classified "
                f"correctly by only one of the two. Two equally good networks would differ by at least this much with "
                f"a probability of {_chance(self.p_value)} ({test}): the difference is "
            )
            if self.significant:
                text += "significant."
            elif self.needed:
                text += f"not significant; one of {self.needed:,} images would be."
            else:
                text += f"not significant; with only {differing} such images, none would be."
        if len(self.recipe_differences) == 1 and self.a.seed != self.b.seed:
            return f"{text} They differ in their seed alone, {self.a.seed} against {self.b.seed}."
        if self.recipe_differences:
            return f"{text} Their recipes differ, which may explain it: {', '.join(self.recipe_differences)}."
        return f"{text} This holds for these two trained networks; other seeds give other results." if gap else text


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
    chosen: two of the runs that are compared image by image, in place of the two frameworks; UserError where they are
    not in one group.
    """
    groups: dict[tuple[object, ...], list[Run]] = {}
    for i, run in enumerate(runs):
        # Labels and class names too: a fingerprint in run.json is a claim, and a forged one must not mix images.
        images = (run.fingerprint, *(run.held_out or {}).values(), run.labels.tobytes())
        key = (*images, *run.class_names) if run.fingerprint else (i,)
        groups.setdefault(key, []).append(run)
    comparisons = []
    for group in groups.values():
        asked = chosen if chosen and {id(run) for run in chosen} <= {id(run) for run in group} else None
        pairs = [compare_pair(*asked)] if asked else [] if chosen else _framework_pairs(group)
        what = (group[0].dataset, group[0].fingerprint, group, pairs, summarize_recipes(group), asked is not None)
        comparisons.append(Comparison(*what))
    if chosen and not any(one.chosen for one in comparisons):
        raise UserError(why_not_compared(compare_runs(chosen))[0])
    return comparisons


def why_not_compared(comparisons: Sequence[Comparison]) -> list[str]:
    """Return sentences on why the groups of compare_runs are not compared with one another, one for each reason."""
    groups: dict[str, list[str]] = {}  # by reason
    for pair in combinations(comparisons, 2):
        more = [f" (and {len(group.runs) - 1} more)" if len(group.runs) > 1 else "" for group in pair]
        first, second = (f"'{group.runs[0].name}'{others}" for group, others in zip(pair, more, strict=True))
        reason = "their labels or class names differ although their datasets' fingerprints are equal"
        if not (pair[0].fingerprint and pair[1].fingerprint):
            unknown = second if pair[0].fingerprint else first
            reason = f"{unknown} does not record the fingerprint of its dataset; train it again"
        elif pair[0].dataset != pair[1].dataset:
            reason = f"they were evaluated on different datasets, {pair[0].dataset} and {pair[1].dataset}"
        elif pair[0].fingerprint != pair[1].fingerprint:
            reason = (
                f"the images of {pair[0].dataset} that they were evaluated on differ (by the dataset's fingerprint)"
            )
        elif pair[0].runs[0].held_out != pair[1].runs[0].held_out:
            kinds = [group.runs[0].evaluated_on for group in pair]
            reason = (
                f"they were evaluated on {kinds[0]} and {kinds[1]} images"
                if kinds[0] != kinds[1]
                else "their validation images differ (by --validation-fraction, --split or --seed)"
            )
        names = groups.setdefault(reason, [])
        names += [name for name in (first, second) if name not in names]
    sentences = []
    for reason, names in groups.items():
        others = f" and {len(names) - 3} more" if len(names) > 4 else f" and {names[-1]}"
        named = ", ".join(names[:3] if len(names) > 4 else names[:-1])
        sentences.append(f"{named}{others} are not compared: {reason}.")
    return sentences


def compare_pair(a: Run, b: Run) -> PairComparison:
    """Compare two runs of one group of compare_runs. Raises ValueError where their labels are not equal."""
    if not np.array_equal(a.labels, b.labels):
        raise ValueError(f"'{a.name}' and '{b.name}' were not evaluated on the same labels")
    a_right, b_right = a.right, b.right
    confidence = a.probabilities.max(axis=1) + b.probabilities.max(axis=1)

    def most_confident_first(chosen: NDArray[np.bool_]) -> NDArray[np.int64]:
        indices = np.flatnonzero(chosen)
        return indices[np.argsort(-confidence[indices], kind="stable")]

    by_image = a_right.astype(np.int64) - b_right
    p_value, needed = mcnemar = paired_test(by_image)
    writers = None
    if a.writers is not None and b.writers is not None and np.array_equal(a.writers, b.writers):
        groups = number_writers(a.writers)
        writers = int(groups.max()) + 1
        p_value, needed = paired_test(np.bincount(groups, by_image).astype(np.int64))
    return PairComparison(
        a=a,
        b=b,
        n=len(a.labels),
        both_right=int((a_right & b_right).sum()),
        only_a_right=int((by_image > 0).sum()),
        only_b_right=int((by_image < 0).sum()),
        both_wrong=int((~a_right & ~b_right).sum()),
        disagreements=most_confident_first(a.predictions != b.predictions),
        both_wrong_images=most_confident_first(~a_right & ~b_right),
        writers=writers,
        p_value=p_value,
        needed=needed,
        mcnemar=mcnemar[0],
        recipe_differences=_recipe_differences(a, b),
    )


def _chance(p_value: float) -> str:
    return f"{100 * p_value:.0f} %" if p_value >= 0.1 else f"{100 * p_value:.2g} %"


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
    both = {key: [run.settings.get(key) for run in (a, b)] for key in {**a.settings, **b.settings}}
    sentences = []
    for key, values in both.items():
        if values[0] != values[1]:
            sentences.append(
                f"{key.replace('_', ' ')} {' against '.join(setting_text(value)[:40] for value in values)}"
            )
    codes = {a.network_code, b.network_code} - {None}
    if (a.model, a.framework) == (b.model, b.framework) and len(codes) > 1:
        sentences.append("the code of the network")
    return sentences
