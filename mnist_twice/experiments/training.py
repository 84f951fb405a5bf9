"""One training of a trial, in a process of its own: frameworks cannot share one, and a crash then ends no other."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import optuna

from mnist_twice.errors import UserError
from mnist_twice.experiments.definition import Definition
from mnist_twice.experiments.options import Work
from mnist_twice.files import sweep
from mnist_twice.machine import cores
from mnist_twice.names import plain
from mnist_twice.recipes import Options, Recipe, command_words, recipe_record, run_path
from mnist_twice.runs import Run, find_runs, read_run
from mnist_twice.training import checkpoint_path, history_so_far
from mnist_twice.training.workers import LAUNCHERS

PROJECT = Path(__file__).resolve().parents[2]
THREADS = ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS")
"""What PyTorch and TensorFlow take their number of threads from."""
FULL = [os.strerror(number) for number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)]
"""How a system says that a file had no room: its disk, the user's share of it, or the longest file allowed."""

History = list[dict[str, float]]


class TrainingFailed(Exception):
    """A training did not write its run; its last lines."""


def script_of(framework: str) -> Path:
    """Return the training script of the framework."""
    return PROJECT / f"mnist_{framework}.py"


def train(
    definition: Definition,
    work: Work,
    framework: str,
    recipe: Recipe,
    log: str,
    job: int,
    watch: Callable[[History], None],
) -> dict[str, Any]:
    """Return the result of a training, which is continued from its checkpoint, and not repeated if it is done.

    log: begins the name of the file for what it prints; job: its number among those of this machine; watch: is called
    ten times a second, with the history where that has grown, and may raise. TrainingFailed where there is no result;
    Raises UserError if the disk is full.
    """
    start = None
    if definition.init_from:
        runs = work.folder.with_name(definition.init_from) / "runs"
        start = find_start(runs, framework, recipe.model, recipe.seed)
    options = Options(
        recipe,
        dataset=definition.dataset,
        init_from=start,
        evaluate_on=definition.evaluate_on,
        device=work.device,
        data_dir=work.data_dir,
        output_dir=work.folder / "runs",
    )
    path = run_path(options, framework)
    checkpoint, seen = checkpoint_path(path), 0
    # By name, because a network that was edited would otherwise give its run another one.
    words = [str(script_of(framework)), *command_words("", options)[2:], "--name", path.name]
    variables = environment(job, work, complete=definition.kind == "grid")

    def look() -> None:
        nonlocal seen
        before = seen
        with suppress(OSError):  # it is not there before the first epoch has ended, nor after the last one
            seen = checkpoint.stat().st_mtime_ns
        watch(history_so_far(path) if seen != before else [])

    def attempt(*resume: str) -> str:
        said = run_attached([*words, *resume], work.folder / "logs" / f"{log}-{path.name}.log", variables, look)
        if any(reason in said for reason in FULL):
            hint = "make room, then run the same command again"
            raise UserError(f"the disk of '{work.folder}' is full; {hint}. The training said: {said.splitlines()[-1]}")
        return said

    try:
        run = _finished(definition, path, recipe)
        if run is None:
            resumes = checkpoint.exists()
            said = attempt(*["--resume"] * resumes)
            if said and resumes:  # the checkpoint may be damaged, or of other versions
                checkpoint.unlink(missing_ok=True)
                said = attempt()
            if said:
                raise TrainingFailed(said)
            run = read_run(path)
        watch(run.history)
    except optuna.TrialPruned:
        _clean(path)
        raise
    _clean(path)
    numbers = {"score": run.info[definition.evaluate_on], "seconds": run.training_seconds}
    return {"seed": recipe.seed, **numbers, "epochs": len(run.history), "run": path.name}


