"""A PostgreSQL server of the test's own: Debian's programs, a temporary folder, a port of this machine alone."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg


def programs() -> Path | None:
    """Return the folder of initdb and postgres, the newest one where there are several."""
    found = shutil.which("initdb")
    folders = [Path(found).resolve().parent] if found else []
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    return next(iter([*folders, *reversed(versions)]), None)


@dataclass
class PostgreSQL:
    """A running server; it refuses to run as root, so that as root it is another user's."""

    programs: Path
    folder: Path
    port: int
    user: dict[str, Any]
    _process: subprocess.Popen[bytes] | None = field(default=None)

    def address(self, database: str, port: int = 0) -> str:
        """Return the address of the database, which is made if it is not there; through another port if it is given."""
        with self._connect() as server:
            if not server.execute("SELECT 1 FROM pg_database WHERE datname = %s", (database,)).fetchone():
                server.execute(f'CREATE DATABASE "{database}"')
        return f"postgresql+psycopg://tester@127.0.0.1:{port or self.port}/{database}"

    def start(self) -> None:
        fast = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")
        options = [f"--{setting}" for setting in fast]
        place = ["-D", str(self.folder / "data"), "-k", str(self.folder), "-h", "127.0.0.1", "-p", str(self.port)]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [str(self.programs / "postgres"), *place, *options], stdout=log, stderr=log, **self.user
            )
        for _ in range(300):
            time.sleep(0.1)
            with suppress(psycopg.OperationalError):
                return self._connect().close()
        raise AssertionError((self.folder / "log").read_text())

    def _connect(self) -> psycopg.Connection:
        return psycopg.connect(f"host=127.0.0.1 port={self.port} user=tester dbname=postgres", autocommit=True)

    def stop(self) -> None:
        """Stop at once, ending all connections."""
        assert self._process is not None
        self._process.send_signal(signal.SIGINT)
        self._process.wait(30)


@contextmanager
def serving_postgresql(programs: Path) -> Iterator[PostgreSQL]:
    folder = Path(tempfile.mkdtemp(prefix="postgresql-"))
    user: dict[str, Any] = {}
    if os.geteuid() == 0:
        user = {"user": "nobody", "group": "nogroup", "extra_groups": []}
        shutil.chown(folder, "nobody", "nogroup")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = ["-D", str(folder / "data"), "-A", "trust", "-U", "tester", "--no-sync", "--locale=C", "-E", "UTF8"]
    subprocess.run([str(programs / "initdb"), *words], check=True, capture_output=True, cwd=folder, **user)
    server = PostgreSQL(programs, folder, port, {"cwd": folder, **user})
    server.start()
    try:
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)
