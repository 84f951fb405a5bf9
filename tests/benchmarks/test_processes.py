"""The processes that benchmarks start: a failure is told in a sentence."""

from __future__ import annotations

import pytest

from benchmarks.processes import run_python
from mnist_twice.errors import UserError


def test_a_failure_is_told_with_its_last_words() -> None:
    words = ["-c", "import sys; print('first', file=sys.stderr); sys.exit('too bad')"]
    with pytest.raises(UserError, match=r"^'python -c .*' failed \(too bad\); fix that and run again\.$"):
        run_python(words)
