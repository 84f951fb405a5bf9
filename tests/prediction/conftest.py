"""What the tests of prediction share: runs that take no training, and predict_digit.py in pytest's own process."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from linear_run import make_linear_run

import predict_digit
from digits.errors import run_script


@dataclass
class Done:
    """How a script ended: its exit status and what it printed."""

    status: int
    out: str
    err: str


Predict = Callable[..., Done]


@pytest.fixture
def predict(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Predict:
    def run(*words: object) -> Done:
        monkeypatch.setattr(sys, "argv", ["predict_digit.py", *map(str, words)])
        try:
            status = run_script(predict_digit.main)
        except SystemExit as end:
            status = int(end.code or 0)
        return Done(status, *capsys.readouterr())

    return run


@pytest.fixture(scope="session")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of runs, with one that reads most digits."""
    return make_linear_run(tmp_path_factory.mktemp("runs") / "outputs", reads=True).parent
