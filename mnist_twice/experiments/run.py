"""Grids and searches from their options to their end: one worker, which takes trials from the study and trains them."""

from __future__ import annotations

import json
import math
import os
import platform
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from types import FrameType
from typing import Any

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial, Trial, TrialState

from mnist_twice.data import load_dataset
from mnist_twice.errors import UserError
from mnist_twice.experiments.definition import (
    Definition,
    command_of,
    grid_definition,
    recipe_of,
    search_definition,
    values_of,
)
from mnist_twice.experiments.options import GridOptions, SearchOptions, Work
from mnist_twice.experiments.study import DIVERGED, ERROR, TRAININGS, SharedStudy, open_study
from mnist_twice.experiments.training import PROJECT, History, TrainingFailed, train
from mnist_twice.experiments.values import count, values_text
from mnist_twice.files import write_whole
from mnist_twice.names import percent, plain
from mnist_twice.recipes import recipe_record

BEST = "best.json"
"""The best recipe, in a search's folder; the training scripts take it with --recipe."""
PAUSE = 2.0
"""Seconds between two looks at a study in which there is nothing to do at present."""


class Dropped(Exception):
    """A trial that is of no use, or is not wanted."""


class Stopped(BaseException):
    """The work ends: no Exception, which would have Optuna write that the trial failed."""


