"""One run evaluated: every number that the report shows of it, from its saved arrays alone.

Errors cluster by writer: where the writers are known, intervals are over writers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mnist_twice.data import MNIST, SERIES, fingerprint
from mnist_twice.metrics import accuracy_interval, cross_entropy, design_effect, standard_error
from mnist_twice.runs import Run

TOP_CONFUSIONS = 30  # how many of the most frequent confusions are named
MANY_CLASSES = 100
"""Of more classes, a confusion matrix is shown without numbers, and beside it the most frequent confusions."""
MNIST_DISPUTED_LABELS = (947, 1621, 1901, 2130, 2462, 2597, 2654, 3520, 3558, 5937, 6651, 6783, 8527, 9679, 9729)
"""Indices into MNIST's 10,000 test images, from Northcutt, Athalye and Mueller (2021), 'Pervasive label errors in test
sets destabilize machine learning benchmarks', NeurIPS Datasets and Benchmarks, arXiv 2103.14749. They showed these
images to people: most chose another class for ten of them; for 2130, 2654, 3520, 8527 and 9679 no class had a majority
against the label."""


@dataclass(frozen=True)
class ClassScore:
    """How well one class is recognised."""

    name: str
    precision: float  # fraction of the images predicted as this class that belong to it; 0 where there are none
    recall: float  # fraction of this class's images that are predicted as it, so its accuracy; 0 where there are none
    f1: float
    support: int  # images of this class
    recall_interval_95: tuple[float, float] | None  # as Evaluation.interval; None where support is 0


@dataclass(frozen=True)
class Confusion:
    """One kind of error: images of one class that were taken for another."""

    true: str  # the class's name
    predicted: str
    count: int  # images, at least 1
    share: float  # of the true class's images


@dataclass(frozen=True)
class CalibrationBin:
    """The images whose confidence (probability of the predicted class) lies in (low, high]."""

    low: float
    high: float
    count: int  # at least 1
    confidence: float  # mean confidence of these images
    accuracy: float  # fraction of these images that is classified correctly


@dataclass(frozen=True)
class Calibration:
    """Whether confidence is what it says: the probability that the prediction is correct."""

    bins: list[CalibrationBin]  # those of 15 bins of equal width over (0, 1] that have images
    error: float  # expected calibration error: the mean of |confidence - accuracy|, each bin weighted by its images
    error_by_chance: float  # about what a perfectly calibrated network with these confidences would have
    overconfidence: float  # mean confidence less accuracy
    standard_error: float  # of the overconfidence


@dataclass(frozen=True)
class SeriesScore:
    """How well the images of one series of writers are recognised."""

    name: str
    accuracy: float
    interval_95: tuple[float, float]  # over writers
    writers: int
    images: int


@dataclass(frozen=True)
class WriterScores:
    """The errors of each writer, most errors first; arrays are int64 (writers,)."""

    numbers: NDArray[np.int64]  # what the dataset calls each writer
    errors: NDArray[np.int64]
    images: NDArray[np.int64]
    series: list[SeriesScore]  # by number
    design_effect: float  # of the accuracy, as metrics.design_effect

    @property
    def without_error(self) -> float:
        """The fraction of writers none of whose images was misclassified."""
        return float(np.mean(self.errors == 0))

    def share_of_worst(self, count: int) -> float:
        """Return the fraction of all errors that belongs to the `count` writers with the most; 0 without errors."""
        return float(self.errors[:count].sum() / max(self.errors.sum(), 1))

    def as_json(self) -> dict[str, Any]:
        """Return plain numbers, texts, lists and dictionaries."""
        rows = np.stack([self.numbers, self.errors, self.images], axis=1).tolist()
        return {
            "number": len(self.numbers),
            "without_error": self.without_error,
            "design_effect": self.design_effect,
            "series": [asdict(one) for one in self.series],
            "errors": {str(number): [errors, images] for number, errors, images in rows if errors},
        }


@dataclass(frozen=True)
class Evaluation:
    """What evaluate_run returns. 'Indices' are those of the images evaluated on, int64."""

    run: Run
    n: int  # images, test or validation
    accuracy: float
    interval: tuple[float, float]  # 95 % interval of the accuracy: over writers where they are known, else Wilson's
    writers: WriterScores | None  # None where the run does not record who wrote the images
    loss: float  # mean cross-entropy in nats
    per_class: list[ClassScore]
    confusion_matrix: NDArray[np.int64]  # (classes, classes): rows are true classes, columns predicted ones
    top_confusions: list[Confusion]  # most frequent first, at most TOP_CONFUSIONS
    calibration: Calibration
    errors: NDArray[np.int64]  # indices of wrong predictions, most confident first
    disputed_labels: NDArray[np.int64]  # indices of test images whose label is disputed, whatever was predicted
    accuracy_without_disputed: float | None  # None where no label is disputed; given beside `accuracy`

    @property
    def heading(self) -> dict[str, Any]:
        """Which run it is, and its accuracy: what report.json and comparison.csv begin with."""
        names = ("dataset", "model", "framework", "seed", "evaluated_on")
        what = {"run": self.run.name, **{name: getattr(self.run, name) for name in names}}
        return {**what, "n": self.n, "accuracy": self.accuracy}

    def as_json(self) -> dict[str, Any]:
        """Return what report.json holds: plain numbers, texts, lists and dictionaries."""
        names = self.run.class_names
        return {
            **self.heading,
            "interval_95": list(self.interval),
            "writers": None if self.writers is None else self.writers.as_json(),
            "accuracy_without_disputed_labels": self.accuracy_without_disputed,
            "disputed_labels": self.disputed_labels.tolist(),
            "loss": self.loss,
            "calibration": asdict(self.calibration),
            "classes": [asdict(score) for score in self.per_class],
            "top_confusions": [asdict(confusion) for confusion in self.top_confusions],
            # Of many classes nearly all cells are 0.
            "confusion_matrix": self.confusion_matrix.tolist() if len(names) <= MANY_CLASSES else None,
            "errors": [
                {
                    "index": index,
                    "true": names[self.run.labels[index]],
                    "predicted": names[self.run.predictions[index]],
                    "probability": float(self.run.probabilities[index].max()),
                }
                for index in self.errors.tolist()
            ],
        }


def evaluate_run(run: Run) -> Evaluation:
    """Return every number that follows from the run's arrays (read_run has checked them)."""
    # Here, since its import takes a second.
    from sklearn.metrics import confusion_matrix  # type: ignore[import-untyped]

    right, errors, disputed = run.right, np.flatnonzero(~run.right), disputed_labels(run)
    matrix = confusion_matrix(run.labels, run.predictions, labels=range(len(run.class_names)))
    return Evaluation(
        run=run,
        n=len(right),
        accuracy=run.accuracy,
        interval=accuracy_interval(right, run.writers),
        writers=score_writers(run),
        loss=cross_entropy(run.labels, run.probabilities),
        per_class=_class_scores(run),
        confusion_matrix=matrix,
        top_confusions=_top_confusions(run.class_names, matrix),
        calibration=calibrate(run),
        errors=errors[np.argsort(-run.probabilities[errors].max(axis=1), kind="stable")],
        disputed_labels=disputed,
        accuracy_without_disputed=float(np.delete(right, disputed).mean()) if len(disputed) else None,
    )


