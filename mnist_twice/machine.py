"""What a number was measured on: the versions and hardware that run.json and the benchmarks record."""

import os
import platform
import subprocess
import sys
from collections.abc import Iterable
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path


def versions(packages: Iterable[str]) -> dict[str, str]:
    """Return the version of Python and of each installed package."""
    return {"python": platform.python_version(), **{package: _version(package) for package in packages}}


def hardware() -> dict[str, str | int | float]:
    """Return what the computation ran on: processor, cores that this process may use, memory in GiB, system."""
    facts: dict[str, str | int | float] = {
        "processor": _cpuinfo("model name") or platform.processor() or platform.machine(),
        "cores": cores(),
    }
    with suppress(AttributeError, OSError, ValueError):  # Windows does not say it in this way
        facts["memory_gib"] = round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30, 1)
    return {**facts, "system": f"{platform.system()} {platform.machine()}"}


def source() -> dict[str, str | bool] | None:
    """Return the commit of the code that runs, and whether files of it were changed; None where git does not say."""

    def git(*words: str) -> str:
        command = ["git", "-C", str(Path(__file__).parent), *words]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()

    try:
        return {"commit": git("rev-parse", "HEAD"), "changed": bool(git("status", "--porcelain", "-uno", ":/"))}
    except (OSError, subprocess.SubprocessError):
        return None


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def has_bfloat16() -> bool:
    """Return whether the processor multiplies bfloat16 faster than float32, as far as Linux tells."""
    return not {"avx512_bf16", "amx_bf16"}.isdisjoint(_cpuinfo("flags").split())


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:  # tensorflow is there as tensorflow-cpu too, or was built from source
        if package not in sys.modules:
            raise
        return str(getattr(sys.modules[package], "__version__", "unknown"))


def _cpuinfo(what: str) -> str:
    """Return the line of Linux's /proc/cpuinfo on the first core; empty where there is none."""
    try:
        with open("/proc/cpuinfo", errors="replace") as file:
            return next(line.partition(":")[2].strip() for line in file if line.startswith(what))
    except (OSError, StopIteration):
        return ""
