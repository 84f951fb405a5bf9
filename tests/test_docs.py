"""README.md and docs/ tell the truth: options, networks, packages, links, paths, snippets. (CI runs their commands.)"""

from __future__ import annotations

import json
import os
import re
import runpy
import shlex
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from mnist_twice.command_line import flat_fields, option
from mnist_twice.experiments.options import ConfirmOptions, GridOptions, SearchOptions, ShowOptions
from mnist_twice.recipes import RECIPES, Options

ROOT = Path(__file__).resolve().parents[1]
README, DOCS = ROOT / "README.md", ROOT / "docs"
PAGES = [README, *sorted(DOCS.glob("*.md")), ROOT / "outputs" / "README.md", ROOT / "mnist_data" / "README.md"]
RUNNER = runpy.run_path(str(ROOT / ".ci" / "run_documented_commands.py"))
TEXTS = {page.relative_to(ROOT).as_posix(): page.read_text(encoding="utf-8") for page in PAGES}


# --- commands ---


def documented_commands(page: str) -> list[str]:
    """Return the commands `python SCRIPT ...` that the page shows, in blocks of both kinds."""
    lines = TEXTS[page].splitlines()
    indented = [re.split(r"\s\s+[#(]", line[4:])[0] for line in lines if line.startswith("    python ")]
    commands = (*RUNNER["sh_commands"](TEXTS[page]), *indented)
    return [command for command in commands if re.match(r"python (?!-m)", command)]


EXPERIMENTS = {"grid": GridOptions, "search": SearchOptions, "show": ShowOptions, "confirm": ConfirmOptions}


def options_of(script: str, command: str) -> set[str]:
    """Return the options of the script; of run_experiment.py, those of the command."""
    kind: Any = EXPERIMENTS.get(command)
    if script.startswith("mnist_"):
        return {option(name) for name, _, _ in flat_fields(Options(RECIPES["cnn"]))}
    return {option(name) for name, _, _ in flat_fields((kind or import_module(script.removesuffix(".py")).Options)())}


@pytest.mark.parametrize("default", [Options(RECIPES["cnn"]), *(kind() for kind in EXPERIMENTS.values())])
def test_every_option_has_a_help_text(default: Any) -> None:
    assert [name for name, field, _ in flat_fields(default) if not field.description] == []


@pytest.mark.parametrize("page", TEXTS)
def test_documented_commands_have_a_script_that_takes_their_options(page: str) -> None:
    for command in documented_commands(page):
        _, script, *words = shlex.split(command)
        assert (ROOT / script).is_file()
        options = {word.split("=")[0].replace("--no-", "--") for word in words if word.startswith("--")} - {"--help"}
        if options and "/" not in script:
            assert options <= options_of(script, words[0]), command


# --- links and paths ---


def anchors(text: str) -> set[str]:
    """Return the anchors of the page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", TEXTS)
def test_links_and_pictures_are_there(page: str) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", TEXTS[page]):
        if target.startswith("https://"):
            continue
        path, _, anchor = target.partition("#")
        file = ((ROOT / page).parent / path).resolve() if path else ROOT / page
        assert file.exists(), target
        if anchor:
            assert anchor in anchors(file.read_text(encoding="utf-8")), target


@pytest.mark.parametrize("page", TEXTS)
def test_paths_in_the_text_are_there(page: str) -> None:
    inside = re.findall(
        r"\b(?:benchmarks|docs|mnist_twice|tests)/[\w./-]*\w/?", re.sub(r"https?://\S+", "", TEXTS[page])
    )
    at_the_root = re.findall(r"(?<![\w/.-])[a-z]\w*\.(?:py|txt|toml)\b(?!/)", TEXTS[page])
    for path in {*inside, *at_the_root}:
        assert (ROOT / path).exists(), path


# --- snippets ---


def snippets() -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", TEXTS["docs/use_in_your_code.md"], re.MULTILINE | re.DOTALL)


@pytest.mark.nightly
@pytest.mark.parametrize("snippet", snippets())
def test_snippet_prints_the_run_s_test_accuracy(
    snippet: str, workplace: Path, train_once: Callable[[str], object]
) -> None:
    (run,) = set(re.findall(r"outputs/[\w-]+", snippet))
    train_once(run.rsplit("-")[-1])
    environment = os.environ | {"PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}
    command = [sys.executable, "-c", snippet]
    done = subprocess.run(command, cwd=workplace, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    expected = json.loads((workplace / run / "run.json").read_text())["test"]["accuracy"]
    assert float(done.stdout) == pytest.approx(expected, abs=0.0011)  # the other framework may round one image over