class Worker:
    """Works on an experiment until all of its trials have ended, or it is stopped."""

    def __init__(self, shared: SharedStudy, options: Work) -> None:
        self.shared, self.options = shared, options
        self.name = f"{platform.node()}:{os.getpid()}"
        self.stopping = threading.Event()
        self.interrupted = False
        self.fault: BaseException | None = None  # what ends all jobs
        self.jobs: queue.SimpleQueue[int] = queue.SimpleQueue()  # numbers of those that are free
        for number in range(options.jobs):
            self.jobs.put(number)

    def work(self, seconds: float = 0) -> bool:
        """Return whether it came to its end, and was not stopped by Ctrl-C or SIGTERM.

        seconds: after which it begins no further trial; 0 is without a limit. Raises UserError if the disk is full.
        """
        deadline, waits = time.monotonic() + (seconds or math.inf), False
        with self._stoppable():
            try:
                while not (self.stopping.is_set() or time.monotonic() > deadline or self.shared.is_over()):
                    if waiting := self.shared.refill():
                        self._optimize(min(waiting, self.options.jobs), deadline)
                    elif not self.shared.is_over():
                        if not waits:
                            _say("waiting for trials of other workers; those of workers that stop are continued here.")
                        waits = True
                        self.stopping.wait(PAUSE)
            finally:
                with suppress(Exception):  # a full disk, a lost server: others find them, or the next call
                    self.shared.give_back(self.name)
        if self.fault:
            raise self.fault
        return not self.interrupted

    def _optimize(self, jobs: int, deadline: float) -> None:
        timeout = None if deadline == math.inf else max(deadline - time.monotonic(), 0)
        catch, callbacks = (Dropped, TrainingFailed), [self._after]
        try:
            self.shared.study.optimize(self._objective, n_jobs=jobs, timeout=timeout, catch=catch, callbacks=callbacks)
        except Stopped:
            pass
        except (ValueError, AssertionError) as error:
            if "Cannot tell a" not in f"{error} {error.__context__}":
                raise
            _say("a trial was given to another worker, because this one could not be reached for too long.")

    def _objective(self, trial: Trial) -> float:
        job = self.jobs.get()
        try:
            return self._train(trial, job)
        except TrainingFailed as error:
            diverged = "diverged" in str(error)
            trial.set_user_attr(DIVERGED if diverged else ERROR, str(error))
            if diverged:
                raise optuna.TrialPruned from None  # with what it reported last: the sampler learns from it
            raise
        except (Dropped, Stopped, optuna.TrialPruned, UpdateFinishedTrialError):
            raise
        except BaseException as error:  # such as a full disk, or a lost server
            self._end(error)
            raise Stopped from error
        finally:
            self.jobs.put(job)

    def _train(self, trial: Trial, job: int) -> float:
        """Return the objective: the mean over the trial's seeds, those that an earlier worker has trained included."""
        definition = self.shared.definition
        if not self.shared.take(trial, self.name):
            raise Dropped
        values, key = values_of(definition, trial.params), definition.objective
        try:
            recipe = recipe_of(definition, values)
        except UserError:  # of some samples
            raise Dropped from None
        seeds = definition.seeds if definition.kind == "search" else (recipe.seed,)
        results: list[dict[str, Any]] = trial.user_attrs.get(TRAININGS, [])
        steps = 0

        def report(found: Sequence[float], total: int) -> None:
            """Report what is new, one by one: what is pruned must not depend on how busy the machine is."""
            nonlocal steps
            for value in found[steps:]:
                steps += 1
                trial.report(value, steps)
                if definition.kind == "search" and steps < total and trial.should_prune():
                    raise optuna.TrialPruned

        def watch(history: History) -> None:
            if self.stopping.is_set():
                raise Stopped
            if len(seeds) == 1:
                report([row[f"validation_{key}"] for row in history if f"validation_{key}" in row], recipe.epochs)

        while True:
            scores = [result["score"][key] for result in results]
            if len(seeds) > 1:
                report(scores, len(seeds))
            if len(scores) == len(seeds):
                return fmean(scores)
            this, log = replace(recipe, seed=seeds[len(scores)]), f"{trial.number:04d}"
            results.append(train(definition, self.options, values["framework"], this, log, job, watch))
            trial.set_user_attr(TRAININGS, results)

    def _after(self, study: optuna.Study, trial: FrozenTrial) -> None:
        """Say how a trial has ended, and go on while others wait."""
        definition, held, what = self.shared.definition, trial.user_attrs, ""
        if trial.state == TrialState.COMPLETE:
            what = _score_text(trial)
        elif DIVERGED in held:
            what = f"diverged: {held[DIVERGED].splitlines()[-1].removeprefix('error: ')}"
        elif trial.state == TrialState.PRUNED:
            unit = "epoch" if len(definition.seeds) == 1 else "seed"
            what = f"pruned after {count(len(trial.intermediate_values), unit)}"
        elif ERROR in held:
            what = "\n    ".join(["the training failed; its last lines:", *held[ERROR].splitlines()])
        if what:
            _say(f"{_described(definition, trial)}: {what}")
        if definition.kind == "search" and (best := best_of(definition, self.shared.counting().values())):
            write_best(self.options, definition, best)
        if self.stopping.is_set() or not self.shared.refill():
            study.stop()

    def _end(self, fault: BaseException | None) -> None:
        """Stop all jobs for what one of them, or a thread that reports its heartbeat, has met."""
        self.fault = self.fault or fault
        self.stopping.set()

    @contextmanager
    def _stoppable(self) -> Iterator[None]:
        """Have Ctrl-C and SIGTERM end the work at its next turn, a second Ctrl-C at once, and a lost server too."""

        def stop(number: int, frame: FrameType | None) -> None:
            if self.interrupted:
                raise KeyboardInterrupt
            self.interrupted = True
            self.stopping.set()
            print("stopping: running trials are returned to the queue ...", file=sys.stderr)

        before, threading.excepthook = threading.excepthook, lambda args: self._end(args.exc_value)
        handlers = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            threading.excepthook = before
            for number, handler in handlers.items():
                signal.signal(number, handler)


def run_grid(options: GridOptions) -> int:
    """Train every combination that has not been trained; return the exit status."""
    dataset = load_dataset(options.dataset, options.data_dir)
    definition, left_out = grid_definition(options, dataset.fingerprint)
    for sentence in left_out:
        print(f"left out: {sentence}", file=sys.stderr)
    return work_on(definition, options, command_of("grid", options))


def run_search(options: SearchOptions) -> int:
    """Look for the best recipe until as many trials as asked for have ended; return the exit status."""
    definition = search_definition(options, load_dataset(options.dataset, options.data_dir))
    return work_on(definition, options, command_of("search", options), options.trials, options.seconds)


