"""What a number was measured on: the versions and hardware that run.json and the benchmarks record."""

import os
import platform
from collections.abc import Iterable
from importlib.metadata import version


def versions(packages: Iterable[str]) -> dict[str, str]:
    """Return the version of Python and of each installed package."""
    return {"python": platform.python_version(), **{package: version(package) for package in packages}}


def hardware(device: str) -> dict[str, str | int | float]:
    """Return what the computation ran on: the device as the framework names it, processor, cores, memory in GiB."""
    facts: dict[str, str | int | float] = {"device": device, "processor": _processor(), "cores": cores()}
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        facts["memory_gib"] = round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30, 1)
    return {**facts, "system": f"{platform.system()} {platform.machine()}"}


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def has_bfloat16() -> bool:
    """Return whether the processor multiplies bfloat16 faster than float32, as far as Linux tells."""
    return not {"avx512_bf16", "amx_bf16"}.isdisjoint(_cpuinfo("flags").split())


def _processor() -> str:
    return _cpuinfo("model name") or platform.processor() or platform.machine()


def _cpuinfo(what: str) -> str:
    """Return the line of Linux's /proc/cpuinfo on the first core; empty where there is none."""
    try:
        with open("/proc/cpuinfo") as file:
            return next(line.partition(":")[2].strip() for line in file if line.startswith(what))
    except (OSError, StopIteration):
        return ""
