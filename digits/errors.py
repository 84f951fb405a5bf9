"""How a script ends when something goes wrong: one sentence on stderr and an exit status, no traceback."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from types import TracebackType

INTERRUPTED = "\ninterrupted; what was complete before this call still is."


class UserError(Exception):
    """Something the user can mend: one sentence on what is wrong, with which file or option, and what to do."""


def run_script(main: Callable[[], int | None]) -> int:
    """Run a script's main function and return its exit status.

    0 (or what main returns) on success; 1 after a UserError or an operating-system error (disk full, no
    permission), told in one sentence; 130 after Ctrl-C, the shell's convention for SIGINT. A bug keeps its traceback.
    """
    try:
        return main() or 0
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(INTERRUPTED, file=sys.stderr)
        return 130
    except BrokenPipeError:
        _print_no_more()
        return 1
    except OSError as error:
        # A network or file-system failure that no caller could word better.
        where = f" ({error.filename})" if error.filename else ""
        print(
            f"error: {error.strerror or error}{where}; free the space or fix the permission, then run again.",
            file=sys.stderr,
        )
        return 1


def expect_interruptions() -> None:
    """Have Ctrl-C and unread output end the process as in run_script where none is around yet: in slow imports."""

    def tell(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if issubclass(kind, KeyboardInterrupt):
            print(INTERRUPTED, file=sys.stderr)
        elif issubclass(kind, BrokenPipeError):
            _print_no_more()
        else:
            sys.__excepthook__(kind, error, trace)

    sys.excepthook = tell  # Python then ends by SIGINT itself, which a shell shows as 130


def _print_no_more() -> None:
    """Print nowhere from now on: whoever read our output, `head` for one, has had enough.

    Python's own flush at exit would stumble over it.
    """
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
