"""The calculation of how far a network scales."""

from __future__ import annotations

import pytest

from benchmarks.scaling import largest, speed_up


def test_speed_up() -> None:
    assert speed_up(1, 0.01, 1e6, 1) == 1
    # Two machines halve 10 ms, and send 1 MB once each: 8 ms at 1 Gbit/s.
    assert speed_up(2, 0.01, 1e6, 1) == pytest.approx(10 / (5 + 8))
    assert speed_up(2, 0.01, 1e6, 100) == pytest.approx(10 / (5 + 0.08))
    assert speed_up(8, 0.01, 0, 1) == pytest.approx(8)


def test_most_machines() -> None:
    assert largest(0.01, 1e6, 1, 64) == 1
    assert largest(0.01, 0, 1, 64) == 64
    # Half of the time: 10 ms / N = 2 (N - 1) / N * 0.8 ms, so N - 1 = 6.25.
    assert largest(0.01, 1e6, 10, 64) == 7
