"""Our default training against the way tutorials write it, side by side.

    python benchmarks/training_speed.py              # 3 pairs a framework, about 3 minutes on two cores
    python benchmarks/training_speed.py --pairs 5

Every training is a process of its own: ours is the script itself, the tutorials' are tutorial_*.py beside this file.
They take turns, so that a noisy machine disturbs both alike, and what counts is the ratio within a pair. All train the
default network on MNIST's 60,000 training images in float32 at batch 64 with Adam, and nothing but the training steps
is on the clock. The first epoch holds each framework's warm-up (tracing, first allocations); the ratio is of the
second. Needs MNIST in --data-dir.
"""

import json
import statistics
import sys
from dataclasses import dataclass
from pathlib import Path

from benchmarks.processes import run_of, run_python
from digits.command_line import options_dataclass, parse
from digits.data import DATA_DIR, load_dataset
from digits.errors import run_script
from digits.machine import hardware, versions

FRAMEWORKS = {"pytorch": ("torch", "torchvision"), "tensorflow": ("tensorflow", "keras")}
IMAGES = 60_000
EPOCHS = 2


@options_dataclass
class Options:
    pairs: int = 3
    """trainings of each kind, taking turns"""
    data_dir: Path = DATA_DIR
    """where download_mnist.py keeps MNIST"""


@dataclass(frozen=True)
class Timing:
    """Seconds of each epoch's training steps, and the process's peak memory in bytes."""

    seconds: list[float]
    peak_memory: float


def main() -> None:
    options = parse(Options(), __doc__)
    load_dataset("mnist", options.data_dir)
    kinds = [(framework, who) for framework in FRAMEWORKS for who in ("tutorial", "ours")]
    timings: dict[tuple[str, str], list[Timing]] = {kind: [] for kind in kinds}
    for pair in range(options.pairs):
        for framework, who in kinds:
            if sys.stderr.isatty():
                print(f"pair {pair + 1}/{options.pairs}: {framework}, {who} ...", file=sys.stderr)
            measure = time_ours if who == "ours" else time_tutorial
            timings[framework, who].append(measure(framework, options.data_dir))
    report(timings, options.pairs)


def time_tutorial(framework: str, data_dir: Path) -> Timing:
    """Return the timing of one training as tutorials write it."""
    output = run_python(["-m", f"benchmarks.tutorial_{framework}", data_dir.resolve(), str(EPOCHS)])
    return Timing(**json.loads(output.splitlines()[-1]))


def time_ours(framework: str, data_dir: Path) -> Timing:
    """Return the timing of one default training by our script, as its run tells it."""
    run = run_of(framework, ["--epochs", str(EPOCHS), "--validation-fraction", "0"], data_dir)
    return Timing([row["seconds"] for row in run.history], run.info["peak_memory_mb"] * 1e6)


def report(timings: dict[tuple[str, str], list[Timing]], pairs: int) -> None:
    """Print the tables: medians (and ranges) over the pairs."""
    machine = hardware("cpu")
    print(f"{machine['processor']}, {machine['cores']} cores, {machine.get('memory_gib', '?')} GiB; n = {pairs} pairs")
    for framework, packages in FRAMEWORKS.items():
        print(f"\n{', '.join(f'{name} {number}' for name, number in versions(packages).items())}")
        print(f"{'':10}{'s/epoch':>8}{'(min-max)':>14}{'first':>8}{'images/s':>10}{'peak MB':>9}")
        for who in ("tutorial", "ours"):
            runs = timings[framework, who]
            steady = [timing.seconds[-1] for timing in runs]
            middle = statistics.median(steady)
            first = statistics.median(timing.seconds[0] for timing in runs)
            memory = statistics.median(timing.peak_memory for timing in runs) / 1e6
            spread = f"({min(steady):.2f}-{max(steady):.2f})"
            print(f"{who:10}{middle:8.2f}{spread:>14}{first:8.2f}{IMAGES / middle:10,.0f}{memory:9,.0f}")
        ratios = [
            tutorial.seconds[-1] / ours.seconds[-1]
            for tutorial, ours in zip(timings[framework, "tutorial"], timings[framework, "ours"], strict=True)
        ]
        print(
            f"ours is {statistics.median(ratios):.2f} times as fast "
            f"(median of {pairs} pairs; {min(ratios):.2f} to {max(ratios):.2f})"
        )


if __name__ == "__main__":
    sys.exit(run_script(main))
