"""A study that workers share: a journal file of one machine, or a PostgreSQL database for several.

Each trial that is wanted has a place, and waits in the study until Optuna hands it to one worker. The trial of a worker
that was stopped or lost waits again under its own number, so that sampling and pruning go on as if nothing had been.
Only a trial that failed, or a sample that is of no use, is followed by another one at its place.
"""

from __future__ import annotations

import random
import threading
import time
import warnings
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import sqlalchemy
from filelock import FileLock, Timeout
from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.exceptions import StorageInternalError, UpdateFinishedTrialError
from optuna.pruners import BasePruner, HyperbandPruner, MedianPruner, NopPruner, WilcoxonPruner
from optuna.samplers import TPESampler
from optuna.storages import BaseStorage, JournalStorage, RDBStorage, fail_stale_trials
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from optuna.trial import FrozenTrial, Trial, TrialState

from mnist_twice.errors import UserError
from mnist_twice.experiments.definition import Definition, combinations, is_finite, param_of, refuse_other, start_of
from mnist_twice.experiments.options import Work
from mnist_twice.experiments.values import Range
from mnist_twice.files import check_place, naming

PLACE, WORKER, TRAININGS, ERROR, DIVERGED = "place", "worker", "trainings", "error", "diverged"
"""What a trial holds besides its parameters: its place among those that are wanted; who works on it, from the first
heartbeat on; the results of its trainings; the last words of one that failed, or of one that diverged."""
DEFINITION, WANTED, COMMAND = "definition", "trials", "command"
"""What the study holds: its definition, how many trials there are to be, and the command that repeats it."""
JOURNAL = "journal.log"
BEAT, GRACE = 10, 60
"""Seconds between two heartbeats on a server, and without one after which a worker counts as lost."""
TIMEOUT = 30
"""Seconds after which a server that does not answer is given up."""
AHEAD = 32
"""Trials that are added at a time, or one for each job: Optuna reads all that wait whenever it hands one out."""
JOBS = threading.Lock()
"""Held by the job that adds them."""


@dataclass
class SharedStudy:
    """A study as one worker has it, which sees to it that there is a trial at each place."""

    study: Study
    storage: BaseStorage
    definition: Definition
    wanted: int  # trials
    params: list[dict[str, Any]]  # of a grid, of each trial; of a search, what is tried before Optuna draws any
    failed_before: set[int]  # numbers of trials that this call tries again
    ahead: int  # trials that are added at a time

    def counting(self) -> dict[int, FrozenTrial]:
        return counting(self.study.get_trials(deepcopy=False))

    def is_over(self) -> bool:
        """Return whether all that was wanted has ended."""
        trials = self.counting().values()
        return len(trials) >= self.wanted and all(each.state.is_finished() and not self._lacks(each) for each in trials)

    def refill(self) -> int:
        """Return how many trials wait; where none does, after those of lost workers, or those that lack, have come."""
        if waiting := self._waiting():
            return waiting
        fail_stale_trials(self.study)
        if isinstance(self.storage, Server):
            self.storage.rescue_silent(self.study.get_trials(deepcopy=False, states=[TrialState.RUNNING]))
        with only_one(self.storage, self.study.study_name):
            self._add_trials()
        return self._waiting()

    def take(self, trial: Trial, worker: str) -> bool:
        """Have Optuna draw the parameters that the trial was not added with; return whether it is of any use."""
        if PLACE not in trial.user_attrs:  # another worker has taken the last one that waited
            return False
        if isinstance(self.storage, Server):
            self.storage.record_heartbeat(trial._trial_id)
        zone = datetime.now().astimezone().strftime("%z")  # which Optuna's times lack
        trial.set_user_attr(WORKER, {"name": worker, "zone": zone})
        for name, part in self.definition.differing.items():
            if isinstance(part, Range):
                suggest: Any = trial.suggest_int if isinstance(part.low, int) else trial.suggest_float
                suggest(name, part.low, part.high, log=part.log)
            else:
                trial.suggest_categorical(name, [*map(param_of, part)])
        earlier = self.study.get_trials(deepcopy=False)[: trial.number] if self.definition.kind == "search" else []
        return not any(each.state != TrialState.FAIL and each.params == trial.params for each in earlier)

    def give_back(self, worker: str) -> None:
        """Have the trials of this worker wait again; of a journal, which has one worker at a time, all that run."""
        for trial in self.study.get_trials(deepcopy=False, states=[TrialState.RUNNING]):
            mine = (trial.user_attrs.get(WORKER) or {}).get("name") == worker
            if mine or not isinstance(self.storage, Server):
                wait_again(self.storage, trial._trial_id)

    def _waiting(self) -> int:
        return len(self.study.get_trials(deepcopy=False, states=[TrialState.WAITING]))

    def _lacks(self, last: FrozenTrial) -> bool:
        """Return whether a place lacks a trial, given its last one: a sample of no use, or one to be tried again."""
        return last.state == TrialState.FAIL and (ERROR not in last.user_attrs or last.number in self.failed_before)

    def _add_trials(self) -> None:
        """Add a trial at each place that lacks one, but not all of many at once."""
        trials = self.study.get_trials(deepcopy=False)
        there, tried = counting(trials), {frozenset(params_of(trial).items()) for trial in trials}
        lacking = [place for place in range(self.wanted) if place not in there or self._lacks(there[place])]
        for place in lacking[: self.ahead]:
            if self.definition.kind != "search":
                params = self.params[place]
            elif place in there and ERROR in there[place].user_attrs:
                params = there[place].params
            else:
                params = next((each for each in self.params if frozenset(each.items()) not in tried), {})
            tried.add(frozenset(params.items()))
            self.study.enqueue_trial(params, {PLACE: place})


