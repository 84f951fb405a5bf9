"""One run evaluated: every number that the report shows of it, from its saved arrays alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from digits.evaluation.label_errors import known_label_errors
from digits.evaluation.writers import WriterScores, score_writers
from digits.metrics import (
    CalibrationBin,
    accuracy_interval,
    calibration_bins,
    confusion_matrix,
    cross_entropy,
    expected_calibration_error,
    indices_by_value,
    precision_recall_f1,
    wilson_interval,
)
from digits.runs import Run

TOP_CONFUSIONS = 30  # how many of the most frequent confusions are named
MANY_CLASSES = 100
"""Of more classes, a confusion matrix is shown without numbers, and beside it the most frequent confusions."""


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
class Evaluation:
    """What evaluate_run returns. 'Indices' are those of the images evaluated on, int64."""

    run: Run
    n: int  # images, test or validation
    accuracy: float
    interval: tuple[float, float]  # 95 % interval of the accuracy: over writers where they are known, else Wilson's
    wilson: tuple[float, float]  # 95 % Wilson interval, as if all images were independent
    writers: WriterScores | None  # None where the run does not record who wrote the images
    loss: float  # mean cross-entropy in nats
    per_class: list[ClassScore]
    confusion_matrix: NDArray[np.int64]  # (classes, classes): rows are true classes, columns predicted ones
    top_confusions: list[Confusion]  # most frequent first, at most TOP_CONFUSIONS
    calibration: list[CalibrationBin]  # 15 bins of equal width over (0, 1]
    expected_calibration_error: float
    errors: NDArray[np.int64]  # indices of wrong predictions, most confident first
    known_label_errors: NDArray[np.int64]  # indices of test images whose label is known to be wrong, right or not
    accuracy_without_known_errors: float | None  # None where no label is known to be wrong; given beside `accuracy`

    def as_json(self) -> dict[str, Any]:
        """Return what report.json holds: plain numbers, texts, lists and dictionaries."""
        names = self.run.class_names
        return {
            "run": self.run.name,
            **{key: getattr(self.run, key) for key in ("dataset", "model", "framework", "seed")},
            "evaluated_on": self.run.evaluated_on,
            "n": self.n,
            "accuracy": self.accuracy,
            "interval_95": list(self.interval),
            "wilson_interval_95": list(self.wilson),
            "writers": None if self.writers is None else self.writers.as_json(),
            "accuracy_without_known_label_errors": self.accuracy_without_known_errors,
            "known_label_errors": self.known_label_errors.tolist(),
            "loss": self.loss,
            "expected_calibration_error": self.expected_calibration_error,
            "calibration": [asdict(one) for one in self.calibration],
            "classes": [asdict(score) for score in self.per_class],
            "top_confusions": [asdict(confusion) for confusion in self.top_confusions],
            # Of many classes nearly all cells are 0.
            "confusion_matrix": self.confusion_matrix.tolist() if len(names) <= MANY_CLASSES else None,
            "confusions": [
                [true, predicted, int(self.confusion_matrix[true, predicted])]
                for true, predicted in np.argwhere(self.confusion_matrix).tolist()
                if true != predicted
            ],
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
    n = len(run.labels)
    right, groups = run.right, run.writer_numbers
    matrix = confusion_matrix(run.labels, run.predictions, len(run.class_names))
    bins = calibration_bins(run.labels, run.probabilities)
    known = known_label_errors(run)
    errors = np.flatnonzero(~right)
    return Evaluation(
        run=run,
        n=n,
        accuracy=run.accuracy,
        interval=accuracy_interval(right, groups),
        wilson=wilson_interval(int(right.sum()), n),
        writers=score_writers(run),
        loss=cross_entropy(run.labels, run.probabilities),
        per_class=_class_scores(run, matrix),
        confusion_matrix=matrix,
        top_confusions=_top_confusions(run.class_names, matrix),
        calibration=bins,
        expected_calibration_error=expected_calibration_error(bins),
        errors=errors[np.argsort(-run.probabilities[errors].max(axis=1), kind="stable")],
        known_label_errors=known,
        accuracy_without_known_errors=float(np.delete(right, known).mean()) if len(known) else None,
    )


def name_intervals(evaluations: Sequence[Evaluation]) -> str:
    """Return what the intervals of these evaluations are called: '95 % intervals over 297 writers'."""
    numbers = {one.writers and len(one.writers.numbers) for one in evaluations}
    if len(numbers) > 1:
        return "95 % intervals (over writers where they are known, else Wilson's)"
    number = numbers.pop()
    return f"95 % intervals over {number:,} writers" if number else "95 % Wilson intervals"


def _class_scores(run: Run, matrix: NDArray[np.int64]) -> list[ClassScore]:
    right, groups, of_class = run.right, run.writer_numbers, indices_by_value(run.labels)
    intervals = [
        accuracy_interval(right, groups, of_class[number]) if number in of_class else None
        for number in range(len(matrix))
    ]
    scores = (values.tolist() for values in (*precision_recall_f1(matrix), matrix.sum(axis=1)))
    return [ClassScore(*numbers) for numbers in zip(run.class_names, *scores, intervals, strict=True)]


def _top_confusions(names: list[str], matrix: NDArray[np.int64]) -> list[Confusion]:
    support = matrix.sum(axis=1)
    pairs = [(int(matrix[true, predicted]), true, predicted) for true, predicted in np.argwhere(matrix).tolist()]
    # Stable, so that equal counts come in the order of the classes.
    worst = sorted((pair for pair in pairs if pair[1] != pair[2]), key=lambda pair: -pair[0])[:TOP_CONFUSIONS]
    return [
        Confusion(names[true], names[predicted], count, float(count / support[true]))
        for count, true, predicted in worst
    ]
