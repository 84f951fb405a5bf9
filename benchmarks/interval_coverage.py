"""Which interval covers 95 %: Wilson's, the percentiles of a bootstrap over writers, or ours? Simulated on MNIST.

    python benchmarks/interval_coverage.py                     # 2,000 test sets in each of four cases, some minutes

In each case a writer's images are misread with the same probability: the mean of the writer's series (0.8 % for census
staff and 1.9 % for high-school students, as of the default `cnn`) times a factor that is drawn from a gamma
distribution of mean 1. The smaller its shape, the more the writers differ. A test set is the 297 writers with fresh
factors, each with as many images as in MNIST; the interval is to cover the mean accuracy over all test sets.
"""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from mnist_twice.command_line import options_dataclass, parse
from mnist_twice.data import DATA_DIR, load_dataset
from mnist_twice.errors import UserError, run_script
from mnist_twice.metrics import accuracy_interval, design_effect, wilson_interval

ERRORS = {0: 0.008, 4: 0.019}
CASES = {
    "all writers of a series alike": (math.inf, None),
    "shape 0.6, like MNIST": (0.6, None),
    "shape 0.3": (0.3, None),
    "shape 0.6, the images of one class, 3.4 errors in the mean": (0.6, 3.4),
}
"""The shape of the factors, and of the class of the digit 1, how many errors there are in the mean."""
RESAMPLES = 2000


@options_dataclass
class Options:
    test_sets: Annotated[int, Field(ge=2)] = 2000
    """how many to draw in each case"""
    seed: Annotated[int, Field(ge=0)] = 0
    """of the random numbers"""
    data_dir: Path = DATA_DIR
    """where download_mnist.py keeps MNIST"""


def main() -> None:
    options = parse(Options(), __doc__)
    dataset = load_dataset("mnist", options.data_dir)
    if dataset.test_writers is None:
        raise UserError("who wrote MNIST's test images is not known: run 'python download_mnist.py', then try again.")
    error = 100 * math.sqrt(0.95 * 0.05 / options.test_sets)
    print(f"{options.test_sets:,} test sets in each case; a coverage of 95 % has a standard error of {error:.1f}\n")
    print("| case | design effect | Wilson, % | bootstrap, % | ours, % |\n|---|---|---|---|---|", flush=True)
    for name, (shape, errors) in CASES.items():
        writers = dataset.test_writers if errors is None else dataset.test_writers[dataset.test_labels == 1]
        effect, *covered = simulate(writers, shape, errors, options).mean(axis=0)
        print(f"| {name} | {effect:.2f} | {' | '.join(f'{100 * share:.1f}' for share in covered)} |", flush=True)


def simulate(writers: NDArray[np.int32], shape: float, errors: float | None, options: Options) -> NDArray[np.float64]:
    """Return a row for each test set: design effect, and whether Wilson's, the bootstrap's and our interval cover."""
    rng = np.random.default_rng(options.seed)
    _, first, groups = np.unique(writers[:, 0], return_index=True, return_inverse=True)
    means = np.array([ERRORS[series] for series in writers[first, 1].tolist()])
    if errors is not None:
        means *= errors / means[groups].sum()
    truth = 1 - means[groups].mean()
    found = []
    for _ in range(options.test_sets):
        abilities = means if math.isinf(shape) else np.minimum(means * rng.gamma(shape, 1 / shape, len(means)), 1)
        right = rng.random(len(groups)) >= abilities[groups]
        intervals = (
            wilson_interval(int(right.sum()), len(right)),
            bootstrap_interval(right, groups, rng),
            accuracy_interval(right, writers),
        )
        found.append((design_effect(right, writers), *(low <= truth <= high for low, high in intervals)))
    return np.array(found, np.float64)


def bootstrap_interval(
    right: NDArray[np.bool_], groups: NDArray[np.int64], rng: np.random.Generator
) -> tuple[float, float]:
    """Return the middle 95 % of the accuracies of RESAMPLES resamples of whole groups, drawn with replacement."""
    counts = np.stack([np.bincount(groups, right), np.bincount(groups)], axis=1)  # of each group: correct, and all
    number = len(counts)
    correct, images = (rng.multinomial(number, [1 / number] * number, RESAMPLES) @ counts).T
    low, high = np.quantile(correct / images, [0.025, 0.975]).tolist()
    return low, high


if __name__ == "__main__":
    sys.exit(run_script(main))
