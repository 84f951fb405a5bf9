"""A study that workers share, and which of its trials count: exactly one for each combination, without locks.

Workers agree through the study alone. Optuna hands a waiting trial to one worker only, a trial fails only once, and
numbers rise. A lost trial is failed and waits again as a new one. Of all trials of a combination, or of a sample, that
have not failed, only the one with the lowest number counts, and whoever claims another one drops it. So a worker may be
killed between any two calls, and one that was only believed dead cannot add a second result.
"""

from __future__ import annotations

import copy
import os
import platform
import random
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.exceptions import DuplicatedStudyError, UpdateFinishedTrialError
from optuna.storages import BaseStorage, RetryHeartbeatStaleTrialCallback, fail_stale_trials
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, Trial, TrialState

from mnist_twice.errors import UserError
from mnist_twice.experiments import storage as storages
from mnist_twice.experiments.definition import Definition, combinations, problem_of, refuse_other
from mnist_twice.experiments.options import Work
from mnist_twice.experiments.parameters import (
    distributions_of,
    key_of,
    param_of,
    possible_params,
    pruner_of,
    sampler_of,
    start_params,
    values_of,
)
from mnist_twice.files import check_place

WORKER, TRAININGS, ERROR, DIVERGED, DROPPED = "worker", "trainings", "error", "diverged", "dropped"
"""What a trial holds besides its parameters: who works on it, since it has been claimed; the results of its trainings;
the last words of one that failed, or of one that diverged; why it does not count."""
DEFINITION, ASKED, COMMAND = "definition", "trials", "command"
"""What the study holds: its definition, how many trials of a search were asked for, and the command that repeats it."""
PATIENCE = 2.0
"""Seconds for which nobody may have a trial that has to wait again, as between two calls of another worker."""
MOST_REFUSED = 200
"""Samples in a row that no training can have, after which the space is at fault."""


class NothingToDo(Exception):
    """No trial waits, and none is to be made, at present."""


class Dropped(Exception):
    """A trial that has been claimed and does not count."""


@dataclass(frozen=True)
class Wanted:
    """What is to be tried: of a grid each combination's parameters, by their key; of a search how many samples."""

    combinations: Mapping[str, Mapping[str, Any]]
    trials: int

    def counting(self, trials: Sequence[FrozenTrial]) -> dict[str, FrozenTrial | None]:
        """Return the trial that counts for each combination or sample: the last one where all of them have failed."""
        groups: dict[str, list[FrozenTrial]] = {key: [] for key in self.combinations}
        for trial in trials:
            if DROPPED not in trial.user_attrs:
                key = key_of(trial.params) if self.combinations else str(root_of(trial))
                groups.setdefault(key, []).append(trial)
        return {key: _best_of(groups[key]) for key in [*groups][: self.trials]}


def wanted_of(definition: Definition, trials: int) -> Wanted:
    """Return what is wanted; trials: how many of a search were asked for."""
    if definition.kind == "search":
        possible = possible_params(definition)
        return Wanted({}, trials if possible is None else min(trials, len(possible)))
    names = definition.differing
    params = [{name: param_of(values[name]) for name in names} for values in combinations(definition)[0]]
    return Wanted({key_of(each): each for each in params}, len(params))


def root_of(trial: FrozenTrial) -> int:
    """Return the number of the trial that this one tries again, or its own."""
    first = RetryHeartbeatStaleTrialCallback.retried_trial_number(trial)
    return trial.number if first is None else first


