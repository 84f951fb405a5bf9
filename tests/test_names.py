"""Names and fractions as people read them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digits.names import percent, percent_range, percent_text, plain, safe_name


def test_fractions_are_written_in_per_cent() -> None:
    assert (percent(0.98806), percent(1, digits=1)) == ("98.81 %", "100.0 %")
    assert percent_range((0.985, 0.99)) == "98.50 to 99.00 %"


@pytest.mark.parametrize(("percentage", "text"), [(0, "0.0"), (0.02, "<0.1"), (99.98, "99.9"), (100, "100.0")])
def test_one_error_of_many_stays_visible(percentage: float, text: str) -> None:
    assert percent_text(percentage) == text


@given(st.text())
def test_any_name_becomes_one_line_and_one_part_of_a_path(name: str) -> None:
    assert plain(name).isprintable()
    assert len(plain(name)) == len(name)
    safe = safe_name(name)
    assert 0 < len(safe) <= 60
    assert not safe.startswith(".")
    assert set(safe).isdisjoint("/\\: \0")