def counting(trials: Iterable[FrozenTrial]) -> dict[int, FrozenTrial]:
    """Return the trial that counts at each place: the first that has not failed, else the last one."""
    found: dict[int, FrozenTrial] = {}
    for trial in trials:
        place = trial.user_attrs.get(PLACE)
        if place is not None and (place not in found or found[place].state == TrialState.FAIL):
            found[place] = trial
    return found


def params_of(trial: FrozenTrial) -> dict[str, Any]:
    """Return the parameters of a trial, which Optuna gives those that wait only when they are taken."""
    params: dict[str, Any] = trial.system_attrs.get("fixed_params", {})
    return params | trial.params


def wait_again(storage: BaseStorage, trial_id: int) -> None:
    """Have a trial that runs wait again under its number, unless it has ended."""
    with suppress(UpdateFinishedTrialError):
        storage.set_trial_user_attr(trial_id, WORKER, None)
        storage.set_trial_state_values(trial_id, TrialState.WAITING)


class Server(RDBStorage):
    """A database in which the trials of lost workers wait again, where Optuna would have them fail."""

    def __init__(self, address: str, engine: dict[str, Any]) -> None:
        super().__init__(address, engine, heartbeat_interval=BEAT, grace_period=GRACE)
        self._silent: dict[int, float] = {}  # trials that have been claimed, but had no heartbeat, and since when

    def _get_stale_trial_ids(self, study_id: int) -> list[int]:
        for trial_id in super()._get_stale_trial_ids(study_id):
            if self.get_trial(trial_id).user_attrs.get(WORKER):  # else the heartbeat is that of an earlier worker
                wait_again(self, trial_id)
        return []

    def rescue_silent(self, running: Iterable[FrozenTrial]) -> None:
        """Have trials wait again whose worker was killed between its claim and its first heartbeat."""
        silent, now = {trial._trial_id for trial in running if not trial.user_attrs.get(WORKER)}, time.monotonic()
        self._silent = {trial_id: self._silent.get(trial_id, now) for trial_id in silent}
        for trial_id, since in self._silent.items():
            if now - since > GRACE:
                wait_again(self, trial_id)


