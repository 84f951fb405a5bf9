"""Work for digits/processes.py that ends its process at some items; in a module that new processes can import."""

import os
import signal


def double(items: list[int]) -> list[int]:
    return [2 * item for item in items]


def double_or_die(items: list[int]) -> list[int]:
    """Return the doubles; an item that 7 divides kills the process as too little memory does."""
    if any(item % 7 == 0 for item in items):
        os.kill(os.getpid(), signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM)
    return double(items)


def double_or_raise(items: list[int]) -> list[int]:
    if 5 in items:
        raise OSError(28, "No space left on device", "out.png")
    return double(items)
