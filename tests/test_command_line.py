"""Command lines: every script's --help, and how lists, flags and mistakes are read."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Literal

import pytest
from options_table import EXPERIMENTS, default_options, options_table
from pydantic import Field

from digits.command_line import options_dataclass, parse

ROOT = Path(__file__).resolve().parents[1]
SCRIPTS = sorted(path.name for path in ROOT.glob("*.py"))
COMMANDS = [f"run_experiment.py {command}" for command in EXPERIMENTS]
OPTIONS = [default_options(name.removesuffix(".py")) for name in SCRIPTS if name != "run_experiment.py"]


@pytest.mark.slow
@pytest.mark.parametrize("script", [*SCRIPTS, *COMMANDS])
def test_help_is_plain(script: str) -> None:
    command = [sys.executable, str(ROOT / script.split()[0]), *script.split()[1:], "--help"]
    env = os.environ | {"COLUMNS": "80", "MNIST_MIRROR": ""}
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=True)
    assert done.stderr == ""
    assert done.stdout.startswith(f"usage: python {script} ")
    assert done.stdout.count(f"    python {script}") >= 2  # its examples
    for unwanted in ("None", "default: )", "--no-", "False"):
        assert unwanted not in done.stdout
    assert max(len(line) for line in done.stdout.splitlines() if not line.startswith("    python")) <= 80


@pytest.mark.parametrize("options", [*OPTIONS, *EXPERIMENTS.values()], ids=lambda options: type(options).__name__)
def test_every_option_has_a_default_or_none_and_a_text_of_one_form(options: object) -> None:
    _, _, *rows = options_table(options).splitlines()
    for row in rows:
        _, name, _, text, _ = row.split("|")
        assert name.startswith(" `--")
        assert text.strip()
        assert not text.rstrip().endswith(".")
        assert not text.strip()[0].isupper() or text.startswith(" Adam")


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
        (["--kinds", "a,b"], "--kinds a,b must be 'a' or 'b'."),
        (["--sizes", "1", "x"], "--sizes 1 x must be a valid integer."),
        (["--folder", "x"], "--folder must go with --loud."),
        (["--folder", "x", "--loud", "--no-loud"], "--folder must go with --loud."),
        (["--siz", "1"], "there is no option --siz; did you mean --sizes?"),
        (["--k\x1b]0;owned\x07"], "there is no option --k?]0;owned?; --help lists all."),
        (["--sizes"], "--sizes: expected at least one argument; --help shows how."),
        (["--loud=yes"], "--loud: ignored explicit argument 'yes'; --help shows how."),
    ],
)
def test_mistakes_are_one_sentence(words: list[str], sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        read(*words)
    assert exit_.value.code == 2
    assert capsys.readouterr() == ("", f"error: {sentence}\n")


def test_help_of_lists_and_defaults(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        read("--help")
    text = capsys.readouterr().out
    assert "[PATH ...]" in text.splitlines()[0]
    assert "--kinds KIND [KIND ...]" in text
    assert "some of the kinds (default: a)\n" in text
    assert "100 % of the sizes (default: 1 2)\n" in text
    assert "print more\n" in text
    assert "folder to write to\n" in text
