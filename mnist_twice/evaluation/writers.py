"""One run's errors by who wrote the images. Those of one writer are alike: they are right or wrong together."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mnist_twice.data import CATALOGUE, SERIES
from mnist_twice.metrics import BootstrapInterval, accuracy_interval, bootstrap_interval
from mnist_twice.runs import Run


@dataclass(frozen=True)
class SeriesScore:
    """How well the images of one series of writers are recognised."""

    name: str
    accuracy: float
    interval_95: tuple[float, float]  # by a bootstrap over writers; Wilson's where all images are right, or all wrong
    writers: int
    images: int


@dataclass(frozen=True)
class WriterScores:
    """The errors of each writer, most errors first; arrays are int64 (writers,)."""

    numbers: NDArray[np.int64]  # what the dataset calls each writer
    errors: NDArray[np.int64]
    images: NDArray[np.int64]
    series: list[SeriesScore]  # by number
    bootstrap: BootstrapInterval | None  # None where it shows nothing: all images right, or all wrong

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
            "standard_error": self.bootstrap and self.bootstrap.standard_error,
            "design_effect": self.bootstrap and self.bootstrap.design_effect,
            "series": [asdict(one) for one in self.series],
            "errors": {str(number): [errors, images] for number, errors, images in rows if errors},
        }


def score_writers(run: Run) -> WriterScores | None:
    """Return the run's errors by writer; None where it does not record who wrote its images."""
    groups = run.writer_numbers
    if run.writers is None or groups is None:
        return None
    names, images = np.unique(run.writers[:, 0], return_counts=True)
    errors = np.bincount(groups, ~run.right).astype(np.int64)
    order = np.lexsort((names, -errors / images, -errors))
    series = []
    for number in np.unique(run.writers[:, 1]).tolist():
        chosen = np.flatnonzero(run.writers[:, 1] == number)
        accuracy, interval = float(run.right[chosen].mean()), accuracy_interval(run.right, groups, chosen)
        name, writers = SERIES.get(number, f"series {number}"), len(np.unique(groups[chosen]))
        series.append(SeriesScore(name, accuracy, interval, writers, len(chosen)))
    bootstrap = bootstrap_interval(run.right, groups)
    return WriterScores(names[order].astype(np.int64), errors[order], images[order], series, bootstrap)


def missing_writers(runs: Sequence[Run]) -> list[str]:
    """Return a sentence on the runs that do not record who wrote their images although that can be known."""
    known = {name for name, entry in CATALOGUE.items() if entry.writers}
    lacking = [f"'{run.name}'" for run in runs if run.writers is None and run.dataset in known]
    if not lacking:
        return []
    return [
        f"{', '.join(lacking)} {'do' if len(lacking) > 1 else 'does'} not record who wrote the images, so the "
        "intervals are Wilson's, which are too narrow for images that share writers; run download_mnist.py, then train "
        "again."
    ]