@contextmanager
def only_one(storage: BaseStorage, study: str) -> Iterator[None]:
    """Keep other jobs and other workers of the study out of this block."""
    with JOBS:
        if not isinstance(storage, Server):
            yield
            return
        with storage.engine.begin() as connection:
            connection.execute(sqlalchemy.text("SELECT pg_advisory_xact_lock(hashtext(:study))"), {"study": study})
            yield


class Sampler(TPESampler):
    """Optuna's TPE, its random numbers drawn afresh from the seed and the trial's number.

    So a search that was interrupted continues as if it had not been, and workers that begin together draw other ones.
    """

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.first_seed = seed

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        return self._fresh(trial).sample_relative(study, trial, search_space)

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        return self._fresh(trial, param_name).sample_independent(study, trial, param_name, param_distribution)

    def _fresh(self, trial: FrozenTrial, name: str = "") -> TPESampler:
        entropy = [self.first_seed, trial.number, zlib.crc32(name.encode())]
        return TPESampler(seed=int(np.random.SeedSequence(entropy).generate_state(1)[0]))


def pruner_of(definition: Definition) -> BasePruner:
    """Return what gives trials up. Steps are epochs; with several seeds, each of them is one."""
    (recipe, *_), seeds = definition.recipes.values(), len(definition.seeds)
    part: Any = definition.space.get("epochs", (recipe.epochs,))
    epochs = int(part.high if isinstance(part, Range) else max(part))
    pruners: dict[str, BasePruner] = {
        "wilcoxon": WilcoxonPruner(p_threshold=0.1),
        "hyperband": HyperbandPruner(max_resource=seeds if seeds > 1 else max(epochs, 1)),
        "median": MedianPruner(),
    }
    return pruners.get(definition.pruner, NopPruner())


@contextmanager
def open_study(options: Work, definition: Definition, command: str, trials: int = 0) -> Iterator[SharedStudy]:
    """Yield the study of the experiment, which is made where there is none.

    command: what repeats it; trials: how many a search is to make, of which a later call may ask for more. UserError
    where the storage cannot be used, the folder cannot be written, another process of this machine has the journal, or
    the study is another one.
    """
    name, folder, address = options.experiment, options.folder, options.storage
    check_place(folder / "runs")
    with answering(address), nullcontext() if address else _locked(folder):
        storage = open_storage(folder, address)
        study = optuna.create_study(
            storage=storage,
            sampler=Sampler(definition.sampler_seed),
            pruner=pruner_of(definition),
            study_name=name,
            direction="minimize" if definition.objective == "loss" else "maximize",
            load_if_exists=True,
        )
        with only_one(storage, name):
            held = study.user_attrs
            refuse_other(name, held.get(DEFINITION, definition.record()), definition)
            wanted, params = _plan_of(definition, max(trials, held.get(WANTED, 0)))
            if wanted != held.get(WANTED):  # else an earlier call has asked for as many
                for key, value in ((DEFINITION, definition.record()), (WANTED, wanted), (COMMAND, command)):
                    study.set_user_attr(key, value)
        failed = {trial.number for trial in study.get_trials(deepcopy=False, states=[TrialState.FAIL])}
        shared = SharedStudy(study, storage, definition, wanted, params, failed, max(AHEAD, options.jobs))
        shared.give_back("")
        yield shared


def _plan_of(definition: Definition, trials: int) -> tuple[int, list[dict[str, Any]]]:
    """Return how many trials there are to be, of so many that are asked for, and SharedStudy.params."""
    if definition.kind != "search":
        params, _ = combinations(definition)
        return len(params), params
    start = start_of(definition)
    held = all(start[name] in part for name, part in definition.space.items())
    params = [{name: param_of(value) for name, value in start.items()}] if held else []
    if not is_finite(definition):
        return trials, params
    possible, _ = combinations(definition)
    if 2 * trials >= len(possible):
        # Each once, in any order: Optuna's sampler would draw most of a finite space again and again.
        others = random.Random(definition.sampler_seed).sample(possible, len(possible))
        params = [each for each in params if each in possible] + others
    return min(trials, len(possible)), params