def work_on(definition: Definition, options: Work, command: str, trials: int = 0, seconds: float = 0) -> int:
    """Work on the study with others until its end, and say how it ended; return the exit status.

    command: what repeats it; trials: how many a search is to make; seconds: after which it begins no further one.
    """
    name, folder = options.experiment, options.folder
    with open_study(options, definition, command, trials) as shared:
        wanted = shared.wanted
        if wanted < trials:
            print(f"the space has {wanted} possible combinations; each is tried once.", file=sys.stderr)
        complete = Worker(shared, options).work(seconds)
        found = [*shared.counting().values()]
    failed = sum(trial.state == TrialState.FAIL for trial in found)
    done = f"{sum(trial.state.is_finished() for trial in found) - failed} of {wanted} trials of '{name}' are done"
    if not complete:
        print(f"stopped: {done}; run the same command again to continue.", file=sys.stderr)
        return 130
    print(f"{done}; 'python run_experiment.py show {name}' shows them.")
    if definition.kind == "search" and (best := best_of(definition, found)):
        write_best(options, definition, best)
        export_best(folder / "runs", best)
        print(f"The best is {_described(definition, best)}: {_score_text(best)}.")
        print(f"'{folder / BEST}' has its recipe; the training scripts take that with --recipe.")
    if failed:
        print(
            f"error: {failed} of {wanted} trials failed; on the machine that ran them, '{folder / 'logs'}' has the "
            "output of their trainings. The same command tries them again.",
            file=sys.stderr,
        )
    return 1 if failed else 0


def best_of(definition: Definition, trials: Iterable[FrozenTrial]) -> FrozenTrial | None:
    """Return the complete trial with the best objective; of equal ones, the first."""
    sign = 1 if definition.objective == "loss" else -1
    complete = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    return min(complete, key=lambda trial: (sign * (trial.value or 0.0), trial.number), default=None)


def write_best(options: Work, definition: Definition, trial: FrozenTrial) -> None:
    """Write best.json, unless it has this trial already."""
    content: dict[str, Any] = {
        "recipe": recipe_record(recipe_of(definition, values_of(definition, trial.params))),
        "experiment": options.experiment,
        "trial": trial.number,
        "objective": f"validation {definition.objective}",
        "value": trial.value,
        "dataset": definition.dataset,
        "framework": definition.frameworks[0],
        "trainings": trial.user_attrs[TRAININGS],
    }
    text, path = json.dumps(content, indent=2) + "\n", options.folder / BEST
    if not path.is_file() or path.read_text(encoding="utf-8", errors="replace") != text:
        write_whole(path, text)


def export_best(runs: Path, trial: FrozenTrial) -> None:
    """Give the runs of a trial model.onnx, as far as they are on this machine: trials are trained without."""
    for result in trial.user_attrs[TRAININGS]:
        path = runs / result["run"]
        if path.is_dir() and not (path / "model.onnx").exists():
            command = [sys.executable, "-m", "mnist_twice.experiments.export", str(path.resolve())]
            done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
            if done.returncode:
                print(f"note: '{path}' has no model.onnx: {done.stderr.strip().splitlines()[-1]}", file=sys.stderr)


def _described(definition: Definition, trial: FrozenTrial) -> str:
    """Return 'trial 7: dropout 0.1 · seed 2'."""
    values = values_of(definition, trial.params)
    names = definition.differing or ("framework", "model")
    return f"trial {trial.number}: {values_text({name: values[name] for name in names if name in values})}"


def _score_text(trial: FrozenTrial) -> str:
    """Return the results of a complete trial: 'loss 0.0367, accuracy 98.93 %, 3 epochs in 20.1 s'."""
    results = trial.user_attrs[TRAININGS]
    loss, accuracy = (fmean(result["score"][what] for result in results) for what in ("loss", "accuracy"))
    seconds, epochs = (sum(result[what] for result in results) for what in ("seconds", "epochs"))
    mean = f"mean of {len(results)} seeds, " if len(results) > 1 else ""
    return f"{mean}loss {loss:.4f}, accuracy {percent(accuracy)}, {count(epochs, 'epoch')} in {seconds:.1f} s"


def _say(sentence: str) -> None:
    print("\n".join(map(plain, sentence.split("\n"))), flush=True)
