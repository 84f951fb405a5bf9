"""The processes that benchmarks start: what they print comes back, and a failure is told in a sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.processes import ROOT, run_python
from digits.errors import UserError


def test_what_a_process_prints_comes_back(tmp_path: Path) -> None:
    where = ["-c", "import os; print(os.getcwd())"]
    assert run_python(where) == f"{ROOT}\n"
    assert run_python(where, cwd=tmp_path) == f"{tmp_path.resolve()}\n"


def test_a_failure_is_told_with_its_last_words_unless_they_were_shown(capfd: pytest.CaptureFixture[str]) -> None:
    words = ["-c", "import sys; print('first', file=sys.stderr); sys.exit('too bad')"]
    with pytest.raises(UserError, match=r"^'python -c .*' failed \(too bad\); fix that and run again\.$"):
        run_python(words)
    assert capfd.readouterr() == ("", "")
    with pytest.raises(UserError, match=r"^'python -c .*' failed; fix that and run again\.$"):
        run_python(words, show=True)
    assert capfd.readouterr() == ("", "first\ntoo bad\n")
