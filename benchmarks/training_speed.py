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
import sys
from pathlib import Path

import numpy as np
import pandas as pd  # type: ignore[import-untyped]
from tqdm import tqdm

from benchmarks.processes import machine_line, run_of, run_python
from mnist_twice.command_line import options_dataclass, parse
from mnist_twice.data import DATA_DIR, load_dataset
from mnist_twice.errors import run_script
from mnist_twice.machine import versions

FRAMEWORKS = {"pytorch": ("torch", "torchvision"), "tensorflow": ("tensorflow", "keras")}
IMAGES = 60_000
EPOCHS = 2


@options_dataclass
class Options:
    pairs: int = 3
    """trainings of each kind, taking turns"""
    data_dir: Path = DATA_DIR
    """where download_mnist.py keeps MNIST"""


def main() -> None:
    options = parse(Options(), __doc__)
    load_dataset("mnist", options.data_dir)
    rows = []
    kinds = [(framework, who) for framework in FRAMEWORKS for who in ("tutorial", "ours")]
    for framework, who in tqdm(kinds * options.pairs, "trainings", disable=None):
        seconds, memory = (time_ours if who == "ours" else time_tutorial)(framework, options.data_dir)
        rows.append({"framework": framework, "who": who, "first": seconds[0], "epoch": seconds[-1], "memory": memory})
    report(pd.DataFrame(rows), options.pairs)


def time_tutorial(framework: str, data_dir: Path) -> tuple[list[float], float]:
    """Return the seconds of each epoch of one training as tutorials write it, and the peak memory in MB."""
    output = run_python(["-m", f"benchmarks.tutorial_{framework}", data_dir.resolve(), str(EPOCHS)])
    found = json.loads(output.splitlines()[-1])
    return found["seconds"], found["peak_memory"] / 1e6


def time_ours(framework: str, data_dir: Path) -> tuple[list[float], float]:
    """Return the same of one default training by our script, as its run tells it."""
    run = run_of(framework, ["--epochs", str(EPOCHS), "--validation-fraction", "0"], data_dir)
    return [row["seconds"] for row in run.history], run.info["peak_memory_mb"]


def report(timings: pd.DataFrame, pairs: int) -> None:
    """Print a table for each framework: medians over the pairs, of the epochs their range as well."""
    print(f"{machine_line()}; n = {pairs} pairs")
    for framework, packages in FRAMEWORKS.items():
        print(f"\n{', '.join(f'{name} {number}' for name, number in versions(packages).items())}")
        kinds = timings[timings.framework == framework].groupby("who", sort=False)
        table = kinds.epoch.agg(["median", "min", "max"]).rename(columns={"median": "s/epoch"})
        table = table.join(kinds["first"].median()).assign(images=IMAGES / table["s/epoch"], MB=kinds.memory.median())
        whole = {"images": "{:,.0f}".format, "MB": "{:,.0f}".format}
        print(table.rename_axis(None).to_string(float_format="{:.2f}".format, formatters=whole))
        ratios = kinds.get_group("tutorial").epoch.to_numpy() / kinds.get_group("ours").epoch.to_numpy()
        middle, low, high = np.median(ratios), ratios.min(), ratios.max()
        print(f"ours is {middle:.2f} times as fast (median of {pairs} pairs; {low:.2f} to {high:.2f})")


if __name__ == "__main__":
    sys.exit(run_script(main))
