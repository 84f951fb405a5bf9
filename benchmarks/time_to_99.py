"""Seconds of training to 99 %: the recipe `fast`, seed by seed.

    python benchmarks/time_to_99.py                       # 20 seeds in both frameworks, about 5 minutes on two cores
    python benchmarks/time_to_99.py --seeds 3 --frameworks pytorch

Each training is the script itself in a process of its own, on all of MNIST's 60,000 training images; its seconds are
those of its one epoch of training steps, first allocations and (in TensorFlow) tracing included. TensorFlow's steps are
also told without tracing: a training of two epochs traces in its first, and the second is what the steps take. Test
accuracy is measured once, after training.
"""

import statistics
import sys
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from benchmarks.processes import machine_line, run_of
from mnist_twice.command_line import options_dataclass, parse
from mnist_twice.data import DATA_DIR, load_dataset
from mnist_twice.errors import run_script
from mnist_twice.machine import versions

PACKAGES = {"pytorch": ("torch",), "tensorflow": ("tensorflow", "keras")}
TWO_EPOCHS = 5  # trainings at most that tell the steps without tracing


@options_dataclass
class Options:
    seeds: Annotated[int, Field(ge=1)] = 20
    """how many seeds, from 0"""
    frameworks: tuple[Literal["pytorch", "tensorflow"], ...] = ("pytorch", "tensorflow")
    """which scripts to time"""
    data_dir: Path = DATA_DIR
    """where download_mnist.py keeps MNIST"""


def main() -> None:
    options = parse(Options(), __doc__)
    load_dataset("mnist", options.data_dir)
    print(machine_line())
    for framework in options.frameworks:
        numbers = ", ".join(f"{name} {number}" for name, number in versions(PACKAGES[framework]).items())
        print(f"\n{framework}, {numbers}\nseed  accuracy  seconds", flush=True)
        found = []
        for seed in range(options.seeds):
            accuracy, (seconds,), precision = train(framework, seed, 1, options.data_dir)
            found.append((accuracy, seconds))
            print(f"{seed:4}  {100 * accuracy:7.2f}%  {seconds:7.2f}", flush=True)
        accuracies, times = zip(*found, strict=True)
        print(f"n = {len(found)}, {precision}: accuracy {spread([100 * value for value in accuracies])} %", end="")
        print(f" ({sum(value >= 0.99 for value in accuracies)} at 99 % or more), seconds {spread(list(times))}")
        if framework == "tensorflow":
            seeds = range(min(options.seeds, TWO_EPOCHS))
            steady = [train(framework, seed, 2, options.data_dir)[1][1] for seed in seeds]
            print(f"without tracing (the second epoch of two, n = {len(steady)}): seconds {spread(steady)}", flush=True)


def train(framework: str, seed: int, epochs: int, data_dir: Path) -> tuple[float, list[float], str]:
    """Return the test accuracy of a training with the recipe `fast`, the seconds of each epoch, and its precision."""
    run = run_of(framework, ["--model", "fast", "--seed", str(seed), "--epochs", str(epochs)], data_dir)
    return run.accuracy, [row["seconds"] for row in run.history], run.recipe["precision"]


def spread(values: list[float]) -> str:
    """Return mean, standard deviation and range in words."""
    deviation = f"sd {statistics.stdev(values):.2f}, " if len(values) > 1 else ""
    return f"mean {statistics.mean(values):.2f} ({deviation}{min(values):.2f} to {max(values):.2f})"


if __name__ == "__main__":
    sys.exit(run_script(main))