def disputed_labels(run: Run) -> NDArray[np.int64]:
    """Return the indices of the run's test images whose label is disputed, ascending, int64 (K,).

    These are MNIST's 15, if the run was tested on exactly those images (by the dataset's fingerprint), else none.
    """
    on_mnist = run.dataset == MNIST.name and run.fingerprint == fingerprint(MNIST.sha256)
    indices = MNIST_DISPUTED_LABELS if on_mnist and run.evaluated_on == "test" else ()
    return np.array(indices, dtype=np.int64)


def calibrate(run: Run, num_bins: int = 15) -> Calibration:
    """Return how well the run's confidence is calibrated.

    15 bins, as in Guo et al. (2017), 'On calibration of modern neural networks', ICML, arXiv 1706.04599.
    """
    confidence, right = run.probabilities.max(axis=1).astype(np.float64), run.right
    variances = confidence * np.maximum(1 - confidence, 0)  # of right, in a calibrated network; sums round to above 1
    edges = np.linspace(0, 1, num_bins + 1)
    # By comparison, not by multiplication: 15 * 0.2 is slightly above 3.
    numbers = np.searchsorted(edges[1:-1], confidence, side="left")
    bins, error, by_chance = [], 0.0, 0.0
    for number in np.unique(numbers).tolist():
        inside = numbers == number
        means = float(confidence[inside].mean()), float(right[inside].mean())
        bins.append(CalibrationBin(float(edges[number]), float(edges[number + 1]), int(inside.sum()), *means))
        error += abs(float((confidence - right)[inside].sum()))
        by_chance += math.sqrt(2 / math.pi * float(variances[inside].sum()))  # the mean distance of a normal variable
    over, n = confidence - right, len(right)
    return Calibration(bins, error / n, by_chance / n, float(over.mean()), standard_error(over, run.writers))


