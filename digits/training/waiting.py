"""How PyTorch's threads wait for each other: they spin, or they sleep where other programs need the cores."""

import os
import statistics
import sys
import time
from pathlib import Path

from digits.machine import cores

LOAD = Path("/proc/loadavg")  # of Linux; its fourth field is the number of threads that run or could run, '3/412'
SAMPLES, PAUSE = 5, 0.002  # seconds between two looks: what runs for a moment is not counted
GIVEN = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY", "OMP_NUM_THREADS")
"""Environment variables by which a user has decided already."""


def sleep_if_busy() -> bool:
    """Have PyTorch's threads sleep when they wait, if other programs run that need the same cores; return whether.

    To be called before PyTorch is imported: GNU's OpenMP library, which its Linux wheels bring, reads the environment
    when it is loaded. By default a thread that waits for the others spins. Where one of these was put aside for a busy
    program, it spins away the time in which that one could go on. A thread that sleeps gives its core away at once, but
    takes a few microseconds to wake up, so that sleeping costs time where nothing else runs. docs/speed.md has the
    measurements. The number of threads stays, and with it every digit of the result; that one thread would be faster
    is said in a terminal.
    """
    if any(name in os.environ for name in GIVEN) or running_elsewhere() + cores() <= (os.cpu_count() or 1):
        return False
    os.environ["GOMP_SPINCOUNT"] = "0"
    if sys.stderr.isatty():
        print(
            "note: other programs keep the cores busy, and training will take several times as long as alone; with "
            "OMP_NUM_THREADS=1 in the environment it is faster beside them, and its last digits are others.",
            file=sys.stderr,
        )
    return True


def running_elsewhere() -> int:
    """Return how many threads of other programs run or could run now; 0 where the system does not tell."""
    found = []
    for _ in range(SAMPLES):
        try:
            found.append(int(LOAD.read_text().split()[3].partition("/")[0]) - 1)  # without this one
        except (OSError, ValueError, IndexError):
            return 0
        time.sleep(PAUSE)
    return max(int(statistics.median(found)), 0)
