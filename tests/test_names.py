"""Names and fractions as people read them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnist_twice.names import percent_text, plain, safe_name


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
