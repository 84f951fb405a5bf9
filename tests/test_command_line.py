"""Command lines: every script's --help, and how lists, flags and mistakes are read."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path
from typing import Annotated, Literal

import pytest
from paths import ROOT
from pydantic import Field

from mnist_twice.command_line import options_dataclass, parse

SCRIPTS = sorted(path.name for path in ROOT.glob("*.py"))
COMMANDS = [f"run_experiment.py {command}" for command in ("grid", "search", "show", "confirm")]


@pytest.mark.parametrize("script", [*SCRIPTS, *COMMANDS])
def test_help_is_plain(script: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    name, *words = script.split()
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.delenv("MNIST_MIRROR", raising=False)
    monkeypatch.setattr(sys, "argv", [name, *words, "--help"])
    with pytest.raises(SystemExit) as exit_:
        runpy.run_path(str(ROOT / name), run_name="__main__")
    assert exit_.value.code in (None, 0)
    out, err = capsys.readouterr()
    assert err == ""
    assert out.startswith(f"usage: python {script} ")
    assert out.count(f"    python {script}") >= 2  # its examples
    for unwanted in ("None", "default: )", "--no-", "False"):
        assert unwanted not in out
    assert max(len(line) for line in out.splitlines() if not line.startswith("    python")) <= 80


@options_dataclass
class Options:
    files: tuple[Path, ...] = ()
    """files to read"""
    kinds: Annotated[tuple[Literal["a", "b"], ...], Field(title="KIND")] = ("a",)
    """some of the
    kinds"""
    sizes: tuple[int, ...] = (1, 2)
    """100 % of the sizes"""
    loud: bool = False
    """print more"""
    folder: Path | None = None
    """folder to write to"""
    part: float = 1.0
    """part of the files"""
    speed: Literal["slow", "fast"] = "slow"
    """how fast"""


def read(*words: str) -> Options:
    return parse(Options(), "A test.", words, positional="files", needs={"folder": "loud"})


def test_lists_have_spaces_between_their_parts() -> None:
    assert read() == Options()
    assert read("x", "y", "--loud") == Options(files=(Path("x"), Path("y")), loud=True)
    assert read("--loud", "x") == read("x", "--loud", "--no-loud", "--loud") == Options(files=(Path("x"),), loud=True)
    assert read("--kinds", "b", "a", "--sizes", "3") == Options(kinds=("b", "a"), sizes=(3,))
    assert read("--kinds", "b", "--kinds", "a", "--sizes", "3", "--sizes", "4", "5").kinds == ("b", "a")
    assert read("--sizes", "3", "--sizes", "4", "5").sizes == (4, 5)
    assert read("--folder=-x", "--loud").folder == Path("-x")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--kinds", "a,b"], "--kinds a,b must be 'a' or 'b'; write --kinds a b."),
        (["--sizes", "1", "x"], "--sizes 1 x must be whole numbers."),
        (["--sizes", "1,2"], "--sizes 1,2 must be whole numbers; write --sizes 1 2."),
        (["--part", "0,5"], "--part 0,5 must be a number; write --part 0.5."),
        (["--part", "inf"], "--part inf must be a number, not nan or inf."),
        (["--folder", "x", "--loud", "--no-loud"], "--folder needs --loud."),
        (["--siz", "1"], "there is no option --siz; did you mean --sizes?"),
        (["--xyz"], "there is no option --xyz; --help lists all."),
        (["--l"], "there is no option --l; did you mean --loud?"),
        (["--sizes"], "--sizes needs a value after it; --help shows how."),
    ],
)
def test_mistakes_are_one_sentence(words: list[str], sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        read(*words)
    assert exit_.value.code == 2
    assert capsys.readouterr() == ("", f"error: {sentence}\n")


def test_a_word_without_its_option_gets_it(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(Options(), "A test.", ["fast"])
    assert capsys.readouterr().err == "error: 'fast' is not expected; did you mean --speed fast?\n"


def test_help_of_lists_and_defaults(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        read("--help")
    text = capsys.readouterr().out
    assert "[PATH ...]" in text.splitlines()[0]
    assert "--kinds KIND [KIND ...]" in text
    assert "some of the kinds (default: a)\n" in text
    assert "100 % of the sizes (default: 1 2)\n" in text
    assert "print more\n" in text
