"""How a script ends when something goes wrong: one sentence on stderr and an exit status, no traceback."""

import os
import re
import sys
from collections.abc import Callable
from importlib.metadata import requires
from types import TracebackType

# The frameworks have exceptions of their own, which are known by their words.
NO_MEMORY = "out of memory|OOM when|allocate memory"
LOST_WORKER = "by peer|Connection refused|Broken pipe|Socket closed|ollective op|oordination (service|agent)|c10d"

_say: Callable[[], str | None] | None = None  # of when_interrupted


class UserError(Exception):
    """Something the user can fix: one sentence on what is wrong, with which file or option, and what to do."""


def run_script(main: Callable[[], int | None]) -> int:
    """Run a script's main function and return its exit status.

    0 (or what main returns) on success; 1 after a UserError, an operating-system error (disk full, no permission), an
    import of an extra's package that is not installed, or where memory runs out, told in one sentence; 130 after
    Ctrl-C, the shell's convention for SIGINT. A bug keeps its traceback.
    """
    try:
        return main() or 0
    except (Exception, KeyboardInterrupt) as error:
        told = _told(error)
        if told is None:
            raise
        print(told, file=sys.stderr)
        return 130 if isinstance(error, KeyboardInterrupt) else 1


def expect_interruptions() -> None:
    """Have Ctrl-C and a missing package end the process as in run_script where none is around yet: in slow imports."""

    def explain(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        told = None if isinstance(error, OSError) else _told(error)  # a broken library is nothing of ours
        if told is None:
            sys.__excepthook__(kind, error, trace)
        else:
            print(told, file=sys.stderr)

    sys.excepthook = explain  # Python then ends by SIGINT itself, which a shell shows as 130


def when_interrupted(say: Callable[[], str | None]) -> None:
    """Have Ctrl-C print the sentence that `say` returns at that moment; where it returns None, the usual one."""
    global _say
    _say = say


def _told(error: BaseException) -> str | None:
    """Return what is printed of the error: what went wrong and what to do; None for a bug."""
    if isinstance(error, KeyboardInterrupt):
        return "\n" + ((_say and _say()) or "interrupted; what was complete before this call still is.")
    if isinstance(error, UserError):
        return f"error: {error}"
    if isinstance(error, OSError):
        where = f" ({error.filename})" if error.filename else ""
        return f"error: {error.strerror or error}{where}; free the space or fix the permission, then run again."
    if isinstance(error, ModuleNotFoundError) and (extra := _extra_with(error.name)):
        script, install = os.path.basename(sys.argv[0]), f'pip install -c constraints.txt -e ".[{extra}]"'
        return f"error: {script} needs the package {error.name}, which is not installed; run: {install}"
    if isinstance(error, MemoryError) or re.search(NO_MEMORY, str(error)):
        return "error: there is not enough memory; lower --batch-size, --filters or --dense, or close other programs."
    if re.search(LOST_WORKER, str(error)):
        reason = " ".join(str(error).split())[:200]
        advice = "see what it says, and start all workers again; --resume goes on from the last checkpoint"
        return f"error: another worker of this training has ended or cannot be reached ({reason}); {advice}."
    return None


def _extra_with(package: str | None) -> str | None:
    """Return which of pyproject.toml's extras brings a package that the base installation lacks."""
    needs = [re.match(r'([\w-]+).* extra == "(\w+)"', line) for line in requires("mnist-twice") or []]
    return next((need[2] for need in needs if need and need[1].replace("-", "_") == package), None)
