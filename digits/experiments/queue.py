"""Which trials count, and how workers take and return them: exactly one for each combination, without locks.

Workers agree through the study alone. Claiming a waiting trial is atomic, failing one is possible once, and numbers
rise. A trial belongs to a root: of a grid the combination, of a search the first trial with its values. Of all trials
of a root that have not failed, only the one with the lowest number counts; whoever claims another one fails it. So a
worker may be killed between any two calls, and one that was only believed dead cannot add a second result.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial, TrialState

from digits.experiments.liveness import BEAT, WORKER, Watch, this_worker

ROOT, PARAMS, VALUES, TRAININGS, ERROR, DROPPED = "root", "params", "values", "trainings", "error", "dropped"
"""What a trial holds besides a heartbeat: its root; the sampler's parameters, once it waits again; the values that were
varied; the results of its trainings; the last words of one that failed; why it does not count."""
PATIENCE = 2.0
"""Seconds for which a root may be without a trial, as between two calls of another worker."""

Distributions = Mapping[str, BaseDistribution]


class LostTrialError(Exception):
    """Others hold this worker for dead and have given its trial away."""


@dataclass(frozen=True)
class Wanted:
    """The roots that are to have a trial: of a grid all combinations' values; of a search how many are to be made."""

    combinations: Sequence[Mapping[str, Any]] = ()
    trials: int = 0


def counting(trials: Iterable[FrozenTrial], wanted: Wanted) -> dict[int, FrozenTrial | None]:
    """Return the trial that counts for each root; None where all have failed because their workers were lost.

    Of a root whose training has failed, the last such trial counts, until another one waits.
    """
    groups: dict[int, list[FrozenTrial]] = {root: [] for root in range(len(wanted.combinations))}
    for trial in trials:
        if DROPPED in trial.user_attrs or (wanted.combinations and ROOT not in trial.user_attrs):
            continue
        if trial.state != TrialState.FAIL or trial.params or {ROOT, PARAMS} & trial.user_attrs.keys():
            groups.setdefault(root_of(trial), []).append(trial)
    roots = groups if wanted.combinations else sorted(groups)[: wanted.trials]
    return {root: _best_of(groups[root]) for root in roots}


def root_of(trial: FrozenTrial) -> int:
    return int(trial.user_attrs.get(ROOT, trial.number))


def params_of(trial: FrozenTrial) -> dict[str, Any]:
    """Return the sampler's parameters, those of a trial that waits again included."""
    return {**trial.user_attrs.get(PARAMS, {}), **trial.params}


def _best_of(trials: Sequence[FrozenTrial]) -> FrozenTrial | None:
    kept = [trial for trial in trials if trial.state != TrialState.FAIL]
    failed = [trial for trial in trials if ERROR in trial.user_attrs]
    return kept[0] if kept else failed[-1] if failed else None


