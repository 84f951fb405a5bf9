"""A training in a process of its own: the two frameworks cannot share one, and a crash of one ends no other."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from digits.machine import cores

PROJECT = Path(__file__).resolve().parents[2]
THREADS = ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS")
"""What PyTorch and TensorFlow take their number of threads from."""
PATIENCE = 10.0
"""Seconds for a stopped training to end."""


class TrainingProcess:
    """A running training script; what it prints goes into a file."""

    def __init__(self, script: Path, words: Sequence[str], log: Path, jobs: int) -> None:
        """jobs: trainings at a time on this machine, between which its cores are divided."""
        self.log = log
        log.parent.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "digits.experiments.attached", str(script), *words]
        with log.open("ab") as file:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=file,
                stderr=subprocess.STDOUT,
                env=_environment(jobs),
                # Ctrl-C in the terminal is for the worker, which then stops its trainings.
                start_new_session=True,
                creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),  # the same on Windows
            )

    def poll(self) -> int | None:
        """Return the exit status, None while it runs."""
        return self._process.poll()

    def stop(self) -> None:
        """End the training, which is at once; its checkpoint stays whole."""
        assert self._process.stdin is not None
        with suppress(OSError):
            self._process.stdin.close()
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def last_words(self) -> str:
        """Return the last lines that it printed, without a warning's or a traceback's beginning."""
        with self.log.open("rb") as file:
            file.seek(max(self.log.stat().st_size - 4000, 0))
            lines = [line.rstrip() for line in file.read().decode(errors="replace").splitlines() if line.strip()]
        status = self.poll()
        if status is not None and status < 0:
            lines.append(f"it was ended by signal {-status}")
        return "\n".join(lines[-5:]) or f"exit status {status}, and nothing was printed"


def _environment(jobs: int) -> dict[str, str]:
    path = filter(None, (str(PROJECT), os.environ.get("PYTHONPATH")))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path)}
    share = max(cores() // jobs, 1)
    for name in THREADS if jobs > 1 else ():
        asked = environment.get(name, "")
        environment[name] = str(min(share, int(asked)) if asked.isdigit() and int(asked) else share)
    return environment
