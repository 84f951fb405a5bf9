"""How a script ends: the sentence and the exit status."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from mnist_twice.errors import UserError, run_script


def ending(error: BaseException) -> Callable[[], None]:
    def main() -> None:
        raise error

    return main


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (UserError("'x' is missing; download it."), "'x' is missing; download it."),
        (OSError(28, "No space left on device", "out.csv"), "No space left on device (out.csv)"),
        (MemoryError(), "there is not enough memory; "),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: 400 bytes"), "there is not enough memory; "),
        (RuntimeError("[gloo] Read error: Connection reset by peer. This"), "another worker of this training has"),
        (ModuleNotFoundError("No module named 'torch'", name="torch"), 'run: pip install -c constraints.txt -e ".[pyt'),
    ],
)
def test_a_fault_is_one_sentence(error: Exception, sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_script(ending(error)) == 1
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert sentence in said
    assert said.count("\n") == 1


def test_a_bug_keeps_its_traceback() -> None:
    with pytest.raises(ZeroDivisionError):
        run_script(ending(ZeroDivisionError()))