class SharedStudy(optuna.Study):
    """Optuna's study for one worker, who never makes more trials than are wanted, and rescues those of lost workers."""

    def __init__(self, name: str, storage: BaseStorage, definition: Definition, trials: int, alone: bool) -> None:
        """trials: how many of a search were asked for; alone: whether all other workers of the study have ended."""
        super().__init__(name, storage)
        self.definition, self.alone = definition, alone
        self.wanted = wanted_of(definition, trials)
        self.worker = f"{platform.node()}:{os.getpid()}"
        self.parameters = distributions_of(definition)
        self.sampler, self.pruner = sampler_of(definition, self, trials), pruner_of(definition, self)
        self._places: dict[int, int] = {}
        self._refused = 0
        self._unclaimed: dict[int, float] = {}  # running trials without a worker, and since when
        self._size, self._settled = -1, time.monotonic()  # how many trials there are, and since when

    def counting(self) -> dict[str, FrozenTrial | None]:
        return self.wanted.counting(self.get_trials(deepcopy=False))

    def is_over(self) -> bool:
        """Return whether all that was wanted has ended."""
        roots = self.counting().values()
        return len(roots) >= self.wanted.trials and all(trial is not None and _has_ended(trial) for trial in roots)

    def place_of(self, trial: FrozenTrial) -> int:
        root = root_of(trial)
        if root not in self._places:
            drawn = [each.number for each in self.get_trials(deepcopy=False) if root_of(each) == each.number]
            self._places = {number: place for place, number in enumerate(drawn)}
        return self._places[root]

    def ask(self, fixed_distributions: dict[str, BaseDistribution] | None = None) -> Trial:
        """Claim a trial, or draw one; NothingToDo where neither is possible."""
        return super().ask(self.parameters)

    def _pop_waiting_trial_id(self) -> int | None:
        """Claim the first waiting trial, as Optuna does, if it counts; one that does not is dropped.

        It is enough to look before the claim: a trial with a lower number may fail meanwhile, but does not come back.
        """
        trials = self.get_trials(deepcopy=False)
        counting = self.wanted.counting(trials)
        numbers = {trial.number for trial in counting.values() if trial is not None}
        for trial in trials:
            if trial.state == TrialState.WAITING:
                counts = trial.number in numbers
                with suppress(UpdateFinishedTrialError):
                    if not counts:
                        self._storage.set_trial_user_attr(trial._trial_id, DROPPED, "another trial is the same")
                    state = TrialState.RUNNING if counts else TrialState.FAIL
                    if self._storage.set_trial_state_values(trial._trial_id, state) and counts:
                        return trial._trial_id
        if self.wanted.combinations or len(counting) >= self.wanted.trials:
            raise NothingToDo
        return None

    def values(self, trial: Trial) -> dict[str, Any]:
        """Return the values of a trial that this worker has claimed; Dropped where it does not count."""
        values = values_of(self.definition, trial.params)
        if self.definition.kind == "search":
            trials = self.get_trials(deepcopy=False)
            frozen = trials[trial.number]
            if frozen.number not in {each.number for each in self.wanted.counting(trials).values() if each}:
                self._drop(trial, "more were drawn than were wanted")
            if (twin := self._twin_of(frozen)) is not None:
                self._drop(trial, f"trial {twin.number} has the same values")
            if problem := problem_of(self.definition, values):
                self._refused += 1
                if self._refused >= MOST_REFUSED:
                    raise UserError(f"{MOST_REFUSED} samples in a row could not be used; of the last one, {problem}.")
                self._drop(trial, problem)
            self._refused = 0
        if not self.alone:
            self._storage.record_heartbeat(trial._trial_id)  # type: ignore[attr-defined]
        zone = datetime.now().astimezone().strftime("%z")  # which Optuna's times lack
        trial.set_user_attr(WORKER, {"name": self.worker, "zone": zone})  # from now on it has a heartbeat
        return values

    def rescue(self) -> None:
        """Have trials of lost workers wait again, and add combinations that have none.

        On a server, Optuna fails those whose heartbeat has stopped. It passes over trials whose worker was killed
        before the first beat, and those that have been failed by one that was killed before it made them wait again.
        """
        fail_stale_trials(self)
        trials, now = self.get_trials(deepcopy=False), time.monotonic()
        running = [each for each in trials if each.state == TrialState.RUNNING]
        unclaimed = [each.number for each in running if WORKER not in each.user_attrs]
        self._unclaimed = {number: self._unclaimed.get(number, now) for number in unclaimed}
        for trial in running:
            if self.alone or now - self._unclaimed.get(trial.number, now) > storages.GRACE:
                with suppress(UpdateFinishedTrialError, ValueError):  # another worker has failed it
                    self.tell(trial.number, state=TrialState.FAIL)
        if len(trials) != self._size:
            self._size, self._settled = len(trials), now + random.uniform(0, PATIENCE)
        settled = self.alone or now - self._settled > PATIENCE
        for key, counts in self.counting().items():
            if counts is None:
                if settled:
                    self.enqueue(self.wanted.combinations[key])
            elif counts.state == TrialState.FAIL and not _has_ended(counts):
                mine = counts.user_attrs.get(WORKER, {}).get("name") == self.worker
                if settled or mine:
                    try_again(self, counts)

    def retry_failed(self) -> None:
        """Have what failed in earlier calls wait again."""
        for trial in self.counting().values():
            if trial is not None and trial.state == TrialState.FAIL:
                try_again(self, trial)

    def enqueue(self, params: Mapping[str, Any]) -> None:
        """Add a waiting trial with these parameters."""
        waiting = optuna.create_trial(state=TrialState.WAITING, params=dict(params), distributions=self.parameters)
        self.add_trial(waiting)

    def _twin_of(self, trial: FrozenTrial) -> FrozenTrial | None:
        """Return an earlier sample with the same parameters, which others may be drawing at this moment."""
        until = time.monotonic() + PATIENCE
        while True:
            earlier = [each for each in self.counting().values() if each and root_of(each) < root_of(trial)]
            drawn = [each for each in earlier if len(each.params) == len(self.parameters)]
            running = [each for each in earlier if each.state == TrialState.RUNNING]
            if all(each in drawn for each in running) or time.monotonic() > until:
                return next((each for each in drawn if each.params == trial.params), None)
            time.sleep(0.05)

    def _drop(self, trial: Trial, why: str) -> None:
        trial.set_user_attr(DROPPED, why)
        raise Dropped(why)


