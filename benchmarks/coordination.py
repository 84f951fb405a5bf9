"""What it costs to share an experiment: the time that a worker spends on a trial beside its training.

    python benchmarks/coordination.py                                           # the journal
    python benchmarks/coordination.py --storage postgresql+psycopg://USER@HOST/DATABASE --workers 1 8 32

Workers are processes that claim, report and finish trials by the code of run_experiment.py; in place of trainings they
sleep. Counted is what a worker does for a trial in addition: taking it, three reports of an epoch, a heartbeat, the
result, the end. Processor seconds are those of the worker; the server's are not among them.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated

from optuna.trial import TrialState
from pydantic import Field

from digits.command_line import options_dataclass, parse
from digits.errors import run_script
from digits.experiments.define import grid_definition
from digits.experiments.liveness import Watch
from digits.experiments.options import GridOptions
from digits.experiments.queue import TRAININGS, Queue
from digits.experiments.study import open_study
from digits.experiments.worker import claim_waiting
from digits.machine import hardware

SCORE = {"n": 10_000, "accuracy": 0.99, "loss": 0.03, "interval_95": [0.988, 0.992]}


@options_dataclass
class Options:
    workers: tuple[Annotated[int, Field(ge=1, le=1000)], ...] = (1, 8, 32)
    """how many workers share an experiment, one measurement for each number"""
    trials: Annotated[int, Field(ge=1)] = 10
    """trials for each worker"""
    seconds: Annotated[float, Field(ge=0)] = 5.0
    """that a trial sleeps, a fifth more or less at random"""
    storage: str = ""
    """address of a PostgreSQL database; the journal if not given"""


def main() -> None:
    options = parse(Options(), __doc__)
    machine = hardware("cpu")
    print(
        f"{machine['processor']}, {machine['cores']} cores; trials of {options.seconds:g} s, {options.trials} a worker"
    )
    print(
        "\n| workers | trials | ms a trial: median | 95th percentile | processor, ms a trial |\n|---|---|---|---|---|"
    )
    for workers in options.workers:
        with tempfile.TemporaryDirectory() as folder, multiprocessing.get_context("spawn").Pool(workers) as pool:
            name = f"coordination-{os.getpid()}-{workers}"
            work = [(name, folder, options, workers * options.trials, number) for number in range(workers)]
            results = [result for part in pool.starmap(work_on_trials, work, chunksize=1) for result in part]
        wall, processor = ([1000 * value for value in column] for column in zip(*results, strict=True))
        print(
            f"| {workers} | {len(wall)} | {statistics.median(wall):.0f} | {sorted(wall)[int(0.95 * len(wall))]:.0f} | "
            f"{statistics.mean(processor):.0f} |",
            flush=True,
        )


def work_on_trials(name: str, folder: str, options: Options, trials: int, number: int) -> list[tuple[float, float]]:
    """Return for each trial of one worker the seconds, by the clock and of the processor, beside its sleep."""
    grid = GridOptions(experiment=name, framework=("pytorch",), seed=tuple(range(trials)))
    definition, _ = grid_definition(grid, "")
    opened = open_study(name, Path(folder) / name, options.storage, definition)
    queue = Queue(opened.study, opened.wanted, Watch(), opened.new)
    claim, random_numbers = claim_waiting(queue), random.Random(number)
    time.sleep(2 + options.seconds * random_numbers.random())  # all are there, and they do not move in step
    results = []
    while not queue.is_over():
        began = time.perf_counter(), time.process_time()
        claimed = claim()
        if claimed is None:
            time.sleep(1)
            continue
        trial, _ = claimed
        queue.beat(trial, 1)
        slept = 0.0
        for epoch in (1, 2, 3):
            pause = options.seconds / 3 * random_numbers.uniform(0.8, 1.2)
            before = time.perf_counter()
            time.sleep(pause)
            slept += time.perf_counter() - before
            queue.report(trial, 1 / epoch, epoch)
        queue.note(trial, TRAININGS, [{"seed": trial.number, "score": SCORE, "seconds": 5.0, "epochs": 3}])
        queue.finish(trial, TrialState.COMPLETE, 0.03)
        results.append((time.perf_counter() - began[0] - slept, time.process_time() - began[1]))
    return results


if __name__ == "__main__":
    sys.exit(run_script(main))
