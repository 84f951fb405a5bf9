"""Spread work over processes: results in the order of the work, and a crash costs one item."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def spread(work: Callable[[list[T]], R], chunks: Sequence[list[T]], workers: int) -> Iterator[tuple[list[T], R | None]]:
    """Yield each chunk with work(chunk), computed in so many processes.

    Where a process dies (a fault in a decoder's C code, too little memory), the first unfinished chunk is computed item
    by item: each item then makes a chunk, with None for one that alone ends its process. What `work` raises is raised
    here. `work` and the chunks must be picklable.
    """
    done = 0
    # Started afresh: copies of this process would share its threads' locks.
    pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), initializer=_begin)
    try:
        futures = [pool.submit(work, chunk) for chunk in chunks]
        for chunk, future in zip(chunks, futures, strict=True):
            yield chunk, future.result()
            done += 1
        return
    except BrokenProcessPool:
        pass
    finally:
        pool.shutdown(cancel_futures=True)
    unfinished = chunks[done]
    if workers == 1 and len(unfinished) == 1:
        yield unfinished, None
    else:
        yield from spread(work, [[item] for item in unfinished], 1)
    yield from spread(work, chunks[done + 1 :], workers)


def _begin() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the process that started this one, which ends it
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """End this process when the one that started it is killed, which it would outlive waiting for work."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
