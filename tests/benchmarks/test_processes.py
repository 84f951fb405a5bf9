"""The processes that benchmarks start: what they print comes back, and a failure is told in a sentence."""

from __future__ import annotations

import pytest

from benchmarks.processes import ROOT, run_python
from digits.errors import UserError


def test_what_a_process_prints_comes_back() -> None:
    assert run_python(["-c", "import os; print(os.getcwd())"]) == f"{ROOT}\n"


def test_a_failure_is_told_with_its_last_words() -> None:
    words = ["-c", "import sys; print('first', file=sys.stderr); sys.exit('too bad')"]
    with pytest.raises(UserError, match=r"^'python -c .*' failed \(too bad\); fix that and run again\.$"):
        run_python(words)
