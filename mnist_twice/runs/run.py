"""A run on disk: found and read, with every file compared with its checksum."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from mnist_twice.errors import UserError
from mnist_twice.files import sha256_of
from mnist_twice.names import AS_IS, DIGITS, few
from mnist_twice.runs.schema import (
    ARRAYS,
    HISTORY,
    LOSSES,
    WRITERS,
    HeldOut,
    RunInfo,
    Score,
    evaluated_on,
    read_info,
    settings_of,
)

TEN = list("0123456789")
PARTS = ("run.json", *ARRAYS)  # a folder with one of these files is a run, or was one


@dataclass(frozen=True)
class Run:
    """One training, read back and checked."""

    path: Path
    info: RunInfo
    predictions: npt.NDArray[np.int64]
    probabilities: npt.NDArray[np.float32]
    labels: npt.NDArray[np.int64]
    history: list[dict[str, float]]
    losses: npt.NDArray[np.float64] | None = None  # of each training step; None where the run records none
    writers: npt.NDArray[np.int32] | None = None  # (N, 2): who wrote each image, and the series; None where not known

    @property
    def name(self) -> str:
        """The folder's name: what a user calls the run by, also after renaming it."""
        return self.path.resolve().name

    @property
    def dataset(self) -> str:
        return self.info["dataset"]

    @property
    def model(self) -> str:
        return self.info["model"]

    @property
    def framework(self) -> str:
        return self.info["framework"]

    @property
    def seed(self) -> int | None:
        """None for an ensemble, which draws nothing at random."""
        return self.info["seed"]

    @property
    def class_names(self) -> list[str]:
        return list(self.info["class_names"])

    @property
    def preprocessing(self) -> str:
        """How a picture becomes the image that the network gets; by the classes where an earlier version trained it."""
        return self.info.get("preprocessing") or (DIGITS if self.class_names == TEN else AS_IS)

    @property
    def fingerprint(self) -> str | None:
        """That of the dataset, if the run records it: runs with equal ones have seen the same images."""
        return self.info.get("dataset_fingerprint")

    @property
    def recipe(self) -> dict[str, Any]:
        """Every hyper-parameter by name; empty where the run records none (an ensemble)."""
        return self.info.get("recipe") or {}

    @property
    def network_code(self) -> str | None:
        """The hash of the network's code, if the run records it."""
        return self.info.get("network_code")

    @property
    def settings(self) -> dict[str, Any]:
        """What decides a training besides data and framework, as settings_of; empty where no recipe is recorded."""
        return settings_of(self.info)

    @property
    def evaluated_on(self) -> Literal["test", "validation"]:
        """Of which images predictions, probabilities and labels are."""
        return evaluated_on(self.info)

    @property
    def score(self) -> Score:
        """What run.json says of these images."""
        score = self.info.get(self.evaluated_on)
        assert score is not None  # read_info has seen to it
        return score

    @property
    def held_out(self) -> HeldOut | None:
        """Which validation images it was evaluated on; None where it was on test images."""
        return self.info.get("held_out") if self.evaluated_on == "validation" else None

    @property
    def parity(self) -> bool:
        """Whether it was trained with --parity."""
        return self.recipe.get("parity") is True

    @property
    def parameters(self) -> int | None:
        """Numbers that the network consists of, trainable or not, if the run records them."""
        return sum(self.info["parameters"].values()) if "parameters" in self.info else None

    @property
    def training_seconds(self) -> float | None:
        return self.info["seconds"]["training"] if "seconds" in self.info else None

    @property
    def accuracy(self) -> float:
        return float(self.right.mean())

    @property
    def right(self) -> npt.NDArray[np.bool_]:
        """Whether each prediction is its label, (N,)."""
        right: npt.NDArray[np.bool_] = self.predictions == self.labels
        return right


def find_runs(outputs: Path) -> list[Path]:
    """Return the folders in `outputs` that hold a run or part of one, sorted by name; hidden folders are no runs."""
    if not os.path.isdir(outputs):
        return []
    return sorted(
        entry
        for entry in outputs.iterdir()
        if not entry.name.startswith(".") and any(os.path.isfile(entry / name) for name in PARTS)
    )


def find_run(name: str, outputs: Path) -> Path:
    """Return the folder of the run called `name`: that path where it is a folder, else the one in `outputs`."""
    return Path(name) if os.path.isdir(name) else outputs / name


def read_run(path: Path) -> Run:
    """Return the run in the folder `path`.

    Raises UserError, a sentence naming the file: files missing or changed since the training (by the SHA-256 in
    run.json), a run.json that does not fit its schema, arrays of another kind or length.
    """
    while True:
        before = identity(path)
        try:
            return _read_run(path)
        except UserError:
            # A training may have put a new run there while we read the old one file by file: then read that.
            if identity(path) == before:
                raise


def read_runs(paths: Iterable[Path]) -> tuple[list[Run], list[str]]:
    """Return the runs that can be read, and a sentence for each that cannot."""
    runs, faults = [], []
    for path in paths:
        try:
            runs.append(read_run(path))
        except UserError as error:
            faults.append(str(error))
    return runs, faults


def is_current(run: Run) -> bool:
    """Return whether the run is still in its folder: it may have been deleted, or replaced by another training."""
    try:
        return read_info(run.path / "run.json") == run.info
    except (UserError, OSError):
        return False


def identity(path: Path) -> tuple[int, int] | None:
    """Return what changes when this folder is renamed, filled or replaced by another; None where there is none.

    The number alone would not do: file systems give that of a deleted folder to a new one.
    """
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_ctime_ns


def _read_run(path: Path) -> Run:
    if not os.path.isdir(path):
        others = [run.name for run in find_runs(path.parent)]
        there = f"'{path.parent}' has {few(others, 'run')}" if others else "'python mnist_pytorch.py' trains one"
        raise UserError(f"there is no run '{path}'; {there}.")
    try:
        info = read_info(path / "run.json")
        files = info.get("files", {})
        for name in dict.fromkeys([*ARRAYS, HISTORY, *files]):
            digest = sha256_of(path / name)
            if not digest:
                raise UserError(f"'{path / name}' is missing.")
            if digest != files.get(name):
                raise UserError(f"'{path / name}' has changed since the training: its SHA-256 is not that in run.json.")
        predictions, probabilities, labels = (np.load(path / name, allow_pickle=False) for name in ARRAYS)
        losses = np.load(path / LOSSES, allow_pickle=False) if LOSSES in files else None
        writers = np.load(path / WRITERS, allow_pickle=False) if WRITERS in files else None
        with (path / HISTORY).open(encoding="utf-8", newline="") as table:
            history = [{key: float(value) for key, value in row.items()} for row in csv.DictReader(table)]
        run = Run(path, info, predictions, probabilities, labels, history, losses, writers)
        n = run.score["n"]
        if (len(predictions), len(labels), *probabilities.shape) != (n, n, n, len(run.class_names)):
            raise UserError(f"'{path}' has arrays of other lengths than run.json says.")
        return run
    except UserError as error:
        raise UserError(f"{str(error).rstrip('.')}; train '{path.name}' again, or delete the folder.") from error
    except (OSError, ValueError) as error:
        raise UserError(f"the run '{path}' cannot be read ({error}).") from error