def _finished(definition: Definition, path: Path, recipe: Recipe) -> Run | None:
    """Return the run that the training would give where it is there, from a worker that was killed after it."""
    try:
        run = read_run(path)
    except UserError:
        return None
    wanted = recipe_record(recipe), definition.dataset_fingerprint, definition.evaluate_on
    found = run.info.get("versions", {}).items()
    same_versions = all(definition.versions.get(name, version) == version for name, version in found)
    return run if same_versions and (run.recipe, run.fingerprint, run.evaluated_on) == wanted else None


def _clean(path: Path) -> None:
    """Delete what is left beside a run when its training is over, by one that was killed after its last step too."""
    checkpoint_path(path).unlink(missing_ok=True)
    sweep(path)
    sweep(checkpoint_path(path))


def run_attached(words: Sequence[str], log: Path, variables: Mapping[str, str], look: Callable[[], None]) -> str:
    """Run a training script; return the last lines that it printed where it fails, else nothing.

    log: the file for all that it prints; look: is called ten times a second; where it raises, the training is ended.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with (
        log.open("ab") as file,
        subprocess.Popen(
            [sys.executable, "-m", "mnist_twice.experiments.attached", *words],
            stdin=subprocess.PIPE,  # whose end also ends the training where this worker is killed
            stdout=file,
            stderr=subprocess.STDOUT,
            env=variables,
            # Ctrl-C in the terminal is for the worker, which then stops its trainings.
            start_new_session=True,
            creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),  # the same on Windows
        ) as process,
    ):
        try:
            while process.poll() is None:
                time.sleep(0.1)
                look()
        finally:
            process.kill()  # which is nothing to one that has ended
    if not process.returncode:
        return ""
    lines = [plain(line.rstrip()) for line in log.read_text(errors="replace").split("\n") if line.strip()]
    if process.returncode < 0:
        lines.append(f"it was ended by signal {-process.returncode}")
    return "\n".join(lines[-5:]) or f"exit status {process.returncode}, and nothing was printed"


def environment(job: int, work: Work, *, complete: bool) -> dict[str, str]:
    """Return the environment of a training, the `job`th of several at a time: a share of the cores, a GPU of its own.

    complete: whether its run is to have model.onnx, whose export takes longer than a short training.
    """
    path = filter(None, (str(PROJECT), os.environ.get("PYTHONPATH")))
    alone = {name: value for name, value in os.environ.items() if name not in LAUNCHERS}  # each is one process
    found = {**alone, "PYTHONPATH": os.pathsep.join(path)}
    if not complete:
        found["WITHOUT_ONNX"] = "1"
    if work.jobs > 1:
        found = dict.fromkeys(THREADS, str(max(cores() // work.jobs, 1))) | found
        if work.device != "cpu" and (devices := gpus()):
            found |= {"CUDA_DEVICE_ORDER": "PCI_BUS_ID", "CUDA_VISIBLE_DEVICES": devices[job % len(devices)]}
            found["TF_FORCE_GPU_ALLOW_GROWTH"] = "true"  # or the first of two on a GPU takes all of its memory
    return found


@cache
def gpus() -> list[str]:
    """Return the GPUs that trainings may use, as CUDA_VISIBLE_DEVICES names them."""
    if (visible := os.environ.get("CUDA_VISIBLE_DEVICES")) is not None:
        return [name.strip() for name in visible.split(",") if name.strip()]
    try:
        command = ["nvidia-smi", "--query-gpu=index", "--format=csv,noheader"]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout.split()
    except (OSError, subprocess.SubprocessError):
        return []


@cache
def find_start(runs: Path, framework: str, model: str, seed: int) -> Path:
    """Return the one run in the folder of another experiment's runs that a training starts from."""
    wanted = (framework, model, seed)
    found = [run.path for run in map(read_run, find_runs(runs)) if (run.framework, run.model, run.seed) == wanted]
    if len(found) != 1:
        raise TrainingFailed(
            f"--init-from: '{runs}' has {len(found)} runs of {model} in {framework} with seed {seed}, but one is "
            "needed; finish that experiment first, on this machine."
        )
    return found[0]
