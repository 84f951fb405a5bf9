"""Workers as processes that tests may kill: forked, because to import everything takes longer than what they do."""

from __future__ import annotations

import multiprocessing
import os
import resource
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from paths import ROOT

from mnist_twice.errors import run_script
from mnist_twice.experiments import run, study, training
from run_experiment import main

SCRIPT = ROOT / "tests" / "experiments" / "fake_training.py"
FORK = multiprocessing.get_context("fork")
study.BEAT, study.GRACE, run.PAUSE = 1, 3, 0.2
run.export_best = lambda runs, trial: None  # the fake networks are none
training.script_of = lambda framework: SCRIPT


class Worker:
    """A process that runs `run_experiment.py COMMAND NAME ...` with the fake training script; output goes to a file."""

    def __init__(self, output: Path, words: Sequence[str], largest_file: int | None = None) -> None:
        """largest_file: bytes of the largest file it may write."""
        self.output = output
        self.process = FORK.Process(target=self._run, args=(words, largest_file))
        self.process.start()

    def _run(self, words: Sequence[str], largest_file: int | None) -> None:
        os.setsid()
        signal.signal(signal.SIGINT, signal.default_int_handler)
        if largest_file:
            resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, largest_file))
        sys.stdout = sys.stderr = self.output.open("a", buffering=1, encoding="utf-8")
        sys.exit(run_script(lambda: main(words)))

    def wait(self, seconds: float = 60) -> int:
        """Return the exit status, negative after a signal."""
        self.process.join(seconds)
        status = self.process.exitcode
        if status is None:
            self.process.kill()
            raise AssertionError(f"still running: {self.text()}")
        return status

    def send(self, number: int) -> None:
        if self.process.is_alive():
            os.kill(self.process.pid or 0, number)

    def text(self) -> str:
        return self.output.read_text(encoding="utf-8") if self.output.exists() else ""


def wait_until(condition: Callable[[], bool], seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)
