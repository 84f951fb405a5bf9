"""A trial that this worker has claimed: its trainings, one after the other, each in a process."""

from __future__ import annotations

import errno
import os
import shutil
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Literal

import optuna

from digits.data import Dataset
from digits.errors import UserError
from digits.experiments.definition import Definition, recipe_of
from digits.experiments.processes import PROJECT, TrainingProcess
from digits.experiments.queue import TRAININGS
from digits.recipes import Options, Recipe, command_words, recipe_record, run_path
from digits.runs import Run, find_runs, read_run
from digits.training import checkpoint_path, history_so_far

LEAST_SPACE = 100 << 20
"""Bytes that must be free for a training to begin: a run of the largest network takes a tenth of it."""
FULL = [os.strerror(number) for number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)]
"""How a system says that a file had no room: its disk, the user's share of it, or the longest file allowed."""


def script_of(framework: str) -> Path:
    """Return the training script of the framework."""
    return PROJECT / f"mnist_{framework}.py"


@dataclass(frozen=True)
class Workplace:
    """Where and how this worker trains."""

    folder: Path  # outputs/experiments/NAME
    dataset: Dataset
    data_dir: Path
    device: Literal["auto", "cpu", "cuda"]
    jobs: int
    script: Callable[[str], Path] = script_of

    @property
    def runs(self) -> Path:
        return self.folder / "runs"


class Job:
    """The trainings of one trial. One whose run is there already, from a worker that was killed, is not repeated."""

    def __init__(
        self, trial: optuna.Trial, values: Mapping[str, Any], definition: Definition, place: Workplace
    ) -> None:
        self.trial, self.values, self.definition, self.place = trial, values, definition, place
        self.recipe = recipe_of(definition, values)
        self.seeds = (self.recipe.seed,) if definition.kind != "search" else definition.seeds
        self.results: list[dict[str, Any]] = list(trial.user_attrs.get(TRAININGS, []))
        self.history: list[dict[str, float]] = []  # of the training that runs
        self.trained = False  # whether the last result is of a process of this job
        self.error = ""
        self._process: TrainingProcess | None = None
        self._resumed = False
        self._seen: tuple[int, int] | None = None

    @property
    def epochs(self) -> int:
        """Epochs that the trial takes in all."""
        return self.recipe.epochs * len(self.seeds)

    @property
    def epochs_done(self) -> int:
        return int(sum(result["epochs"] for result in self.results)) + len(self.history)

    def advance(self) -> Literal["running", "trained", "finished", "failed"]:
        """Look at the training, or start the next one.

        'trained' where one of several has ended, 'finished' where all have; `error` is why a training failed.
        """
        if self._process is None:
            return self._begin()
        status = self._process.poll()  # before the history is read, so that nothing is missed
        self._read_history()
        if status is None:
            return "running"
        if status == 0:
            try:
                return self._add(read_run(self.run), trained=True)
            except UserError as error:
                self.error = str(error)
                self.stop()
                return "failed"
        if self._resumed and not self.disk_is_full():
            self.stop()
            self.delete_checkpoint()  # which was damaged, or of other options
            self._start(resume=False)
            return "running"
        self.error = self._process.last_words()
        self.stop()
        return "failed"

    def stop(self) -> None:
        """End the training that runs; its checkpoint stays for whoever continues it."""
        if self._process:
            self._process.stop()
            self._process = None

    def delete_checkpoint(self) -> None:
        checkpoint_path(self.run).unlink(missing_ok=True)

    def disk_is_full(self) -> bool:
        """Return whether the training that failed had no room for its files."""
        words = self.error or (self._process.last_words() if self._process else "")
        return not has_space(self.place.folder) or any(reason in words for reason in FULL)

    @property
    def run(self) -> Path:
        """Where the training that is next, or runs, writes its run."""
        return run_path(self._options(), str(self.values["framework"]))

    def _options(self) -> Options:
        place, seed = self.place, self.seeds[min(len(self.results), len(self.seeds) - 1)]
        return Options(
            self._recipe(seed),
            dataset=self.definition.dataset,
            init_from=self._start_from(seed),
            evaluate_on=self.definition.evaluate_on,
            device=place.device,
            data_dir=place.data_dir,
            output_dir=place.runs,
        )

    def _recipe(self, seed: int) -> Recipe:
        return replace(self.recipe, seed=seed)

    def _start_from(self, seed: int) -> Path | None:
        name = self.definition.init_from
        if not name:
            return None
        return find_start(
            self.place.folder.with_name(name) / "runs", str(self.values["framework"]), self.recipe.model, seed
        )

    def _begin(self) -> Literal["running", "trained", "finished", "failed"]:
        if len(self.results) == len(self.seeds):
            return "finished"
        try:
            path = self.run
        except UserError as error:
            self.error = str(error)
            return "failed"
        try:
            run = read_run(path)
        except UserError:
            run = None
        if run and self._is_wanted(run):
            return self._add(run, trained=False)
        self._start(resume=checkpoint_path(self.run).exists())
        return "running"

    def _start(self, resume: bool) -> None:
        self.history, self._seen, self._resumed = [], None, resume
        framework = str(self.values["framework"])
        script = self.place.script(framework)
        # By name, because a network that was edited would otherwise give its run another one.
        words = command_words(script.name, replace(self._options(), name=self.run.name))[2:]
        log = self.place.folder / "logs" / f"{self.trial.number:04d}-{self.run.name}.log"
        self._process = TrainingProcess(script, [*words, *["--resume"][: int(resume)]], log, self.place.jobs)

    def _read_history(self) -> None:
        try:
            status = checkpoint_path(self.run).stat()
        except OSError:
            return
        if self._seen != (status.st_ino, status.st_mtime_ns):
            self._seen = (status.st_ino, status.st_mtime_ns)
            self.history = history_so_far(self.run) or self.history

    def _is_wanted(self, run: Run) -> bool:
        """Return whether the run is what the training would give."""
        found = run.info.get("versions", {})
        return (
            run.recipe == recipe_record(self._options().recipe)
            and run.fingerprint == self.definition.dataset_fingerprint
            and run.evaluated_on == self.definition.evaluate_on
            and all(self.definition.versions.get(name, version) == version for name, version in found.items())
        )

    def _add(self, run: Run, trained: bool) -> Literal["trained", "finished"]:
        self.stop()
        self.trained, self.history = trained, run.history
        self.results.append(
            {
                "seed": run.seed,
                "score": run.info[self.definition.evaluate_on],
                "seconds": run.training_seconds,
                "epochs": len(run.history),
                "run": run.name,
                "command": run.info.get("command", ""),
                "host": socket.gethostname(),
            }
        )
        return "finished" if len(self.results) == len(self.seeds) else "trained"


@cache
def find_start(runs: Path, framework: str, model: str, seed: int) -> Path:
    """Return the one run in the folder of another experiment's runs that a training starts from; UserError without."""
    wanted = (framework, model, seed)
    found = [run.path for run in map(read_run, find_runs(runs)) if (run.framework, run.model, run.seed) == wanted]
    if len(found) != 1:
        raise UserError(
            f"--init-from: '{runs}' has {len(found)} runs of {model} in {framework} with seed {seed}, where one is "
            "needed; finish that experiment first, on this machine."
        )
    return found[0]


def has_space(folder: Path) -> bool:
    return shutil.disk_usage(folder).free >= LEAST_SPACE
