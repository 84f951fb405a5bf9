"""README.md and docs/ tell the truth: options, networks, packages, links, paths, snippets. (CI runs their commands.)"""

from __future__ import annotations

import functools
import json
import os
import re
import runpy
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from options_table import EXPERIMENTS, with_tables
from test_imports import ALLOWED

from digits.data import CATALOGUE
from digits.runs import STANDARD

ROOT = Path(__file__).resolve().parents[1]
README, DOCS = ROOT / "README.md", ROOT / "docs"
PAGES = [README, *sorted(DOCS.glob("*.md")), ROOT / "outputs" / "README.md", ROOT / "mnist_data" / "README.md"]
RUNNER = runpy.run_path(str(ROOT / ".ci" / "run_documented_commands.py"))
TEXTS = {page.relative_to(ROOT).as_posix(): page.read_text(encoding="utf-8") for page in PAGES}


def section(page: str, title: str) -> str:
    """Return the page's text from the heading `title` to the next one of the same level or a higher one."""
    level, rest = re.findall(rf"^(#+) {re.escape(title)}\n(.*)", TEXTS[page], re.MULTILINE | re.DOTALL)[0]
    return re.split(rf"^#{{1,{len(level)}}} ", rest, maxsplit=1, flags=re.MULTILINE)[0]


# --- tables ---


def test_tables_of_options_are_current() -> None:
    assert TEXTS["docs/options.md"] == with_tables(TEXTS["docs/options.md"]), "run 'python -m tests.options_table'"


def test_every_network_is_in_the_table_with_its_parameters() -> None:
    rows = re.findall(r"^\| `([a-z0-9-]+)` \| ([\d,]+) \|", section("docs/networks.md", "Networks"), re.MULTILINE)
    assert [name for name, _ in rows] == list(STANDARD)  # tests/models/test_networks.py counts


def test_every_dataset_is_named_with_its_licence() -> None:
    licences = section("docs/datasets.md", "Licences")
    for entry in CATALOGUE.values():
        assert re.search(rf"`{entry.name}`.*{re.escape(entry.licence.split(',')[0].split(';')[0])}", licences)


def test_architecture_md_shows_which_package_may_import_which() -> None:
    table = section("docs/architecture.md", "Which package may import which")
    rows = re.findall(r"^\| `(\w+)` \| (.*) \|$", table, re.MULTILINE)
    assert {name: set(re.findall(r"`(\w+)`", row)) for name, row in rows} == ALLOWED


# --- commands ---


@functools.cache
def help_of(script: str) -> tuple[str, set[str]]:
    """Return the first line of the script's --help, and the options that it names besides --help.

    A script that has commands is followed by one of them.
    """
    command = [sys.executable, str(ROOT / script.split()[0]), *script.split()[1:], "--help"]
    environment = os.environ | {"COLUMNS": "200", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=True)
    return done.stdout.partition("\n")[0], {*re.findall(r"^  (--[a-z-]+)", done.stdout, re.MULTILINE)}


def documented_commands() -> list[tuple[str, str]]:
    """Return each page with each command `python SCRIPT ...` that it shows, in blocks of both kinds."""
    found = {}
    for page, text in TEXTS.items():
        indented = [re.split(r"\s\s+[#(]", line[4:])[0] for line in text.splitlines() if line.startswith("    python ")]
        for command in (*RUNNER["sh_commands"](text), *indented):
            if command.startswith("python ") and not command.startswith("python -m"):
                found[page, command] = None
    return list(found)


@pytest.mark.parametrize(("page", "command"), documented_commands())
def test_documented_command_has_a_script_that_takes_its_options(page: str, command: str) -> None:
    _, script, *words = shlex.split(command)
    assert (ROOT / script).is_file()
    script += f" {words[0]}" if script == "run_experiment.py" else ""
    if options := {word.split("=")[0] for word in words if word.startswith("--")}:
        assert {option.replace("--no-", "--") for option in options} <= help_of(script)[1]


@pytest.mark.parametrize(
    ("title", "script"),
    [
        ("mnist_pytorch.py and mnist_tensorflow.py", "mnist_pytorch.py"),
        *((name, name) for name in ("download_mnist.py", "visualize_results.py", "predict_digit.py", "draw_digit.py")),
        *((f"run_experiment.py {command}",) * 2 for command in EXPERIMENTS),
    ],
)
def test_options_md_lists_each_script_s_options(title: str, script: str) -> None:
    rows = re.findall(r"^\| `(.+?)` \|", section("docs/options.md", title), re.MULTILINE)
    usage, options = help_of(script)
    first = {row for row in rows if not row.startswith("--")}
    shown = (f"[{words}]" if words.endswith("...") else words for words in first)
    assert usage == " ".join([f"usage: python {script}", *shown, "[options]"])
    assert len(rows) == len(set(rows))
    assert {*rows} - first == options


def test_every_target_of_make_is_in_the_makefile() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for text in TEXTS.values():
        for target in re.findall(r"(?:^ *|`)make (?:[A-Z]+=\S+ )*([a-z]+)", text, re.MULTILINE):
            assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_the_runner_reads_commands() -> None:
    text = (
        "```sh\n# why\nmake a   # comment\npython b.py --x '#1' \\\n    --y 2\n\n```\n    not this\n```python\nx\n```\n"
    )
    assert RUNNER["sh_commands"](text) == ["make a", "python b.py --x '#1'      --y 2"]


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
        r"\b(?:benchmarks|docs|models|digits|tests)/[\w./-]*\w/?", re.sub(r"https?://\S+", "", TEXTS[page])
    )
    at_the_root = re.findall(r"(?<![\w/.-])[a-z]\w*\.(?:py|txt|toml)\b(?!/)", TEXTS[page])
    for path in {*inside, *at_the_root}:
        assert (ROOT / path).exists(), path


def test_architecture_md_answers_ten_questions() -> None:
    rows = re.findall(r"^\| (Where .*\?) \| (.*) \|$", section("docs/architecture.md", "Where is ...?"), re.MULTILINE)
    assert len(rows) == 10
    for question, answer in rows:
        assert re.search(r"`[\w/]+\.py`", answer), question


def test_the_readme_is_short_and_links_every_page() -> None:
    assert len(TEXTS["README.md"].splitlines()) <= 200
    assert RUNNER["pages"]()  # or ValueError


# --- snippets ---


def snippets() -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", TEXTS["docs/use_in_your_code.md"], re.MULTILINE | re.DOTALL)


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