def score_writers(run: Run) -> WriterScores | None:
    """Return the run's errors by writer; None where it does not record who wrote its images."""
    if run.writers is None:
        return None
    names, groups, images = np.unique(run.writers[:, 0], return_inverse=True, return_counts=True)
    errors = np.bincount(groups, ~run.right).astype(np.int64)
    order = np.lexsort((names, -errors / images, -errors))
    series = []
    for number in np.unique(run.writers[:, 1]).tolist():
        chosen = np.flatnonzero(run.writers[:, 1] == number)
        right = run.right[chosen]
        accuracy, interval = float(right.mean()), accuracy_interval(right, run.writers[chosen])
        name, writers = SERIES.get(number, f"series {number}"), len(np.unique(groups[chosen]))
        series.append(SeriesScore(name, accuracy, interval, writers, len(chosen)))
    effect = design_effect(run.right, run.writers)
    return WriterScores(names[order].astype(np.int64), errors[order], images[order], series, effect)


def name_intervals(evaluations: Sequence[Evaluation]) -> str:
    """Return what the intervals of these evaluations are called: '95 % intervals over 297 writers'."""
    numbers = {one.writers and len(one.writers.numbers) for one in evaluations}
    if len(numbers) > 1:
        return "95 % intervals (over writers where they are known, else Wilson's)"
    number = numbers.pop()
    return f"95 % intervals over {number:,} writers" if number else "95 % Wilson intervals"


def _class_scores(run: Run) -> list[ClassScore]:
    # Here, since its import takes a second.
    from sklearn.metrics import precision_recall_fscore_support

    numbers = range(len(run.class_names))
    scores = precision_recall_fscore_support(run.labels, run.predictions, labels=numbers, zero_division=0)
    images = (np.flatnonzero(run.labels == number) for number in numbers)
    writers = run.writers
    intervals = [
        accuracy_interval(run.right[chosen], None if writers is None else writers[chosen]) if len(chosen) else None
        for chosen in images
    ]
    columns = (values.tolist() for values in scores)
    return [ClassScore(*fields) for fields in zip(run.class_names, *columns, intervals, strict=True)]


def _top_confusions(names: list[str], matrix: NDArray[np.int64]) -> list[Confusion]:
    support = matrix.sum(axis=1)
    errors = [(cell, count) for cell, count in np.ndenumerate(matrix) if count and cell[0] != cell[1]]
    # Stable, so that equal counts come in the order of the classes.
    worst = sorted(errors, key=lambda error: -error[1])[:TOP_CONFUSIONS]
    return [
        Confusion(names[true], names[predicted], int(count), float(count / support[true]))
        for (true, predicted), count in worst
    ]
