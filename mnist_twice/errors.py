"""How a script ends when something goes wrong: one sentence on stderr and an exit status, no traceback."""

import errno
import os
import re
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType

PROJECT = Path(__file__).resolve().parents[1]
REMEDIES = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT), "free some space, then run again"),
    **dict.fromkeys((errno.EACCES, errno.EPERM, errno.EROFS), "fix the permission, or choose another place"),
}
WORKERS = ("WORLD_SIZE", "TF_CONFIG")  # variables that are set where several processes train together
# The frameworks have exceptions of their own, which are known by their words.
NO_MEMORY = "out of memory|OOM when|allocate memory"
LOST_WORKER = "by peer|Connection refused|Broken pipe|Socket closed|ollective op|oordination (service|agent)|c10d"

_say: Callable[[], str | None] | None = None  # of when_interrupted


class UserError(Exception):
    """Something the user can fix: one sentence on what is wrong, with which file or option, and what to do."""


def run_script(main: Callable[[], int | None]) -> int:
    """Run a script's main function and return its exit status.

    0 (or what main returns) on success; 1 after a UserError, an operating-system error (disk full, no permission), an
    import of a package that is not installed, or where memory runs out, told in one sentence; 130 after Ctrl-C and 141
    where nobody reads what is printed any more (`... | head`), the shell's conventions. A bug keeps its traceback.
    """
    try:
        status = main() or 0
        sys.stdout.flush()
        return status
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # or Python would say the same once more when it ends
        return 141
    except (Exception, KeyboardInterrupt) as error:
        told = _told(error)
        if told is None:
            raise
        print(told, file=sys.stderr)
        return 130 if isinstance(error, KeyboardInterrupt) else 1


def expect_interruptions() -> None:
    """Have Ctrl-C and a missing package end the process as in run_script where none is around yet: in imports."""

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
        return "\n" + ((_say and _say()) or "Stopped; no file was left half written.")
    if isinstance(error, UserError):
        return f"error: {error}{_where_to_run(str(error))}"
    if isinstance(error, OSError):
        return f"error: {fault_of(error)}."
    if isinstance(error, ModuleNotFoundError) and (install := _install(error.name)):
        script = os.path.basename(sys.argv[0])
        needs = f"error: {script} needs the package {error.name}, which this Python does not have; {install}"
        return needs + _where_to_run(install)
    is_frameworks = isinstance(error, RuntimeError) or type(error).__module__.startswith(("torch.", "tensorflow."))
    if isinstance(error, MemoryError) or (is_frameworks and re.search(NO_MEMORY, str(error))):
        return "error: there is not enough memory; lower --batch-size, --filters or --dense, or close other programs."
    if is_frameworks and any(os.environ.get(name) for name in WORKERS) and re.search(LOST_WORKER, str(error)):
        reason = " ".join(str(error).split())[:200]
        advice = "read its message, then start all workers again; --resume continues from the last checkpoint"
        return f"error: another worker of this training has ended or cannot be reached ({reason}); {advice}."
    return None


def fault_of(error: OSError) -> str:
    """Return what the system says, of which file, and what to do where that is known."""
    where = f" ({error.filename})" if error.filename else ""
    remedy = f"; {REMEDIES[error.errno]}" if error.errno in REMEDIES else ""
    return f"{error.strerror or error}{where}{remedy}"


def _install(package: str | None) -> str | None:
    """Return how to get a package that is missing: by an extra of pyproject.toml, or all of them."""
    from importlib.metadata import PackageNotFoundError, requires  # only here: it is slow

    if find_spec("pydantic") is None:  # which all scripts need: this Python is not the one of the installation
        folder = ".venv" if Path.cwd() == PROJECT else str(PROJECT / ".venv")
        activate = rf"{folder}\Scripts\activate" if os.name == "nt" else f"source {folder}/bin/activate"
        if os.path.isdir(folder):
            return f"activate the environment that has it: {activate}"
        return f"install all: python3 -m venv .venv, then {activate}, then pip install -r requirements.txt"
    try:
        needs = [re.match(r'([\w-]+).* extra == "(\w+)"', line) for line in requires("mnist-twice") or []]
    except PackageNotFoundError:
        return "run: pip install -r requirements.txt"
    extra = next((need[2] for need in needs if need and need[1].replace("-", "_") == package), None)
    return extra and f'run: pip install -c constraints.txt -e ".[{extra}]"'


def _where_to_run(advice: str) -> str:
    """Return in which folder the commands of the advice work, where that is not this one."""
    files = re.findall(r"python (\w+\.py)|-[cr] (\w+\.txt)", advice)
    here = all(os.path.exists(next(filter(None, found))) for found in files)
    return "" if here else f" (You are in '{Path.cwd()}'; run it from '{PROJECT}'.)"