def open_storage(folder: Path, address: str) -> BaseStorage:
    """Return the storage of studies: the database at the address, else the journal in the folder.

    Both are made if they are missing. Raises UserError if they cannot be used.
    """
    optuna.logging.set_verbosity(optuna.logging.CRITICAL)  # we say it, in sentences
    warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
    warnings.filterwarnings("ignore", "The reported value is ignored")  # of a trial that is continued
    if address:
        return _open_server(address)
    path = folder / JOURNAL
    with naming(path):
        try:
            # Not with Optuna's usual lock: not every Windows user may make a symbolic link.
            return JournalStorage(JournalFileBackend(str(path), JournalFileOpenLock(str(path))))
        except (ValueError, KeyError, AssertionError):
            raise UserError(f"'{path}' is not an experiment's journal, or is damaged; move it away.") from None


def _open_server(address: str) -> Server:
    """Return the PostgreSQL database at an address like postgresql+psycopg://USER@HOST/DATABASE."""
    import psycopg  # noqa: F401 (where it is missing, the sentence says how to install it)

    scheme, _, rest = address.partition("://")
    if scheme not in ("postgresql", "postgresql+psycopg"):
        raise UserError(
            "--storage is for PostgreSQL: give it as postgresql+psycopg://USER@HOST/DATABASE, or leave it out for a "
            "file. (SQLite is slow with several processes, and several machines would damage its file.)"
        )
    limits = f"-c statement_timeout={TIMEOUT}s -c idle_in_transaction_session_timeout={TIMEOUT}s"
    connection = {"connect_timeout": 10, "tcp_user_timeout": 1000 * TIMEOUT, "options": limits}
    engine = {"pool_pre_ping": True, "max_overflow": -1, "connect_args": connection}
    url = f"postgresql+psycopg://{rest}"
    with sqlalchemy.create_engine(url, poolclass=sqlalchemy.NullPool, connect_args=connection).begin() as first:
        first.execute(sqlalchemy.text("SELECT pg_advisory_xact_lock(0)"))  # for others make the tables just now
        return Server(url, engine)


@contextmanager
def answering(address: str) -> Iterator[None]:
    """Have a server that cannot be used, or is gone, end the block with a UserError, which shows no password."""
    try:
        yield
    except (sqlalchemy.exc.SQLAlchemyError, StorageInternalError, UnboundLocalError) as error:
        cause: BaseException = error  # the last where Optuna 5 cannot end a trial
        while cause.__cause__ or cause.__context__:
            cause = cause.__cause__ or cause.__context__ or cause
        if not address or isinstance(cause, UnboundLocalError):
            raise
        place = sqlalchemy.make_url(address).render_as_string(hide_password=True)
        raise UserError(
            f"the storage '{place}' cannot be used ({' '.join(str(cause).split())[:300]}); check the address and the "
            "server. The same command continues from the checkpoints."
        ) from None


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold an experiment's lock on this machine, which ends with the process; raises UserError if another one has it.

    Then what a killed process has left is put right: the lock of a single entry, and an entry without its end, which
    would make the journal unreadable once another one follows.
    """
    folder.mkdir(parents=True, exist_ok=True)
    journal = folder / JOURNAL
    try:
        with FileLock(folder / ".lock", blocking=False):
            journal.with_name(f"{JOURNAL}.lock").unlink(missing_ok=True)
            if journal.exists():
                with journal.open("rb+") as file:
                    file.truncate(file.read().rfind(b"\n") + 1)
            yield
    except Timeout:
        raise UserError(
            f"another process is working on '{folder.name}'; for several trainings at a time give one process --jobs, "
            "for several processes or machines give each --storage."
        ) from None
