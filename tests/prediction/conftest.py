"""predict_digit.py as the tests run it."""

import sys
from collections import namedtuple
from collections.abc import Callable

import pytest

import predict_digit
from mnist_twice.errors import run_script

Done = namedtuple("Done", "status out err")


@pytest.fixture
def predict(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Done]:
    """Run predict_digit.py with these words in pytest's own process; return its exit status and what it printed."""

    def run(*words: object) -> Done:
        monkeypatch.setattr(sys, "argv", ["predict_digit.py", *map(str, words)])
        try:
            status = run_script(predict_digit.main)
        except SystemExit as end:
            status = int(end.code or 0)
        return Done(status, *capsys.readouterr())

    return run
