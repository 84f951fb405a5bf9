"""A PostgreSQL server of the test's own: Debian's programs, a temporary folder, a port of this machine alone."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any


def programs() -> Path | None:
    """Return the folder of initdb and pg_ctl, the newest one where there are several."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    on_path = shutil.which("initdb")
    return Path(on_path).resolve().parent if on_path else found[-1] if found else None


@dataclass
class PostgreSQL:
    """A running server; it refuses to run as root, so that as root it is another user's."""

    programs: Path
    folder: Path
    port: int

    def run(self, program: str, *words: str) -> None:
        user: dict[str, Any] = {"user": "nobody", "group": "nogroup", "extra_groups": []} if os.geteuid() == 0 else {}
        command = [str(self.programs / program), *words]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=self.folder, **user)

    def new_database(self, name: str) -> str:
        """Return the address of a new database."""
        self.run("createdb", "-h", "127.0.0.1", "-p", str(self.port), "-U", "tester", name)
        return f"postgresql+psycopg://tester@127.0.0.1:{self.port}/{name}"

    def start(self) -> None:
        fast = "-c fsync=off -c synchronous_commit=off -c full_page_writes=off"
        options = f"-k {self.folder} -h 127.0.0.1 -p {self.port} {fast}"
        self.run("pg_ctl", "start", "-w", "-D", "data", "-l", "log", "-o", options)

    def stop(self) -> None:
        """Stop at once, ending all connections."""
        self.run("pg_ctl", "stop", "-w", "-D", "data", "-m", "fast")


@contextmanager
def serving_postgresql(programs: Path) -> Iterator[PostgreSQL]:
    with tempfile.TemporaryDirectory(prefix="postgresql-", ignore_cleanup_errors=True) as folder:
        if os.geteuid() == 0:
            shutil.chown(folder, "nobody", "nogroup")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            server = PostgreSQL(programs, Path(folder), free.getsockname()[1])
        server.run("initdb", "-D", "data", "-A", "trust", "-U", "tester", "--no-sync", "--locale=C", "-E", "UTF8")
        server.start()
        try:
            yield server
        finally:
            server.stop()
