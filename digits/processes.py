"""Spread work over processes: results in the order of the work, little of it in memory, and a crash costs one item."""

import multiprocessing
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

from digits.errors import UserError

T = TypeVar("T")
R = TypeVar("R")


def spread(work: Callable[[list[T]], R], chunks: Iterable[list[T]], workers: int) -> Iterator[tuple[list[T], R | None]]:
    """Yield each chunk with work(chunk), computed in so many processes; few chunks are taken ahead.

    Where a process dies (a fault in a decoder's C code, too little memory), the unfinished chunks are computed again
    item by item: each item then makes a chunk, with None for one whose process died again. What `work` raises is
    raised here. `work` and the chunks must be picklable.
    """
    chunks = iter(chunks)
    pool = _start(workers)
    pending: deque[tuple[list[T], Future[R] | None]] = deque()
    try:
        while True:
            while len(pending) < 2 * workers + 2 and (chunk := next(chunks, None)) is not None:
                pending.append((chunk, _submit(pool, work, chunk)))
            if not pending:
                return
            chunk, future = pending[0]
            result = _result(future)
            if result is None:
                pool.shutdown(cancel_futures=True)
                for chunk, _ in pending:
                    yield from _one_by_one(work, chunk)
                pending.clear()
                pool = _start(workers)
            else:
                pending.popleft()
                yield chunk, result[0]
    finally:
        pool.shutdown(cancel_futures=True)


def _one_by_one(work: Callable[[list[T]], R], items: list[T]) -> Iterator[tuple[list[T], R | None]]:
    """Yield each item as a chunk with its result, None where its process died."""
    pool = _start(1)
    try:
        for item in items:
            result = _result(_submit(pool, work, [item]))
            yield [item], result[0] if result else None
            if result is None:
                pool.shutdown()
                pool = _start(1)
    finally:
        pool.shutdown(cancel_futures=True)


def _submit(pool: ProcessPoolExecutor, work: Callable[[list[T]], R], chunk: list[T]) -> Future[R] | None:
    try:
        return pool.submit(work, chunk)
    except BrokenProcessPool:
        return None


def _result(future: Future[R] | None) -> tuple[R] | None:
    """Return the result, None where the process died."""
    try:
        return (future.result(),) if future else None
    except BrokenProcessPool:
        return None


def _start(workers: int) -> ProcessPoolExecutor:
    """Return running processes, started afresh: a copy of this one would share its threads' locks.

    UserError where they cannot be started.
    """
    workers = min(workers, 61) if sys.platform == "win32" else workers  # its limit
    pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), initializer=_begin)
    main = threading.current_thread() is threading.main_thread()
    # Ctrl-C reaches every process of the terminal; they inherit to ignore it, and end when this one does.
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN) if main else None
    try:
        started = [pool.submit(os.getpid) for _ in range(workers)]
    finally:
        if main:
            signal.signal(signal.SIGINT, handler)
    try:
        for future in started:
            future.result()
    except BrokenProcessPool:
        raise UserError("no further process can be started; close other programs, or use --workers 1.") from None
    return pool


def _begin() -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """End this process when the one that started it is killed, which it would outlive waiting for work."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
