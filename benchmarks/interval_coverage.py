"""Which interval covers 95 %: Wilson's, or a bootstrap over writers? Simulated on the writers of MNIST's test set.

    python benchmarks/interval_coverage.py                     # 2,000 test sets in each of five worlds, a few minutes

In each world a writer's images are misread with the same probability: the mean of the writer's series (0.8 % for
census staff and 1.9 % for high-school students, as of the default `cnn`) times a factor that is drawn from a gamma
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
from mnist_twice.metrics import bootstrap_interval, wilson_interval

ERRORS = {0: 0.008, 4: 0.019}
WORLDS = {
    "all writers of a series alike": (math.inf, 1.0),
    "shape 2": (2.0, 1.0),
    "shape 0.6, like MNIST": (0.6, 1.0),
    "shape 0.3": (0.3, 1.0),
    "shape 0.6, a quarter of the errors": (0.6, 0.25),
}
"""The shape of the factors, and what all probabilities of an error are multiplied by."""


@options_dataclass
class Options:
    test_sets: Annotated[int, Field(ge=2)] = 2000
    """how many to draw in each world"""
    seed: Annotated[int, Field(ge=0)] = 0
    """of the random numbers"""
    data_dir: Path = DATA_DIR
    """where download_mnist.py keeps MNIST"""


def main() -> None:
    options = parse(Options(), __doc__)
    writers = load_dataset("mnist", options.data_dir).test_writers
    if writers is None:
        raise UserError("who wrote MNIST's test images is not known: run 'python download_mnist.py', then try again.")
    _, first, groups = np.unique(writers[:, 0], return_index=True, return_inverse=True)
    means = np.array([ERRORS[series] for series in writers[first, 1].tolist()])
    error = 100 * math.sqrt(0.95 * 0.05 / options.test_sets)
    print(f"{options.test_sets:,} test sets in each world; a coverage of 95 % has a standard error of {error:.1f}\n")
    columns = "without an error, % | errors of the worst ten, % | design effect | Wilson, % | over writers, %"
    print(f"| writers | {columns} |\n|---|---|---|---|---|---|", flush=True)
    for name, (shape, factor) in WORLDS.items():
        found = simulate(groups, factor * means, shape, options)
        without, worst, design_effect, wilson, bootstrap = found.mean(axis=0)
        shares = f"{100 * without:.0f} | {100 * worst:.0f} | {design_effect:.1f}"
        print(f"| {name} | {shares} | {100 * wilson:.1f} | {100 * bootstrap:.1f} |", flush=True)


def simulate(
    groups: NDArray[np.int64], means: NDArray[np.float64], shape: float, options: Options
) -> NDArray[np.float64]:
    """Return a row for each test set: writers without an error, share of the worst ten, design effect, and whether
    Wilson's interval and the bootstrap's cover the truth."""
    rng = np.random.default_rng(options.seed)
    truth = 1 - means[groups].mean()
    found = []
    for _ in range(options.test_sets):
        abilities = means if math.isinf(shape) else np.minimum(means * rng.gamma(shape, 1 / shape, len(means)), 1)
        right = rng.random(len(groups)) >= abilities[groups]
        errors = np.sort(np.bincount(groups, ~right))[::-1]
        low, high = wilson_interval(int(right.sum()), len(right))
        bootstrap = bootstrap_interval(right, groups)
        assert bootstrap is not None
        covered = low <= truth <= high, bootstrap.low <= truth <= bootstrap.high
        found.append((np.mean(errors == 0), errors[:10].sum() / errors.sum(), bootstrap.design_effect, *covered))
    return np.array(found, np.float64)


if __name__ == "__main__":
    sys.exit(run_script(main))
