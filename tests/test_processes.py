"""Work spread over processes: in order, never all of it in memory, and a crash costs one item."""

from collections.abc import Iterator

import pytest
from crashing_work import double, double_or_die, double_or_raise

from digits.processes import spread

pytestmark = pytest.mark.slow


def test_results_come_in_order_and_few_chunks_are_taken_ahead() -> None:
    taken = 0

    def chunks() -> Iterator[list[int]]:
        nonlocal taken
        for start in range(0, 200, 4):
            taken += 1
            yield list(range(start, start + 4))

    for done, (chunk, result) in enumerate(spread(double, chunks(), 2), start=1):
        assert chunk == list(range(4 * done - 4, 4 * done))
        assert result == double(chunk)
        assert taken <= done + 6
    assert taken == done == 50


def test_an_item_that_kills_its_process_costs_itself_alone() -> None:
    found = {}
    for chunk, result in spread(double_or_die, ([i, i + 1, i + 2] for i in range(1, 16, 3)), 2):
        found |= dict(zip(chunk, result or [None], strict=True))
    assert list(found) == list(range(1, 16))
    assert found == {item: None if item % 7 == 0 else 2 * item for item in range(1, 16)}


def test_what_the_work_raises_is_raised() -> None:
    with pytest.raises(OSError, match="No space left") as error:
        list(spread(double_or_raise, ([i] for i in range(9)), 1))
    assert error.value.filename == "out.png"
