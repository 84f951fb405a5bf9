"""One worker: takes trials from the study, trains, reports each epoch, and gives back what it cannot finish.

A single loop in a single thread looks at everything in turn; the trainings are other processes.
"""

from __future__ import annotations

import math
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import FrameType
from typing import Any

import optuna
from optuna.trial import TrialState

from digits.errors import UserError
from digits.experiments.display import Display
from digits.experiments.job import Job, Workplace, has_space
from digits.experiments.liveness import GRACE, INTERVAL
from digits.experiments.queue import ERROR, TRAININGS, VALUES, LostTrialError, Queue
from digits.experiments.study import OpenStudy

Claim = Callable[[], tuple[optuna.Trial, dict[str, Any]] | None]


def claim_waiting(queue: Queue) -> Claim:
    """Return what claims the trials of a grid, all of which wait in the study."""

    def claim() -> tuple[optuna.Trial, dict[str, Any]] | None:
        trial = queue.claim({})
        return None if trial is None else (trial, trial.user_attrs[VALUES])

    return claim


@dataclass(frozen=True)
class Pace:
    """How often a worker looks at what, in seconds."""

    trainings: float = 0.1
    study: float = 1.0  # for trials to claim, while it has room for one
    beat: float = INTERVAL
    grace: float = GRACE


@dataclass
class Running:
    """A job, and what the study knows of it."""

    job: Job
    reported: int = 0  # steps
    beats: int = 0
    beaten: float = 0.0


