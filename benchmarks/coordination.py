"""What it costs to share an experiment: the time that a worker spends on a trial beside its training.

    python benchmarks/coordination.py                                           # the journal, one worker
    python benchmarks/coordination.py --storage postgresql+psycopg://USER@HOST/DATABASE --workers 1 8 32

Workers are processes that claim, report and finish trials by the code of run_experiment.py; in place of trainings they
sleep. Counted is what a worker does for a trial in addition: taking it, three reports of an epoch, the heartbeats, the
result, the end. Processor seconds are those of the worker; the server's are not among them.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated, Any

from optuna import Study
from optuna.trial import FrozenTrial, TrialState
from pydantic import Field

from mnist_twice.command_line import options_dataclass, parse
from mnist_twice.errors import UserError, run_script
from mnist_twice.experiments import run
from mnist_twice.experiments.definition import grid_definition
from mnist_twice.experiments.options import GridOptions
from mnist_twice.experiments.run import Worker
from mnist_twice.experiments.study import open_study
from mnist_twice.machine import hardware

SCORE = {"n": 10_000, "accuracy": 0.99, "loss": 0.03, "interval_95": [0.988, 0.992]}


@options_dataclass
class Options:
    workers: tuple[Annotated[int, Field(ge=1, le=1000)], ...] = (1,)
    """how many workers share an experiment, one measurement for each number"""
    trials: Annotated[int, Field(ge=1)] = 10
    """trials for each worker"""
    seconds: Annotated[float, Field(ge=0)] = 5.0
    """how long a trial sleeps, up to a fifth more or less at random"""
    storage: str = ""
    """address of a PostgreSQL database; the journal if not given"""


class Timed(Worker):
    """Counts its trials, and says when the last one ended."""

    seconds, slept = 0.0, 0.0  # of each trial, and in total
    done, finished = 0, (0.0, 0.0)

    def _after(self, study: Study, trial: FrozenTrial) -> None:
        super()._after(study, trial)
        if trial.state == TrialState.COMPLETE:
            self.done, self.finished = self.done + 1, (time.perf_counter(), time.process_time())


def sleep(*about: Any, **named: Any) -> dict[str, Any]:
    """Train nothing: in place of mnist_twice.experiments.training.train."""
    watch = about[-1]
    history: list[dict[str, float]] = []
    for epoch in (1, 2, 3):
        before = time.perf_counter()
        time.sleep(Timed.seconds / 3 * random.uniform(0.8, 1.2))
        Timed.slept += time.perf_counter() - before
        history.append({"epoch": epoch, "validation_loss": 1 / epoch})
        watch(history)
    return {"seed": 0, "score": SCORE, "seconds": 5.0, "epochs": 3, "run": "run"}


def main() -> None:
    options = parse(Options(), __doc__)
    if not options.storage and max(options.workers) > 1:
        raise UserError("several workers need --storage.")
    machine = hardware()
    print(
        f"{machine['processor']}, {machine['cores']} cores; trials of {options.seconds:g} s, {options.trials} a worker"
    )
    print("\n| workers | trials | wall, ms a trial | processor, ms a trial |\n|---|---|---|---|")
    for workers in options.workers:
        with tempfile.TemporaryDirectory() as folder, multiprocessing.get_context("spawn").Pool(workers) as pool:
            name = f"coordination-{os.getpid()}-{workers}"
            work = [(name, folder, options, workers * options.trials, number) for number in range(workers)]
            results = pool.starmap(work_on_trials, work, chunksize=1)
        trials, wall, processor = (sum(column) for column in zip(*results, strict=True))
        print(f"| {workers} | {trials} | {1000 * wall / trials:.0f} | {1000 * processor / trials:.0f} |", flush=True)


def work_on_trials(name: str, folder: str, options: Options, trials: int, number: int) -> tuple[int, float, float]:
    """Return how many trials one worker had, and its seconds, by the clock and of the processor, beside its sleep."""
    seeds = tuple(range(trials))
    grid = GridOptions(
        experiment=name, output_dir=Path(folder), storage=options.storage, framework=("pytorch",), seed=seeds
    )
    definition, _ = grid_definition(grid, "")
    random.seed(number)
    Timed.seconds, run.train = options.seconds, sleep
    with open_study(grid, definition, "") as shared:
        shared.refill()
        time.sleep(2 + options.seconds * random.random())  # all are there, and they do not move in step
        worker = Timed(shared, grid)
        began = time.perf_counter(), time.process_time()
        worker.work()
    wall, processor = (end - start for start, end in zip(began, worker.finished, strict=True))
    return worker.done, wall - Timed.slept, processor


if __name__ == "__main__":
    sys.exit(run_script(main))
