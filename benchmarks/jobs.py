"""Trainings an hour with one job at a time, which has all cores, and with several, between which they are divided.

    python benchmarks/jobs.py                     # 4 default trainings in each framework, 1 job against 2, 3 times
    python benchmarks/jobs.py --jobs 4 --rounds 1

Each measurement is a grid of run_experiment.py in a folder of its own, from its start to its end; they take turns.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated

from pydantic import Field

from benchmarks.processes import run_python
from digits.command_line import options_dataclass, parse
from digits.data import DATA_DIR
from digits.errors import run_script
from digits.machine import hardware
from digits.names import FRAMEWORKS


@options_dataclass
class Options:
    jobs: Annotated[int, Field(ge=2)] = 2
    """trainings at a time, compared with one"""
    trainings: Annotated[int, Field(ge=1)] = 4
    """in each grid"""
    rounds: Annotated[int, Field(ge=1)] = 3
    """how often each grid is run"""
    dataset: str = "mnist"
    """dataset to train on"""
    data_dir: Path = DATA_DIR
    """where download_mnist.py keeps it"""


def main() -> None:
    options = parse(Options(), __doc__)
    machine = hardware("cpu")
    print(
        f"{options.trainings} trainings of cnn on {options.dataset}; {machine['processor']}, {machine['cores']} cores\n"
    )
    print(f"| framework | n | 1 job, s | {options.jobs} jobs, s | ratio: median (range) |\n|---|---|---|---|---|")
    for framework, title in FRAMEWORKS.items():
        pairs = [tuple(seconds(framework, jobs, options) for jobs in (1, options.jobs)) for _ in range(options.rounds)]
        ratios = sorted(one / several for one, several in pairs)
        one, several = (statistics.median(column) for column in zip(*pairs, strict=True))
        spread = f"{statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})"
        print(f"| {title} | {len(pairs)} | {one:.0f} | {several:.0f} | {spread} |", flush=True)


def seconds(framework: str, jobs: int, options: Options) -> float:
    """Return how long a grid takes."""
    with tempfile.TemporaryDirectory() as outputs:
        seeds = map(str, range(options.trainings))
        words = ["grid", "jobs", "--framework", framework, "--seed", *seeds, "--jobs", str(jobs)]
        place = ["--dataset", options.dataset, "--data-dir", str(options.data_dir.resolve()), "--output-dir", outputs]
        began = time.perf_counter()
        run_python(["run_experiment.py", *words, *place])
        return time.perf_counter() - began


if __name__ == "__main__":
    sys.exit(run_script(main))