class Queue:
    """The trials of a study for one worker."""

    def __init__(self, study: optuna.Study, wanted: Wanted, watch: Watch, new: bool) -> None:
        """new: whether this worker has made the study."""
        self.study, self.wanted, self.watch = study, wanted, watch
        self.mine: set[int] = set()  # numbers of the trials that this worker has claimed
        self._missing: dict[int, float] = {}  # since when
        if new:
            for root in range(len(wanted.combinations)):
                self._enqueue(root)
        elif not self._trials(TrialState.RUNNING):
            # A call that continues after all others have ended repeats what has failed.
            for root, trial in self.counting().items():
                if trial is not None and trial.state == TrialState.FAIL:
                    self._enqueue(root, trial)

    def counting(self) -> dict[int, FrozenTrial | None]:
        return counting(self._trials(), self.wanted)

    def root(self, trial: optuna.Trial) -> int:
        return int(trial.user_attrs.get(ROOT, trial.number))

    def enqueue_first(self, params: Mapping[str, Any]) -> None:
        """Have a search try these parameters next."""
        self.study.enqueue_trial(dict(params), {PARAMS: dict(params)})

    def limit(self, trials: int) -> None:
        """Have a search end after so many trials: there are no more combinations."""
        self.wanted = Wanted(trials=trials)

    def hurry(self) -> None:
        """Wait no longer than a few seconds for a storage that does not answer: this worker is about to end."""
        backend = getattr(self.study._storage, "_backend", None)
        if backend is not None and hasattr(backend, "patience"):
            backend.patience = 5.0

    @property
    def total(self) -> int:
        """How many trials there are to be."""
        return max(self.wanted.trials, len(self.wanted.combinations))

    def is_over(self) -> bool:
        """Return whether all that was wanted has ended."""
        roots = self.counting().values()
        return len(roots) >= self.total and all(trial is not None and trial.state.is_finished() for trial in roots)

    def claim(self, distributions: Distributions) -> optuna.Trial | None:
        """Return a trial that is now this worker's, or None where there is none to be had at present.

        LostTrialError where others have given it away before it could be noted whose it is.
        """
        waiting = self._trials(TrialState.WAITING)
        if not waiting and len(self.counting()) >= self.wanted.trials:
            return None
        trial = self.study.ask(dict(distributions))
        self.mine.add(trial.number)
        self.note(trial, WORKER, this_worker())
        root = self.root(trial)
        roots = self.counting()
        if root not in roots:
            self.drop(trial, "more than were wanted")
        elif (counts := roots[root]) is not None and counts.number != trial.number:
            self.drop(trial, f"trial {counts.number} is the same")
        else:
            return trial
        return None

    def return_lost(self) -> list[int]:
        """Have trials of lost workers wait again; return their numbers."""
        running = [trial for trial in self._trials(TrialState.RUNNING) if trial.number not in self.mine]
        returned = [trial.number for trial in self.watch.lost(running) if self._fail_and_enqueue(trial)]
        self._fill()
        return returned

    def give_back(self, trial: optuna.Trial) -> None:
        """Have a trial of this worker wait again, for another one."""
        self._fail_and_enqueue(self._frozen(trial))
        self.mine.discard(trial.number)

    def beat(self, trial: optuna.Trial, count: int) -> None:
        self.note(trial, BEAT, count)

    def note(self, trial: optuna.Trial, name: str, value: Any) -> None:
        """Store something with the trial; LostTrialError where others have taken it."""
        with self._held(trial):
            trial.set_user_attr(name, value)

    def report(self, trial: optuna.Trial, value: float, step: int) -> None:
        """Store the objective after a step; LostTrialError as above."""
        with self._held(trial):
            trial.report(value, step)

    def finish(self, trial: optuna.Trial, state: TrialState, value: float | None = None) -> None:
        """End the trial; LostTrialError where others have taken it."""
        self.mine.discard(trial.number)
        try:
            self.study.tell(trial, value, state)
        except (UpdateFinishedTrialError, ValueError):
            # Also where the answer to an earlier attempt was lost, and it had succeeded.
            if self._frozen(trial).state != state:
                raise LostTrialError from None

    def drop(self, trial: optuna.Trial, why: str) -> None:
        """Fail a trial that does not count."""
        try:
            self.note(trial, DROPPED, why)
            self.finish(trial, TrialState.FAIL)
        except LostTrialError:
            pass

    @contextmanager
    def _held(self, trial: optuna.Trial) -> Iterator[None]:
        """Raise LostTrialError where others have taken the trial."""
        try:
            yield
        except UpdateFinishedTrialError:
            self.mine.discard(trial.number)
            raise LostTrialError from None

    def _fill(self) -> None:
        """Enqueue a root that has no trial: its worker was killed after it had failed the earlier one."""
        now = time.monotonic()
        missing = [root for root, trial in self.counting().items() if trial is None]
        self._missing = {root: self._missing.get(root, now) for root in missing}
        overdue = [root for root, since in self._missing.items() if now - since >= PATIENCE]
        if overdue:
            root = random.choice(overdue)  # another worker that sees the same then probably takes another one
            earlier = [trial for trial in self._trials() if root_of(trial) == root and DROPPED not in trial.user_attrs]
            self._enqueue(root, earlier[-1] if earlier else None)

    def _fail_and_enqueue(self, trial: FrozenTrial) -> bool:
        """Fail a running trial and have its root wait again; return whether it was this call that failed it."""
        try:
            self.study.tell(trial.number, state=TrialState.FAIL)
        except (UpdateFinishedTrialError, ValueError):
            return False
        root = root_of(trial)
        counts = self.counting()
        if root in counts and counts[root] is None and DROPPED not in trial.user_attrs:
            self._enqueue(root, trial)
        return True

    def _enqueue(self, root: int, earlier: FrozenTrial | None = None) -> None:
        """Add a waiting trial for the root, with the parameters and results of an earlier one."""
        held = earlier.user_attrs if earlier else {}
        attributes = {name: held[name] for name in (VALUES, TRAININGS) if name in held}
        params = params_of(earlier) if earlier else {}
        if self.wanted.combinations:
            attributes[VALUES] = self.wanted.combinations[root]
        self.study.enqueue_trial(params, {ROOT: root, PARAMS: params, **attributes})

    def _trials(self, *states: TrialState) -> list[FrozenTrial]:
        return self.study.get_trials(deepcopy=False, states=states or None)

    def _frozen(self, trial: optuna.Trial) -> FrozenTrial:
        return self.study.get_trials(deepcopy=False)[trial.number]
