"""A study on a PostgreSQL server, which may restart, or be out of reach for a while.

Every call is repeated until the server answers again, for at most two minutes. That is safe: reading, and writing an
attribute or a value, give the same when repeated; what would not (a trial made twice, or claimed by a call whose answer
was lost) is sorted out by digits/experiments/queue.py.
"""

from __future__ import annotations

import functools
import sys
import time
from collections.abc import Callable
from typing import Any

import sqlalchemy
from optuna.exceptions import StorageInternalError
from optuna.storages import RDBStorage
from sqlalchemy import exc

from digits.errors import UserError

PATIENCE = 120.0
"""Seconds for which a lost connection is tried again."""
TIMEOUT = 30
"""Seconds after which a connection that does not answer is given up."""
SCHEMA_LOCK = 5_318_008_431
"""The advisory lock, any number, under which a worker makes the tables: two at once would make some of them twice."""
LOST = (exc.OperationalError, exc.InterfaceError, exc.InternalError, exc.PendingRollbackError, exc.TimeoutError)
REPEATED = (
    *("create_new_study", "set_study_user_attr", "set_study_system_attr", "get_study_id_from_name"),
    *("get_study_name_from_id", "get_study_directions", "get_study_user_attrs", "get_study_system_attrs"),
    *("_create_new_trial", "_set_trial_param", "set_trial_state_values", "set_trial_intermediate_value"),
    *("set_trial_user_attr", "set_trial_system_attr", "get_trial", "_get_trials", "_get_best_trial_id"),
    *("get_trial_id_from_study_id_trial_number", "get_all_studies"),
)


class Server(RDBStorage):
    """The database at an address like postgresql+psycopg://USER@HOST/DATABASE.

    UserError where the address is wrong or the server cannot be reached; later calls raise it where the server was
    gone for longer than `patience` seconds.
    """

    def __init__(self, address: str) -> None:
        self.patience = PATIENCE
        url = _checked(address)
        self.place = url.render_as_string(hide_password=True)
        alive = "-c tcp_keepalives_idle=10 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=3"
        # Else a worker that lost its network would hold its locks until the server notices, two hours later.
        limits = f"-c statement_timeout={TIMEOUT}s -c idle_in_transaction_session_timeout={TIMEOUT}s"
        arguments = {
            "connect_timeout": min(TIMEOUT, 10),
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 3,
            "tcp_user_timeout": 1000 * TIMEOUT,
            "application_name": "run_experiment.py",
            "options": f"{alive} {limits}",
        }
        engine_kwargs = {"pool_pre_ping": True, "pool_size": 1, "connect_args": {**arguments, **url.query}}
        plain = url.set(query={}).render_as_string(hide_password=False)
        try:
            locks = sqlalchemy.create_engine(plain, **engine_kwargs)
            with locks.connect() as connection:
                # Workers that start together wait for the first one alone, not for each before them.
                if not _has_tables(connection):
                    connection.execute(sqlalchemy.text("SET statement_timeout = 0"))
                    connection.execute(sqlalchemy.text(f"SELECT pg_advisory_lock({SCHEMA_LOCK})"))
                super().__init__(plain.replace("{", "{{").replace("}", "}}"), engine_kwargs)
            locks.dispose()
        except (exc.SQLAlchemyError, StorageInternalError) as error:
            raise self.unreachable(error) from None

    def unreachable(self, error: BaseException) -> UserError:
        reason = str(getattr(error.__cause__, "orig", None) or getattr(error, "orig", None) or error)
        reason = " ".join(reason.split()).rstrip(".")[:300]
        return UserError(f"the storage '{self.place}' cannot be used ({reason}); check the address and the server.")


def _checked(address: str) -> sqlalchemy.URL:
    """Return the address, which is PostgreSQL's; UserError, which shows no password, where it is not."""
    shape = "give it as postgresql+psycopg://USER@HOST/DATABASE"
    try:
        url = sqlalchemy.make_url(address)
    except (exc.ArgumentError, ValueError):
        raise UserError(f"--storage is no address of a database; {shape}.") from None
    if url.drivername.startswith("sqlite"):
        raise UserError(
            "--storage: SQLite is not for several processes: they wait for one another's locks, and damage the file "
            "where machines share it; leave --storage out, for a journal, or use a PostgreSQL server."
        )
    if url.drivername not in ("postgresql", "postgresql+psycopg"):
        raise UserError(f"--storage {url.drivername}: only PostgreSQL is supported; {shape}.")
    import psycopg  # noqa: F401 (where it is missing, the sentence says how to install it)

    return url.set(drivername="postgresql+psycopg")


def _has_tables(connection: sqlalchemy.Connection) -> bool:
    """Return whether Optuna's tables are all there: the version of their schema is what it writes last."""
    table = "alembic_version"
    if not sqlalchemy.inspect(connection).has_table(table):
        return False
    return bool(connection.scalar(sqlalchemy.text(f"SELECT count(*) FROM {table}")))


def _is_lost(error: BaseException) -> bool:
    """Return whether the connection failed, or the server gave up: not a fault of what was asked."""
    cause = error.__cause__ if isinstance(error, StorageInternalError) else error
    return isinstance(cause, LOST) or (isinstance(cause, exc.DBAPIError) and cause.connection_invalidated)


def _repeated(call: Callable[..., Any]) -> Callable[..., Any]:
    """Return the method, which waits for a server that is gone."""

    @functools.wraps(call)
    def patient(self: Server, *arguments: Any, **named: Any) -> Any:
        began, pause = None, 0.2
        while True:
            try:
                answer = call(self, *arguments, **named)
                if began is not None:
                    print(f"the storage is back after {time.monotonic() - began:.0f} s.", file=sys.stderr)
                return answer
            except (exc.SQLAlchemyError, StorageInternalError) as error:
                if not _is_lost(error):
                    raise
                if began is None:
                    began = time.monotonic()
                    print(
                        f"the storage '{self.place}' does not answer; trying again for {self.patience:.0f} s.",
                        file=sys.stderr,
                    )
                if time.monotonic() - began > self.patience:
                    raise self.unreachable(error) from None
            time.sleep(pause)
            pause = min(2 * pause, 5.0)

    return patient


for _name in REPEATED:
    setattr(Server, _name, _repeated(getattr(RDBStorage, _name)))
