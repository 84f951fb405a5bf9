"""How much memory a process used at most."""

from contextlib import suppress


def peak_memory() -> int | None:
    """Return the most memory that this process has had resident, in bytes; None where the system does not say.

    On Linux from the kernel's high-water mark: getrusage, used elsewhere, would count the parent's memory too.
    """
    for measure in (_high_water_mark, _largest_resident_set):
        with suppress(Exception):  # for the record alone: it must not end a training on a system that nobody has tried
            return measure()
    return None


def _high_water_mark() -> int:
    with open("/proc/self/status", errors="replace") as status:
        return next(int(line.split()[1]) << 10 for line in status if line.startswith("VmHWM:"))


def _largest_resident_set() -> int:
    import resource  # absent on Windows

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # bytes on macOS
