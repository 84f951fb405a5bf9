"""Where studies are kept: a journal file of one machine, or a PostgreSQL server for several."""

from __future__ import annotations

import random
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import optuna
from filelock import FileLock, Timeout
from optuna import Study
from optuna.exceptions import StorageInternalError
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from optuna.trial import FrozenTrial

from mnist_twice.errors import UserError
from mnist_twice.files import naming

JOURNAL = "journal.log"
BEAT, GRACE = 10, 60
"""Seconds between two heartbeats on a server, and without one after which a worker counts as lost."""
TIMEOUT = 30
"""Seconds after which a server that does not answer is given up."""


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Hold an experiment's lock on this machine, which ends with the process; UserError where another one has it.

    Then what a killed process has left is put right: the lock of a single entry, and an entry without its end, which
    would make the journal unreadable once another one follows.
    """
    folder.mkdir(parents=True, exist_ok=True)
    journal = folder / JOURNAL
    try:
        lock = FileLock(folder / ".lock").acquire(blocking=False)
    except Timeout:
        raise UserError(
            f"another process works on '{folder.name}'; for several trainings at a time give --jobs to one process, "
            "and for several processes or machines --storage to each."
        ) from None
    with lock:
        journal.with_name(f"{JOURNAL}.lock").unlink(missing_ok=True)
        if journal.exists():
            with journal.open("rb+") as file:
                file.truncate(file.read().rfind(b"\n") + 1)
        yield


def open_journal(folder: Path) -> BaseStorage:
    """Return the storage in the folder's journal, which is made where it is missing."""
    _quiet()
    path = folder / JOURNAL
    with naming(path):
        try:
            # Not with Optuna's usual lock: not every Windows user may make a symbolic link.
            return JournalStorage(JournalFileBackend(str(path), JournalFileOpenLock(str(path))))
        except (ValueError, KeyError, AssertionError):
            raise UserError(f"'{path}' is no journal of an experiment, or is damaged; move it away.") from None


def open_server(address: str, lost: Callable[[Study, FrozenTrial], None]) -> BaseStorage:
    """Return the storage in the PostgreSQL database at an address like postgresql+psycopg://USER@HOST/DATABASE.

    lost: is called with each trial that was failed because its worker's heartbeat had stopped.
    """
    import psycopg  # noqa: F401 (where it is missing, the sentence says how to install it)
    import sqlalchemy

    _quiet()
    url = sqlalchemy.make_url(_checked(address))
    limits = f"-c statement_timeout={TIMEOUT}s -c idle_in_transaction_session_timeout={TIMEOUT}s"
    connection = {"connect_timeout": 10, "tcp_user_timeout": 1000 * TIMEOUT, "options": limits, **url.query}
    plain = url.set(query={}).render_as_string(hide_password=False).replace("{", "{{").replace("}", "}}")
    for attempts_left in reversed(range(10)):
        try:
            return optuna.storages.get_storage(
                RDBStorage(
                    plain,
                    {"pool_pre_ping": True, "max_overflow": -1, "connect_args": connection},
                    heartbeat_interval=BEAT,
                    grace_period=GRACE,
                    heartbeat_stale_trial_callback=lost,
                )
            )
        except (sqlalchemy.exc.IntegrityError, sqlalchemy.exc.ProgrammingError):
            if not attempts_left:
                raise
            time.sleep(random.uniform(0.1, 1))  # another worker makes the tables at this moment
    raise AssertionError


@contextmanager
def answering(address: str) -> Iterator[None]:
    """Have a server that cannot be used, or is gone, end the block with a UserError, which shows no password."""
    if not address:
        yield
        return
    from sqlalchemy import exc, make_url

    try:
        yield
    except Exception as error:
        cause: BaseException | None = error  # Optuna 5 ends in an UnboundLocalError where it cannot end a trial
        while not isinstance(cause, (exc.SQLAlchemyError, StorageInternalError)):
            if cause is None or isinstance(cause, UserError):
                raise
            cause = cause.__cause__ or cause.__context__
        cause = cause.__cause__ or cause
        reason = " ".join(str(getattr(cause, "orig", None) or cause).split()).rstrip(".")[:300]
        place = make_url(address).render_as_string(hide_password=True)
        raise UserError(
            f"the storage '{place}' cannot be used ({reason}); check the address and the server. The same command "
            "goes on from the checkpoints."
        ) from None


def _checked(address: str) -> str:
    """Return the address, which is PostgreSQL's; UserError where it is not."""
    scheme, found, rest = address.partition("://")
    if not found or scheme not in ("postgresql", "postgresql+psycopg"):
        raise UserError(
            "--storage is for PostgreSQL: give it as postgresql+psycopg://USER@HOST/DATABASE, or leave it out for a "
            "file. (SQLite's processes wait for one another's locks, and damage its file where machines share it.)"
        )
    return f"postgresql+psycopg://{rest}"


def _quiet() -> None:
    """Have Optuna say nothing: we do, in sentences."""
    optuna.logging.set_verbosity(optuna.logging.CRITICAL)
    warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
