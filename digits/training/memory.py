"""Memory: how much of it a process used at most, and keeping what it frees."""

import ctypes
import sys

from digits.machine import or_none

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # <malloc.h> of glibc


def keep_freed_memory() -> None:
    """Have malloc keep large freed buffers for the next step instead of giving them back to the system.

    A training step allocates and frees the same few megabyte buffers thousands of times. By default glibc maps each of
    them anew, and the system fills every page with zeros first: up to a third of a step on a CPU. Costs no more than
    the largest step's memory, held until the process ends. Does nothing where the C library is not glibc.
    """
    if sys.platform == "linux" and (mallopt := getattr(ctypes.CDLL(None), "mallopt", None)):
        mallopt(_M_MMAP_THRESHOLD, 32 << 20)  # the largest that glibc accepts
        mallopt(_M_TRIM_THRESHOLD, 1 << 30)


def peak_memory() -> int | None:
    """Return the most memory that this process has had resident, in bytes; None where the system does not say.

    On Linux from the kernel's high-water mark: getrusage, used elsewhere, would count the parent's memory too.
    """
    return or_none(_high_water_mark) or or_none(_largest_resident_set)


def _high_water_mark() -> int:
    with open("/proc/self/status", errors="replace") as status:
        return next(int(line.split()[1]) << 10 for line in status if line.startswith("VmHWM:"))


def _largest_resident_set() -> int:
    import resource  # absent on Windows

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # bytes on macOS