def try_again(study: optuna.Study, trial: FrozenTrial) -> None:
    """Have a failed trial wait again as a new one, with the results of trainings that it has."""
    again = copy.deepcopy(trial)
    again.user_attrs = {TRAININGS: again.user_attrs[TRAININGS]} if TRAININGS in again.user_attrs else {}
    RetryHeartbeatStaleTrialCallback()(study, again)


@contextmanager
def open_study(options: Work, definition: Definition, command: str, trials: int = 0) -> Iterator[SharedStudy]:
    """Yield the study of the experiment, which is made where there is none, and its folder.

    command: what repeats it; trials: how many a search is to make, of which a later call may ask for more. UserError
    where the storage cannot be used, the folder cannot be written, another process of this machine has the journal, or
    the study is another one.
    """
    name, folder, storage = options.experiment, options.folder, options.storage
    check_place(folder / "runs")
    with storages.answering(storage), nullcontext() if storage else storages.alone(folder):
        where = storage_of(folder, storage)
        direction = StudyDirection.MINIMIZE if definition.objective == "loss" else StudyDirection.MAXIMIZE
        new = True
        try:
            made = optuna.create_study(storage=where, study_name=name, direction=direction)
        except DuplicatedStudyError:
            made, new = optuna.load_study(study_name=name, storage=where), False
        until = time.monotonic() + PATIENCE
        while storage and not new and DEFINITION not in made.user_attrs and time.monotonic() < until:
            time.sleep(0.1)  # its maker is about to write it, or was killed
        held = made.user_attrs
        refuse_other(name, held.get(DEFINITION, definition.record()), definition)
        asked = max(trials, held.get(ASKED, 0))
        if asked == trials:  # else an earlier call has asked for more
            for key, value in ((DEFINITION, definition.record()), (ASKED, asked), (COMMAND, command)):
                made.set_user_attr(key, value)
        study = SharedStudy(name, where, definition, asked, alone=not storage)
        if definition.kind != "search":
            for params in study.wanted.combinations.values() if new else ():
                study.enqueue(params)
        elif not study.get_trials(deepcopy=False) and (start := start_params(definition)) is not None:
            study.enqueue(start)
        study.retry_failed()
        yield study


def storage_of(folder: Path, storage: str) -> BaseStorage:
    """Return the experiment's database, or the journal in its folder."""
    return storages.open_server(storage, try_again) if storage else storages.open_journal(folder)


def _best_of(trials: Sequence[FrozenTrial]) -> FrozenTrial | None:
    kept = [trial for trial in trials if trial.state != TrialState.FAIL]
    complete = [trial for trial in kept if trial.state == TrialState.COMPLETE]
    return next(iter(complete or kept or trials[-1:]), None)


def _has_ended(trial: FrozenTrial) -> bool:
    """Return whether a trial is finished, and was not failed because its worker was stopped or lost."""
    return trial.state.is_finished() and (trial.state != TrialState.FAIL or ERROR in trial.user_attrs)
