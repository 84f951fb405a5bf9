"""A run on disk: what a training leaves in outputs/<run>/, written whole and checked when read."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from digits.errors import UserError
from digits.files import check_place, sha256_of, write_file, write_npy, writing_folder
from digits.metrics import accuracy
from digits.runs.arrays import (
    ARRAYS,
    LOSSES,
    WRITERS,
    find_fault,
    number_writers,
    read_arrays,
    read_losses,
    read_writers,
)
from digits.runs.history import HISTORY, read_history, write_history
from digits.runs.schema import (
    HeldOut,
    RunInfo,
    Score,
    check_info,
    evaluated_on,
    format_info,
    read_info,
    score_in,
    settings_of,
)

LARGEST = 16 << 30  # bytes of a run, hashed in some 20 s; the widest networks that can be exported take 10 GB
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
        return score_in(self.info)

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
        return accuracy(self.labels, self.predictions)

    @property
    def right(self) -> npt.NDArray[np.bool_]:
        """Whether each prediction is its label, (N,)."""
        right: npt.NDArray[np.bool_] = self.predictions == self.labels
        return right

    @property
    def writer_numbers(self) -> npt.NDArray[np.int64] | None:
        """The writer of each image, (N,), from 0 without gaps; None where that is not known."""
        return None if self.writers is None else number_writers(self.writers)


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


def check_writable(path: Path) -> None:
    """Raise UserError where no run can be written at `path`: call this before a training, not after it."""
    before = _identity(path)
    with suppress(OSError):
        names = set(os.listdir(path))
        # Compared, since a listing taken while another process swaps and deletes the folder may be anything.
        if names and names.isdisjoint(PARTS) and _identity(path) == before:
            raise UserError(f"'{path}' holds files but no run, and a run would replace them; choose another folder.")
    check_place(path)


@contextmanager
def writing_run(path: Path) -> Iterator[Path]:
    """Yield an empty folder to write a run in; when the block ends cleanly it becomes `path`, replacing a run there.

    run.json gets 'files' added: the SHA-256 of every other file, by which a reader knows that the run is whole. Files
    put there later, such as figures, are not listed. Raises UserError where `path` cannot be written.
    """
    check_writable(path)
    with writing_folder(path) as folder:
        yield folder
        manifest = {
            file.relative_to(folder).as_posix(): sha256_of(file)
            for file in sorted(folder.rglob("*"))
            if file.is_file() and file != folder / "run.json"
        }
        info = json.loads((folder / "run.json").read_text(encoding="utf-8"))
        write_file(folder / "run.json", format_info({**info, "files": manifest}))


def write_run_files(
    folder: Path,
    *,
    probabilities: npt.NDArray[np.float32],
    labels: npt.NDArray[np.int64],
    history: Sequence[Mapping[str, float]],
    info: Mapping[str, Any],
    writers: npt.NDArray[np.int32] | None = None,
) -> None:
    """Write predictions.npy, probabilities.npy, labels.npy, history.csv and run.json into `folder`.

    probabilities: float32 (N, classes), rows that sum to 1; labels: (N,); history: one mapping an epoch, all with the
    same keys; info: what run.json holds; writers: (N, 2), for writers.npy. The predictions are the most probable
    classes.

    Raises UserError where the numbers are not finite (the training diverged), ValueError where info, probabilities
    and labels do not fit each other.
    """
    probabilities = np.ascontiguousarray(probabilities, dtype=np.float32)
    labels = np.ascontiguousarray(labels, dtype=np.int64)
    numbers = [value for row in history for value in row.values()]  # with --keep-best, epochs behind the best one too
    if not (np.isfinite(probabilities).all() and np.isfinite(numbers).all()):
        raise UserError("the training diverged: losses or probabilities are not finite; lower --learning-rate.")
    predictions = probabilities.argmax(axis=1).astype(np.int64)
    text = format_info(info)
    if fault := find_fault(check_info(info), predictions, probabilities, labels):
        raise ValueError(": ".join(fault))
    for name, array in zip(ARRAYS, (predictions, probabilities, labels), strict=True):
        write_npy(folder / name, array)
    if writers is not None:
        write_npy(folder / WRITERS, writers)
    write_history(folder / HISTORY, history)
    write_file(folder / "run.json", text)


def read_run(path: Path) -> Run:
    """Return the run in the folder `path`.

    Raises UserError, a sentence naming the file: files missing or changed since the training (by the SHA-256 in
    run.json), a run.json that does not fit its schema, arrays that do not fit run.json or one another, a history of
    anything but finite numbers.
    """
    while True:
        before = _identity(path)
        try:
            return _read_run(path)
        except UserError:
            # A training may have put a new run there while we read the old one file by file: then read that.
            if _identity(path) == before:
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


def _identity(path: Path) -> tuple[int, int] | None:
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
        raise UserError(f"there is no run '{path}': it is not a folder; the training scripts make runs in outputs/.")
    try:
        info = read_info(path / "run.json")
        _check_files(path, info)
        arrays = read_arrays(path, info)
        losses = read_losses(path) if LOSSES in info["files"] else None
        writers = read_writers(path, len(arrays[0])) if WRITERS in info["files"] else None
        return Run(path, info, *arrays, read_history(path / HISTORY), losses, writers)
    except UserError as error:
        raise UserError(f"{str(error).rstrip('.')}; train '{path.name}' again, or delete the folder.") from error
    except OSError as error:
        raise UserError(f"'{error.filename or path}' cannot be read ({error.strerror or error}).") from error


def _check_files(path: Path, info: RunInfo) -> None:
    """Raise UserError where run.json does not list the run's files, or one is missing, changed or somewhere else."""
    listed, record = info.get("files"), path / "run.json"
    if listed is None:
        raise UserError(f"'{record}' has no 'files' with the SHA-256 of each: the run was not finished.")
    for name in (*ARRAYS, HISTORY):
        if name not in listed:
            raise UserError(f"'{record}' does not list '{name}' under 'files'.")
    for name in listed:
        # A forged name must not have us read (and so report on) files outside the run.
        if Path(name).is_absolute() or ".." in Path(name).parts or "\0" in name:
            raise UserError(f"'{record}' lists '{name[:80]!r}', which is not in the run's folder.")
    size = sum((path / name).stat().st_size for name in listed if os.path.isfile(path / name))
    if size > LARGEST:
        raise UserError(
            f"'{record}' lists files of {size / 1e9:.1f} GB, more than the {LARGEST / 1e9:.1f} GB of a run."
        )
    for name, expected in listed.items():
        digest = sha256_of(path / name)
        if not digest:
            raise UserError(f"'{path / name}' is missing.")
        if digest != expected:
            raise UserError(f"'{path / name}' has changed since the training: its SHA-256 is not that in run.json.")
