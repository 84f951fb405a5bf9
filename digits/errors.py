"""How a script ends when something goes wrong: one sentence on stderr and an exit status, no traceback."""

import atexit
import io
import os
import re
import sys
from collections.abc import Callable
from functools import cache
from types import TracebackType

EXTRAS = {
    **dict.fromkeys(("torch", "torchvision", "onnxscript"), "pytorch"),
    **dict.fromkeys(("tensorflow", "keras", "tf2onnx"), "tensorflow"),
    **dict.fromkeys(("fastapi", "gradio", "segno", "uvicorn"), "page"),
    "pillow-heif": "heic",
    "psycopg": "postgresql",
    "tensorboard": "tensorboard",
}
"""Which of pyproject.toml's extras brings a package that the base installation lacks."""
LOST_WORKER = "by peer|Connection refused|Broken pipe|Socket closed|ollective op|oordination (service|agent)|c10d"
"""In what PyTorch and TensorFlow say when another process of the same training has gone."""


_say: Callable[[], str | None] | None = None  # of when_interrupted


class UserError(Exception):
    """Something the user can fix: one sentence on what is wrong, with which file or option, and what to do."""


def run_script(main: Callable[[], int | None]) -> int:
    """Run a script's main function and return its exit status.

    0 (or what main returns) on success; 1 after a UserError, an operating-system error (disk full, no permission), an
    import of an extra's package that is not installed, or where memory runs out, told in one sentence; 130 after
    Ctrl-C, the shell's convention for SIGINT. A bug keeps its traceback.
    """
    prepare_streams()
    try:
        return main() or 0
    except (Exception, KeyboardInterrupt) as error:
        status = _explain(error)
        if status is None:
            raise
        return status


def expect_interruptions() -> None:
    """Have Ctrl-C, unread output and a missing package end the process as in run_script where none is around yet: in
    slow imports."""
    prepare_streams()

    def explain(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        broken_library = isinstance(error, OSError) and (not error.errno or error.filename)  # nothing of ours
        if broken_library or _explain(error) is None:
            sys.__excepthook__(kind, error, trace)

    sys.excepthook = explain  # Python then ends by SIGINT itself, which a shell shows as 130


def when_interrupted(say: Callable[[], str | None]) -> None:
    """Have Ctrl-C print the sentence that `say` returns at that moment; where it returns None, the usual one."""
    global _say
    _say = say


def _when_interrupted() -> str:
    return (_say and _say()) or "interrupted; what was complete before this call still is."


def _explain(error: BaseException) -> int | None:
    """Say in one sentence what went wrong, and return the exit status; None, and nothing is said, for a bug."""
    if isinstance(error, KeyboardInterrupt):
        print(f"\n{_when_interrupted()}", file=sys.stderr)
        return 130
    if isinstance(error, OSError):
        return _report(error)
    if isinstance(error, ModuleNotFoundError) and error.name in EXTRAS:
        script, install = os.path.basename(sys.argv[0]), f'pip install -c constraints.txt -e ".[{EXTRAS[error.name]}]"'
        print(
            f"error: {script} needs the package {error.name}, which is not installed; run: {install}", file=sys.stderr
        )
    elif isinstance(error, UserError):
        print(f"error: {error}", file=sys.stderr)
    # The frameworks' allocators have exceptions of their own, which are known by their words.
    elif isinstance(error, MemoryError) or re.search("out of memory|OOM when|allocate memory", str(error)):
        what = "lower --batch-size, --filters or --dense of a training, or close other programs"
        print(f"error: there is not enough memory; {what}.", file=sys.stderr)
    elif re.search(LOST_WORKER, str(error)):
        reason = " ".join(str(error).split())[:200]
        advice = "see what it says, and start all workers again; --resume goes on from the last checkpoint"
        what = "another worker of this training has ended or cannot be reached"
        print(f"error: {what} ({reason}); {advice}.", file=sys.stderr)
    else:
        return None
    return 1


@cache
def prepare_streams() -> None:
    """Print characters that the terminal's encoding lacks as \\u65e5, and end with status 1 where output is lost."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    atexit.register(_flush_output)


def _flush_output() -> None:
    """Flush at exit, because Python's own flush after it would end with status 120 and part of a traceback."""
    try:
        sys.stdout.flush()
    except OSError as error:
        os._exit(_report(error))


def _report(error: OSError) -> int:
    """Say what failed, a network or the file system; return the exit status.

    Nothing is said where the reader of our output, such as `head`, has closed it.
    """
    where = error.filename
    try:
        sys.stdout.flush()
    except OSError:
        where = where or "standard output"
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or the flush at exit would fail again
    if not isinstance(error, BrokenPipeError):
        reason = f"{error.strerror or error}{f' ({where})' if where else ''}"
        print(f"error: {reason}; free the space or fix the permission, then run again.", file=sys.stderr)
    return 1