class Worker:
    """Works on an experiment until all of its trials have ended, or it is stopped."""

    def __init__(
        self,
        opened: OpenStudy,
        queue: Queue,
        claim: Claim,
        place: Workplace,
        display: Display,
        pace: Pace,
        seconds: float | None,
        ended: Callable[[], None],
    ) -> None:
        """claim: returns a trial that is this worker's, and its values; seconds: after which it claims no more; ended:
        is called after each trial that has ended here."""
        self.definition, self.queue, self.claim, self.place = opened.definition, queue, claim, place
        self.display, self.pace, self.ended = display, pace, ended
        self.deadline = time.monotonic() + (math.inf if seconds is None else seconds)
        self.running: list[Running] = []
        self.stopped = False
        self._looked = self._watched = -math.inf

    def work(self) -> bool:
        """Return whether it came to its end, and was not stopped by Ctrl-C or SIGTERM.

        UserError where the disk is full, or the storage is gone for good; then, too, what ran is given back.
        """
        with self._stoppable(), self.display:
            try:
                while not self.stopped:
                    for running in list(self.running):
                        self._advance(running)
                    self._watch()
                    self._claim()
                    if not self.running:
                        if self._is_late() or self.queue.is_over():
                            return True
                        self.display.wait()
                    self.display.update(self.queue, self.running)
                    time.sleep(self.pace.trainings)
            finally:
                self._give_back()
        return False

    def _is_late(self) -> bool:
        return time.monotonic() > self.deadline

    def _watch(self) -> None:
        """Look after the trials of lost workers: often where there is room for them, else as often as those report."""
        pause = self.pace.beat if len(self.running) >= self.place.jobs else self.pace.study
        if time.monotonic() - self._watched >= pause:
            self._watched = time.monotonic()
            for number in self.queue.return_lost():
                how = "it continues, from its checkpoint if this machine has that"
                self.display.say(f"trial {number} has lost its worker; {how}.")

    def _claim(self) -> None:
        """Take trials while there is room."""
        if self._is_late() or len(self.running) >= self.place.jobs:
            return
        if time.monotonic() - self._looked < self.pace.study:
            return
        while len(self.running) < self.place.jobs:
            self._check_space()
            try:
                claimed = self.claim()
            except LostTrialError:
                claimed = None
            if claimed is None:
                self._looked = time.monotonic()
                return
            trial, values = claimed
            self.running.append(Running(Job(trial, values, self.definition, self.place)))
            self._advance(self.running[-1])

    def _check_space(self) -> None:
        if not has_space(self.place.folder):
            raise UserError(f"the disk of '{self.place.folder}' is full; make room, then run the same command again.")

    def _advance(self, running: Running) -> None:
        """Look at a job; LostTrialError ends it."""
        job = running.job
        try:
            self._beat(running)
            outcome = job.advance()
            if self._report(running):
                self._prune(running)
            elif outcome in ("trained", "finished"):
                self.queue.note(job.trial, TRAININGS, job.results)
                if outcome == "finished":
                    self._finish(running)
            elif outcome == "failed":
                self._fail(running)
        except LostTrialError:
            job.stop()
            self.running.remove(running)
            number = job.trial.number
            self.display.say(f"trial {number} was given to another worker: this one was out of reach for too long.")

    def _beat(self, running: Running) -> None:
        if time.monotonic() - running.beaten >= self.pace.beat:
            running.beats += 1
            running.beaten = time.monotonic()
            self.queue.beat(running.job.trial, running.beats)

    def _report(self, running: Running) -> bool:
        """Report epochs, or seeds where there are several, to the study; return whether the trial is to be pruned.

        In their order and one by one, even where several have passed since the last look: so that what is pruned does
        not depend on how busy the machine is.
        """
        job, key = running.job, self.definition.objective
        if len(job.seeds) > 1:
            values = [result["score"][key] for result in job.results]
        else:
            values = [row[f"validation_{key}"] for row in job.history if f"validation_{key}" in row]
        total = len(job.seeds) if len(job.seeds) > 1 else job.recipe.epochs
        for step, value in enumerate(values[running.reported :], start=running.reported + 1):
            running.reported = step
            self.queue.report(job.trial, value, step)
            taken = not job.trained and len(job.results) == len(job.seeds)  # whole already: nothing would be saved
            # Asked last, because the answer is a comparison with all other trials.
            if self.definition.kind == "search" and step < total and not taken and job.trial.should_prune():
                return True
        return False

    def _prune(self, running: Running) -> None:
        job = running.job
        job.stop()
        if len(job.seeds) > 1:
            self.queue.note(job.trial, TRAININGS, job.results)
        self._end(running, TrialState.PRUNED)
        job.delete_checkpoint()
        self.display.ended(job, "pruned", running.reported)

    def _finish(self, running: Running) -> None:
        job = running.job
        scores = [result["score"][self.definition.objective] for result in job.results]
        self._end(running, TrialState.COMPLETE, sum(scores) / len(scores))
        self.display.ended(job, "complete", running.reported)
        self.ended()

    def _fail(self, running: Running) -> None:
        job = running.job
        if job.disk_is_full():
            raise UserError(
                f"the disk of '{self.place.folder}' is full; make room, then run the same command again. "
                f"The training said: {job.error.splitlines()[-1]}"
            )
        self.queue.note(job.trial, ERROR, job.error)
        self._end(running, TrialState.FAIL)
        self.display.ended(job, "failed", running.reported)

    def _end(self, running: Running, state: TrialState, value: float | None = None) -> None:
        self.queue.finish(running.job.trial, state, value)
        self.running.remove(running)
        self._looked = self._watched = -math.inf  # there is room now

    def _give_back(self) -> None:
        """Stop what runs and have its trials wait again."""
        for running in self.running:
            running.job.stop()
        for running in self.running:
            with suppress(UserError, OSError):  # others see that this worker has ended
                self.queue.give_back(running.job.trial)
        self.running.clear()

    @contextmanager
    def _stoppable(self) -> Iterator[None]:
        """Have Ctrl-C and SIGTERM end the loop at its next turn, and a second Ctrl-C at once."""

        def stop(number: int, frame: FrameType | None) -> None:
            if self.stopped:
                raise KeyboardInterrupt
            self.stopped = True
            self.queue.hurry()
            print("stopping: trials that run are given back ...", file=sys.stderr)

        before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
