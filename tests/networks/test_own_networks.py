"""docs/networks.md to the letter, in a copy of the project: a network of one's own, in both frameworks or in one."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from paths import ROOT

from mnist_twice.runs import read_run

pytestmark = pytest.mark.nightly

PAGE = (ROOT / "docs" / "networks.md").read_text(encoding="utf-8")
SECTION = PAGE.partition("## Your own network\n")[2].partition("\n## ")[0]
ADDITIONS = dict(re.findall(r"At the end of `([\w/.]+)`:\n\n```python\n(.*?)```", SECTION, re.DOTALL))
COMMANDS = re.findall(r"^    python (.*)$", SECTION, re.MULTILINE)


@pytest.fixture
def copy(tmp_path: Path, workplace: Path) -> Path:
    """A copy of the project, with the sample."""
    shutil.copytree(ROOT / "mnist_twice", tmp_path / "mnist_twice", ignore=shutil.ignore_patterns("__pycache__"))
    for file in ROOT.glob("*.py"):
        shutil.copy(file, tmp_path)
    (tmp_path / "mnist_data").symlink_to(workplace / "mnist_data")
    return tmp_path


def add(copy: Path, *left_out: str) -> None:
    for file, code in ADDITIONS.items():
        if Path(file).parts[-2] not in left_out:
            with (copy / file).open("a", encoding="utf-8") as opened:
                opened.write(f"\n\n{code}")


def run(folder: Path, words: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(folder), "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}
    command = [sys.executable, *shlex.split(words)]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300)


def test_a_network_of_one_s_own_as_the_page_says(copy: Path) -> None:
    assert [Path(file).parts[-2] for file in ADDITIONS] == ["recipes", "pytorch", "tensorflow"]
    add(copy)
    listed, *done = [run(copy, command) for command in COMMANDS]
    assert [one.returncode for one in (listed, *done)] == [0, 0, 0, 0], done
    parameters = 8 * 9 + 8 + 10 * 8 * 7 * 7 + 10
    assert re.search(rf"(?m)^tiny +{parameters:,} +4 epochs, batch 64, .* your own$", listed.stdout)
    for framework in ("pytorch", "tensorflow"):
        found = read_run(copy / "outputs" / f"mnist-sample-tiny-{framework}")
        assert found.parameters == parameters
        assert found.accuracy > 0.8
        assert (found.recipe["filters"], found.recipe["epochs"]) == ([8], 4)
    assert "They predict different classes for" in done[-1].stdout


def test_a_network_in_one_framework_alone(copy: Path) -> None:
    add(copy, "tensorflow")
    done = run(copy, "mnist_tensorflow.py --dataset mnist-sample --model tiny")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert "there is no network tiny in TensorFlow: NETWORKS in mnist_twice/tensorflow/networks.py" in done.stderr
    assert re.search(r"(?m)^tiny +PyTorch only ", run(copy, "mnist_tensorflow.py --list-models").stdout)
