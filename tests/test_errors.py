"""How a script ends: the sentence and the exit status."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from paths import ROOT

from mnist_twice.errors import UserError, run_script

SCRIPTS = sorted(path.name for path in ROOT.glob("*.py"))


def ending(error: BaseException) -> Callable[[], None]:
    def main() -> None:
        raise error

    return main


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (UserError("'x' is missing; download it."), "'x' is missing; download it."),
        (OSError(28, "No space left on device", "out.csv"), "No space left on device (out.csv); free some space, then"),
        (OSError(13, "Permission denied", "out.csv"), "Permission denied (out.csv); fix the permission, or choose"),
        (OSError(2, "No such file or directory", "in.csv"), "error: No such file or directory (in.csv).\n"),
        (MemoryError(), "there is not enough memory; "),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: 400 bytes"), "there is not enough memory; "),
        (RuntimeError("[gloo] Read error: Connection reset by peer. This"), "another worker of this training has"),
        (ModuleNotFoundError("No module named 'torch'", name="torch"), 'run: pip install -c constraints.txt -e ".[pyt'),
        (ModuleNotFoundError(name="tensorboard"), 'run: pip install -c constraints.txt -e ".[tens'),
    ],
)
def test_a_fault_is_one_sentence(
    error: Exception, sentence: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert run_script(ending(error)) == 1
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert sentence in said
    assert said.count("\n") == 1


@pytest.mark.parametrize("bug", [ZeroDivisionError(), ValueError("Broken pipe"), RuntimeError("Connection refused")])
def test_a_bug_keeps_its_traceback(bug: Exception) -> None:
    with pytest.raises(type(bug)):
        run_script(ending(bug))


def test_advice_that_needs_the_project_s_folder_says_where_that_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for advice in ("run 'python mnist_pytorch.py'.", "look."):
        run_script(ending(UserError(advice)))
    where = f" (You are in '{tmp_path}'; run it from '{ROOT}'.)"
    assert capsys.readouterr().err == f"error: run 'python mnist_pytorch.py'.{where}\nerror: look.\n"


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_python_without_the_packages_says_how_to_get_them(script: str, tmp_path: Path) -> None:
    command = [sys.executable, "-S", str(ROOT / script), "--help"]  # -S: no installed packages
    done = subprocess.run(command, cwd=tmp_path, env={}, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1), done.stderr
    assert done.stderr.startswith(f"error: {script} needs the package ")
    assert "activate" in done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="has no such pipes")
def test_nothing_is_said_to_a_reader_that_has_gone() -> None:
    code = "import sys; from mnist_twice.errors import run_script\n"
    code += "sys.exit(run_script(lambda: print(*range(99999), sep='\\n')))"
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=pipe, stderr=pipe, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert (process.stderr.read(), process.wait(60)) == ("", 141)
