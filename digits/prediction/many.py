"""Answers for many files, on all cores."""

import functools
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2

from digits.machine import cores
from digits.prediction.answers import Answer, answer_for_fault
from digits.prediction.listing import File
from digits.prediction.reading import Outputs, answer_chunk
from digits.prediction.trained_run import TrainedRun, load_run
from digits.processes import spread
from digits.runs import read_run

CHUNK_FILES, CHUNK_BYTES = 256, 1_000_000
"""Of files that are read before their digits are classified together."""
FEW_FILES, FEW_BYTES = 2_000, 8_000_000
"""Up to which threads are faster than processes, which start in half a second."""


def answer_files(
    files: Iterable[File], runs: Sequence[TrainedRun], outputs: Outputs | None = None, workers: int = 0
) -> Iterator[list[Answer]]:
    """Yield the answers for the files, in order, in lists of some; a file that cannot be read gets an 'error'.

    Computed in so many processes, one for each core where 0; a few files in threads.
    """
    files, workers, outputs = list(files), workers or cores(), outputs or Outputs()
    chunks = list(_chunks(files))
    if workers == 1 or (len(files) <= FEW_FILES and sum(file.size for file in files) <= FEW_BYTES):
        cv2.setNumThreads(1)  # one thread a photo is faster than all threads on each
        with ThreadPoolExecutor(workers) as pool:
            yield from pool.map(functools.partial(answer_chunk, runs, outputs), chunks)
        return
    work = functools.partial(_answer_in_process, tuple(run.path for run in runs), outputs)
    for chunk, answers in spread(work, chunks, workers):
        fault = "reading it ended the process; the file may be damaged, or need too much memory."
        yield [answer_for_fault(file.path, fault) for file in chunk] if answers is None else answers


def _chunks(files: Iterable[File]) -> Iterator[list[File]]:
    """Yield the files in lists that take about as long each: many small ones, few large ones."""
    chunk: list[File] = []
    size = 0
    for file in files:
        chunk.append(file)
        size += file.size
        if len(chunk) == CHUNK_FILES or size >= CHUNK_BYTES:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


def _answer_in_process(paths: tuple[Path, ...], outputs: Outputs, files: list[File]) -> list[Answer]:
    return answer_chunk(_load(paths), outputs, files)


@functools.cache
def _load(paths: tuple[Path, ...]) -> list[TrainedRun]:
    """Return the runs in these folders: once in each process."""
    cv2.setNumThreads(1)
    return [load_run(read_run(path)) for path in paths]
