"""Work spread over processes: in order, and a crash costs one item."""

import os
import signal

import pytest

from mnist_twice.processes import spread

pytestmark = pytest.mark.slow


def double_or_die(items: list[int]) -> list[int]:
    """Return the doubles; an item that 7 divides kills the process as too little memory does, 100 raises an error."""
    if any(item % 7 == 0 for item in items):
        os.kill(os.getpid(), signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM)
    if 100 in items:
        raise OSError(28, "No space left on device", "out.png")
    return [2 * item for item in items]


def test_an_item_that_kills_its_process_costs_itself_alone_and_what_the_work_raises_is_raised() -> None:
    found = {}
    for chunk, result in spread(double_or_die, [[i, i + 1, i + 2] for i in range(1, 10, 3)], 2):
        found |= dict(zip(chunk, result or [None], strict=True))
    assert list(found) == list(range(1, 10))
    assert found == {item: None if item == 7 else 2 * item for item in range(1, 10)}
    with pytest.raises(OSError, match="No space left") as error:
        list(spread(double_or_die, [[1], [100]], 1))
    assert error.value.filename == "out.png"
