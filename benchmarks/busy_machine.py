"""A training beside programs that keep the cores busy, against the same training alone.

    python benchmarks/busy_machine.py                      # both frameworks, beside two busy loops: about 5 minutes
    python benchmarks/busy_machine.py --frameworks pytorch --loops 1 2 4 --repeats 5

Each training is the script itself in a process of its own, with the default network for one epoch on MNIST's 60,000
training images. Alone and beside busy loops it is measured in turns, PyTorch beside them also with one thread, and what
counts is the ratio to the training alone. Where the cores are shared fairly, a training on all of C cores beside L busy
loops takes 1 + L / C times as long.
"""

import os
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Literal
from unittest import mock

from pydantic import Field

from benchmarks.processes import run_of
from digits.command_line import options_dataclass, parse
from digits.data import DATA_DIR, load_dataset
from digits.errors import run_script
from digits.machine import hardware, versions

PACKAGES = {"pytorch": ("torch",), "tensorflow": ("tensorflow", "keras")}
ONE_THREAD = "OMP_NUM_THREADS=1"


@options_dataclass
class Options:
    frameworks: tuple[Literal["pytorch", "tensorflow"], ...] = ("pytorch", "tensorflow")
    """which scripts to time"""
    loops: tuple[Annotated[int, Field(ge=1)], ...] = (2,)
    """busy loops beside the training"""
    repeats: Annotated[int, Field(ge=1)] = 3
    """trainings of each kind, taking turns"""
    data_dir: Path = DATA_DIR
    """where download_mnist.py keeps MNIST"""


def main() -> None:
    options = parse(Options(), __doc__)
    load_dataset("mnist", options.data_dir)
    machine = hardware("cpu")
    print(f"{machine['processor']}, {machine['cores']} cores; n = {options.repeats} of each")
    for framework in options.frameworks:
        ways = {"": {}, **({ONE_THREAD: dict([ONE_THREAD.split("=")])} if framework == "pytorch" else {})}
        kinds = [(0, ""), *((loops, way) for loops in options.loops for way in ways)]
        found: dict[tuple[int, str], list[float]] = {kind: [] for kind in kinds}
        for _ in range(options.repeats):
            for (loops, way), seconds in found.items():
                with busy_loops(loops), mock.patch.dict(os.environ, ways[way]):
                    run = run_of(framework, ["--epochs", "1", "--validation-fraction", "0"], options.data_dir)
                seconds.append(run.history[0]["seconds"])
        numbers = ", ".join(f"{name} {number}" for name, number in versions(PACKAGES[framework]).items())
        print(f"\n{numbers}\nbusy loops                    seconds of training: median (range)  ratio: median (range)")
        for (loops, way), seconds in found.items():
            ratios = [beside / alone for beside, alone in zip(seconds, found[0, ""], strict=True)]
            print(f"{loops:10}  {way:18}{spread(seconds):37}{spread(ratios)}", flush=True)


@contextmanager
def busy_loops(count: int) -> Iterator[None]:
    """Keep so many processes computing while the block runs."""
    processes = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def spread(values: list[float]) -> str:
    """Return '3.31 (3.25 to 3.40)'."""
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


if __name__ == "__main__":
    sys.exit(run_script(main))
