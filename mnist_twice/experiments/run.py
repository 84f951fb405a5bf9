"""One worker: takes trials from the study, trains, reports each epoch, and gives back what it cannot finish."""

from __future__ import annotations

import math
import queue
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from statistics import fmean
from types import FrameType
from typing import Any

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial, Trial, TrialState

from mnist_twice.experiments.definition import recipe_of
from mnist_twice.experiments.parameters import values_of
from mnist_twice.experiments.study import DIVERGED, ERROR, TRAININGS, Dropped, NothingToDo, SharedStudy
from mnist_twice.experiments.training import History, Stopped, TrainingDiverged, TrainingFailed, Workplace
from mnist_twice.experiments.values import count, values_text
from mnist_twice.names import percent, plain

PAUSE = 2.0
"""Seconds between two looks at a study in which there is nothing to do at present."""
EXPECTED = (Dropped, Stopped, TrainingFailed)


class Worker:
    """Works on an experiment until all of its trials have ended, or it is stopped."""

    def __init__(self, study: SharedStudy, place: Workplace, ended: Callable[[FrozenTrial], None]) -> None:
        """ended: is called after each trial that was completed here."""
        self.study, self.place, self.ended = study, place, ended
        self.stopping = threading.Event()
        self.interrupted = False
        self.jobs: queue.SimpleQueue[int] = queue.SimpleQueue()  # numbers of those that are free
        for number in range(place.options.jobs):
            self.jobs.put(number)
        self._fault: BaseException | None = None  # of a thread that reports heartbeats
        self._waits = False

    def work(self, seconds: float = 0) -> bool:
        """Return whether it came to its end, and was not stopped by Ctrl-C or SIGTERM.

        seconds: after which it begins no further trial; 0 is without a limit. UserError where the disk is full.
        """
        deadline = time.monotonic() + (seconds or math.inf)
        with self._stoppable():
            try:
                while not self.stopping.is_set() and time.monotonic() < deadline:
                    self.study.rescue()
                    if self.study.is_over():
                        break
                    self._optimize(deadline)
            finally:
                with suppress(Exception):  # a full disk, a lost server: others find them, or the next call
                    self.study.rescue()
        if self._fault:
            raise self._fault
        return not self.interrupted

    def _optimize(self, deadline: float) -> None:
        try:
            self.study.optimize(
                self._objective,
                n_jobs=self.place.options.jobs,
                timeout=None if deadline == math.inf else max(deadline - time.monotonic(), 0),
                catch=EXPECTED,
                callbacks=[self._after],
            )
        except NothingToDo:
            if not self._waits and not self.study.is_over():
                self._waits = True
                _say("waiting for trials that run elsewhere, to continue them should their workers end.")
            self.stopping.wait(0 if self.study.alone else PAUSE)
        except (UpdateFinishedTrialError, ValueError) as error:
            if isinstance(error, ValueError) and not str(error).startswith("Cannot tell a"):
                raise
            _say("a trial was given to another worker: this one was out of reach for too long.")

    def _objective(self, trial: Trial) -> float:
        job = self.jobs.get()
        try:
            return self._train(trial, self.study.values(trial), job)
        except TrainingDiverged as error:
            trial.set_user_attr(DIVERGED, str(error))
            raise optuna.TrialPruned from None  # with what it reported last: the sampler learns from it
        except TrainingFailed as error:
            trial.set_user_attr(ERROR, str(error))
            raise
        except (*EXPECTED, optuna.TrialPruned, UpdateFinishedTrialError):
            raise
        except BaseException:
            self.stopping.set()  # what ends one job, such as a full disk, ends all
            raise
        finally:
            self.jobs.put(job)

    def _train(self, trial: Trial, values: Mapping[str, Any], job: int) -> float:
        """Return the objective: the mean over the trial's seeds, those that an earlier worker has trained included."""
        definition, framework = self.study.definition, str(values["framework"])
        recipe, key = recipe_of(definition, values), definition.objective
        seeds = definition.seeds if definition.kind == "search" else (recipe.seed,)
        several = len(seeds) > 1
        results: list[dict[str, Any]] = list(trial.user_attrs.get(TRAININGS, [])) if several else []
        steps = 0

        def report(found: list[float], total: int) -> None:
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
            if not several:
                column = f"validation_{key}"
                report([row[column] for row in history if column in row], recipe.epochs)

        try:
            report([result["score"][key] for result in results], len(seeds))
            for seed in seeds[len(results) :]:
                this, log = replace(recipe, seed=seed), f"{trial.number:04d}"
                results.append(self.place.train(framework, this, log, job, watch))
                if several:
                    trial.set_user_attr(TRAININGS, results)
                    report([result["score"][key] for result in results], len(seeds))
        except optuna.TrialPruned:
            self.place.forget(framework, replace(recipe, seed=seeds[min(len(results), len(seeds) - 1)]))
            raise
        if not several:
            trial.set_user_attr(TRAININGS, results)
        return fmean(result["score"][key] for result in results)

    def _after(self, study: optuna.Study, trial: FrozenTrial) -> None:
        """Say how a trial has ended."""
        if self.stopping.is_set():
            study.stop()
        definition, held = self.study.definition, trial.user_attrs
        values = values_of(definition, trial.params)
        names = definition.differing or ("framework", "model")
        head = f"trial {trial.number}: {values_text({name: values[name] for name in names if name in values})}"
        several = len(definition.seeds) if definition.kind == "search" else 1
        if trial.state == TrialState.COMPLETE:
            results = held[TRAININGS]
            loss, accuracy = (fmean(result["score"][what] for result in results) for what in ("loss", "accuracy"))
            seconds, epochs = (sum(result[what] for result in results) for what in ("seconds", "epochs"))
            mean = f"mean of {several} seeds, " if several > 1 else ""
            done = f"{count(epochs, 'epoch')} in {seconds:.1f} s"
            _say(f"{head}: {mean}loss {loss:.4f}, accuracy {percent(accuracy)}, {done}")
            self.ended(trial)
        elif DIVERGED in held:
            _say(f"{head}: diverged: {held[DIVERGED].splitlines()[-1].removeprefix('error: ')}")
        elif trial.state == TrialState.PRUNED:
            steps = len(trial.intermediate_values)
            _say(f"{head}: pruned after {f'{steps} of {several} seeds' if several > 1 else count(steps, 'epoch')}")
        elif ERROR in held:
            _say("\n    ".join([f"{head}: the training failed; its last lines:", *held[ERROR].splitlines()]))

    @contextmanager
    def _stoppable(self) -> Iterator[None]:
        """Have Ctrl-C and SIGTERM end the work at its next turn, a second Ctrl-C at once, and a lost server too."""

        def stop(number: int, frame: FrameType | None) -> None:
            if self.interrupted:
                raise KeyboardInterrupt
            self.interrupted = True
            self.stopping.set()
            print("stopping: trials that run are given back ...", file=sys.stderr)

        def lose(thread: threading.ExceptHookArgs) -> None:
            self._fault = thread.exc_value
            self.stopping.set()

        before, threading.excepthook = threading.excepthook, lose  # of the threads that report heartbeats
        handlers = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            threading.excepthook = before
            for number, handler in handlers.items():
                signal.signal(number, handler)


def _say(sentence: str) -> None:
    print("\n".join(map(plain, sentence.split("\n"))), flush=True)
