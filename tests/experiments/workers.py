"""Workers as processes that tests may kill: forked, because to import everything takes longer than what they do."""

from __future__ import annotations

import os
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from paths import ROOT

from mnist_twice.errors import run_script
from mnist_twice.experiments import run, study
from mnist_twice.experiments.confirm import run_confirm
from mnist_twice.experiments.options import ConfirmOptions, GridOptions, SearchOptions, ShowOptions, parse_command
from mnist_twice.experiments.report import run_show

SCRIPT = ROOT / "tests" / "experiments" / "fake_training.py"
study.BEAT, study.GRACE, run.PAUSE = 1, 3, 0.2
run.export_best = lambda runs, trial: None  # the fake networks are none
COMMANDS: dict[str, tuple[Any, Callable[..., int]]] = {
    "grid": (GridOptions(), run.run_grid),
    "search": (SearchOptions(), run.run_search),
    "confirm": (ConfirmOptions(), run_confirm),
    "show": (ShowOptions(), run_show),
}


class Worker:
    """A process that runs `run_experiment.py COMMAND NAME ...` with the fake training script; output goes to a file."""

    def __init__(self, output: Path, words: Sequence[str], largest_file: int | None = None) -> None:
        """largest_file: bytes of the largest file it may write."""
        self.output = output
        sys.stdout.flush()
        sys.stderr.flush()
        self.pid = os.fork()
        if self.pid == 0:
            os._exit(self._run(words, largest_file))
        self.status: int | None = None

    def _run(self, words: Sequence[str], largest_file: int | None) -> int:
        try:
            os.setsid()
            signal.signal(signal.SIGINT, signal.default_int_handler)
            if largest_file:
                resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, largest_file))
            descriptor = os.open(self.output, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            for stream in (1, 2):
                os.dup2(descriptor, stream)
            sys.stdout, sys.stderr = os.fdopen(1, "w", closefd=False), os.fdopen(2, "w", closefd=False)
            status = run_script(lambda: run_experiment(words))
            sys.stdout.flush()
            sys.stderr.flush()
            return status
        except SystemExit as ended:
            sys.stderr.flush()
            return int(ended.code or 0)
        except BaseException:
            os.write(2, traceback.format_exc().encode())
            return 70

    def poll(self) -> int | None:
        """Return the exit status, negative after a signal; None while it runs."""
        if self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self.status = os.waitstatus_to_exitcode(status) if pid else None
        return self.status

    def wait(self, seconds: float = 60) -> int:
        until = time.monotonic() + seconds
        while (status := self.poll()) is None:
            if time.monotonic() > until:
                self.send(signal.SIGKILL)
                raise AssertionError(f"still running: {self.text()}")
            time.sleep(0.02)
        return status

    def send(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def text(self) -> str:
        return self.output.read_text(encoding="utf-8") if self.output.exists() else ""


def run_experiment(words: Sequence[str]) -> int:
    """Do in this process what `run_experiment.py` does with these words, with the fake training script."""
    command, *rest = words
    defaults, start = COMMANDS[command]
    options = parse_command(defaults, command, "", rest)
    return start(options) if command == "show" else start(options, lambda framework: SCRIPT)


def wait_until(condition: Callable[[], bool], seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)
