"""Write a run: whole or not at all, with the checksums of its files."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mnist_twice.errors import UserError
from mnist_twice.files import check_place, sha256_of, writing_folder
from mnist_twice.metrics import accuracy_interval, cross_entropy, wilson_interval
from mnist_twice.runs.run import PARTS, identity
from mnist_twice.runs.schema import ARRAYS, HISTORY, WRITERS, Score


def check_writable(path: Path) -> None:
    """Raise UserError if no run can be written at `path`: call this before a training, not after it."""
    before = identity(path)
    with suppress(OSError):
        names = set(os.listdir(path))
        # Compared, since a listing taken while another process swaps and deletes the folder may be anything.
        if names and names.isdisjoint(PARTS) and identity(path) == before:
            raise UserError(f"'{path}' has files but is not a run, and a run would replace it; choose another folder.")
    check_place(path)


@contextmanager
def writing_run(path: Path) -> Iterator[Path]:
    """Yield an empty folder to write a run in; when the block ends cleanly it becomes `path`, replacing a run there.

    run.json gets 'files' added: the SHA-256 of every other file, by which a reader knows that the run is whole. Files
    put there later, such as figures, are not listed. Raises UserError if `path` cannot be written.
    """
    check_writable(path)
    with writing_folder(path) as folder:
        yield folder
        record = folder / "run.json"
        files = {
            file.relative_to(folder).as_posix(): sha256_of(file)
            for file in sorted(folder.rglob("*"))
            if file.is_file() and file != record
        }
        _write_record(record, {**json.loads(record.read_text(encoding="utf-8")), "files": files})


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
    classes. Raises UserError if the numbers are not finite: the training diverged.
    """
    numbers = [value for row in history for value in row.values()]  # with --keep-best, epochs behind the best one too
    if not (np.isfinite(probabilities).all() and np.isfinite(numbers).all()):
        raise UserError("the training diverged: losses or probabilities are not finite; lower --learning-rate.")
    probabilities = np.ascontiguousarray(probabilities, dtype=np.float32)
    predictions = probabilities.argmax(axis=1).astype(np.int64)
    labels = np.ascontiguousarray(labels, dtype=np.int64)
    for name, array in zip(ARRAYS, (predictions, probabilities, labels), strict=True):
        np.save(folder / name, array)
    if writers is not None:
        np.save(folder / WRITERS, writers)
    table = io.StringIO(newline="")
    writer = csv.DictWriter(table, fieldnames=list(history[0]) if history else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows(history)
    (folder / HISTORY).write_bytes(table.getvalue().encode())
    _write_record(folder / "run.json", info)


def score_of(
    labels: npt.NDArray[np.integer],
    probabilities: npt.NDArray[np.float32],
    writers: npt.NDArray[np.int32] | None = None,
) -> Score:
    """Return what run.json says of images with these labels (N,) by their probabilities (N, classes), and writers."""
    n, right = len(labels), probabilities.argmax(axis=1) == labels
    correct = int(right.sum())
    loss = cross_entropy(labels, probabilities)
    score: Score = {"n": n, "accuracy": correct / n, "loss": loss, "interval_95": list(wilson_interval(correct, n))}
    if writers is not None:
        score["writer_interval_95"] = list(accuracy_interval(right, writers))
    return score


def _write_record(file: Path, info: Mapping[str, Any]) -> None:
    text = json.dumps(info, indent=2, ensure_ascii=False, allow_nan=False)
    file.write_bytes(f"{text}\n".encode(errors="replace"))  # the command names folders, of which Linux takes any bytes
