"""A script as the tests run it: in their own process."""

from __future__ import annotations

import io
import sys
from contextlib import redirect_stderr, redirect_stdout
from functools import partial
from importlib import import_module
from typing import NamedTuple
from unittest import mock

from mnist_twice.errors import run_script


class Done(NamedTuple):
    status: int
    out: str
    err: str


def call(script: str, *words: object) -> Done:
    """Run the script, named without .py, with these words; return its exit status and what it printed."""
    out, err = io.StringIO(), io.StringIO()
    argv = [f"{script}.py", *map(str, words)]
    with mock.patch.object(sys, "argv", argv), redirect_stdout(out), redirect_stderr(err):
        try:
            status = run_script(import_module(script).main)
        except SystemExit as end:
            status = int(end.code or 0)
    return Done(status, out.getvalue(), err.getvalue())


run_download = partial(call, "download_mnist")
predict = partial(call, "predict_digit")
