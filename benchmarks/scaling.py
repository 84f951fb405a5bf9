"""One process with two threads against two processes with one thread each, and on paper, how far a network scales.

    python benchmarks/scaling.py                                   # 3 rounds, about 20 minutes on two cores
    python benchmarks/scaling.py --rounds 1 --models cnn --frameworks pytorch

Every training is a process, or two, of its own; one and two take turns, and what counts is the ratio within a round. A
training has two epochs without validation, of which the second is timed: the first has each framework's warm-up.

On paper, N machines share the batch, and each sends its gradients around the ring of all: 2 (N - 1) / N times their
bytes in and out (Patarasuk and Yuan 2009, 'Bandwidth optimal all-reduce algorithms for clusters of workstations'). The
speed-up follows from the measured seconds of one process's step, which N machines divide, and the time of sending;
latency, batch normalisation's sums and all that could be sent during a step are left out. The most machines that are
worth it are those that spend half of their time computing.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from pydantic import Field

from benchmarks.processes import ROOT
from digits.command_line import options_dataclass, parse
from digits.data import DATA_DIR, load_dataset
from digits.errors import UserError, run_script
from digits.machine import hardware, versions
from digits.names import FRAMEWORKS
from digits.runs import Run, find_runs, read_run

EPOCHS = 2
BYTES = 4  # of a gradient's number, in bfloat16 as well: weights and gradients stay float32
LINKS = (1, 10, 100)  # Gbit/s
PORTS = (29_731, 29_732)


@options_dataclass
class Options:
    rounds: Annotated[int, Field(ge=1)] = 3
    """how often each training is timed"""
    models: tuple[str, ...] = ("cnn", "deep-cnn")
    """networks to train"""
    frameworks: tuple[str, ...] = tuple(FRAMEWORKS)
    """frameworks to train in"""
    precisions: tuple[str, ...] = ("float32", "bfloat16")
    """precisions to train in"""
    dataset: str = "mnist"
    """dataset to train on"""
    data_dir: Path = DATA_DIR
    """where download_mnist.py keeps it"""


def main() -> None:
    options = parse(Options(), __doc__)
    machine = hardware("cpu")
    packages = versions(["torch", "tensorflow", "keras"])
    print(f"{machine['processor']}, {machine['cores']} cores; {options.dataset}, n = {options.rounds}; {packages}\n")
    print("| framework | network | precision | 1 process, s/epoch | 2 processes, s/epoch | ratio: median (range) |")
    print("|---|---|---|---|---|---|")
    alone: dict[str, Run] = {}
    steps: dict[str, float] = {}
    num_images = len(load_dataset(options.dataset, options.data_dir).train_images)
    for framework in options.frameworks:
        for model in options.models:
            for precision in options.precisions:
                pairs, title = [], f"{FRAMEWORKS[framework]} | {model} | {precision}"
                for _ in range(options.rounds):
                    runs = [train(framework, model, precision, workers, options) for workers in (1, 2)]
                    pairs.append([run.history[-1]["seconds"] for run in runs])
                    alone[title] = runs[0]
                ratios = sorted(one / two for one, two in pairs)
                one, two = (statistics.median(column) for column in zip(*pairs, strict=True))
                spread = f"{statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})"
                print(f"| {title} | {one:.2f} | {two:.2f} | {spread} |", flush=True)
                steps[title] = one / len(range(0, num_images, runs[0].recipe["batch_size"]))
    print_paper(alone, steps)


def train(framework: str, model: str, precision: str, workers: int, options: Options) -> Run:
    """Return the run of a training whose last epoch counts."""
    words = ["--dataset", options.dataset, "--model", model, "--precision", precision, "--epochs", str(EPOCHS)]
    words += ["--validation-fraction", "0", "--early-stopping", "0", "--reduce-on-plateau", "0", "--no-keep-best"]
    words += ["--device", "cpu", "--data-dir", str(options.data_dir.resolve())]
    return run_of_workers(framework, words, workers)


def run_of_workers(framework: str, words: Sequence[str], workers: int) -> Run:
    """Return the run of a training by so many processes, which divide two threads."""
    threads = str(2 // workers)
    environment = {**os.environ, "OMP_NUM_THREADS": threads, "TF_NUM_INTRAOP_THREADS": threads}
    with tempfile.TemporaryDirectory() as outputs:
        command = [f"mnist_{framework}.py", *words, "--output-dir", outputs]
        launch = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(workers)]
        torchrun = framework == "pytorch" and workers > 1
        processes = [
            subprocess.Popen(
                [sys.executable, *(launch if torchrun else []), *command],
                cwd=ROOT,
                env={**environment, **({} if workers == 1 or torchrun else cluster(rank))},
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
            )
            for rank in range(1 if torchrun else workers)
        ]
        for process in processes:
            errors = process.communicate()[1]
            if process.returncode:
                raise UserError(f"{' '.join(command)} with {workers} workers failed: {errors.strip()[-300:]}")
        (path,) = find_runs(Path(outputs))
        return read_run(path)


def cluster(rank: int) -> dict[str, str]:
    """Return the environment of one of two TensorFlow workers on this machine."""
    workers = [f"127.0.0.1:{port}" for port in PORTS]
    return {"TF_CONFIG": json.dumps({"cluster": {"worker": workers}, "task": {"type": "worker", "index": rank}})}


def print_paper(alone: dict[str, Run], steps: dict[str, float]) -> None:
    """Print how far each network scales, by the seconds of a step in one process."""
    print("\n| framework | network | precision | ms a step | gradients, MB |", end="")
    print("".join(f" {link} Gbit/s: 2 machines, most |" for link in LINKS) + "\n" + "|---" * (5 + len(LINKS)) + "|")
    for title, run in alone.items():
        size = BYTES * run.info["parameters"]["trainable"]
        cells = []
        for link in LINKS:
            most = largest(steps[title], size, link, run.recipe["batch_size"])
            two, best = (speed_up(machines, steps[title], size, link) for machines in (2, most))
            cells.append(f" {two:.2f}, {best:.1f} on {most} |")
        print(f"| {title} | {1000 * steps[title]:.2f} | {size / 1e6:.2f} |{''.join(cells)}")


def speed_up(machines: int, step: float, size: float, gigabits: float) -> float:
    """Return how many times as fast so many machines are as one.

    step: seconds of one process; size: bytes of the gradients; gigabits: of the network, each way, a second.
    """
    sending = 2 * (machines - 1) / machines * size * 8 / (gigabits * 1e9)
    return step / (step / machines + sending)


def largest(step: float, size: float, gigabits: float, batch_size: int) -> int:
    """Return the most machines of which at least half of the time is spent on computing, an image each at least."""
    return max(n for n in range(1, batch_size + 1) if 2 * speed_up(n, step, size, gigabits) >= n)


if __name__ == "__main__":
    sys.exit(run_script(main))
