"""docs/networks.md to the letter, in a copy of the project: a network of one's own, in both frameworks or in one; and
an edited network, which is told apart from the one that the project has."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import Trained
from paths import ROOT

from digits.runs import STANDARD

pytestmark = [pytest.mark.training, pytest.mark.slow]

PAGE = (ROOT / "docs" / "networks.md").read_text(encoding="utf-8")
SECTION = PAGE.partition("## Your own network\n")[2].partition("\n## ")[0]
ADDITIONS = dict(re.findall(r"At the end of `([\w/.]+)`:\n\n```python\n(.*?)```", SECTION, re.DOTALL))
COMMANDS = re.findall(r"^    python (.*)$", SECTION, re.MULTILINE)
TWINS = shlex.split("-m pytest -q -n0 -p no:cacheprovider tests/test_architecture.py -k twin_folders")
EDITS = {
    "pytorch": ("relu2=nn.ReLU(inplace=True)", "relu2=nn.Tanh()"),
    "tensorflow": ('layers.ReLU(name="relu2")', 'layers.Activation("tanh", name="relu2")'),
}


@pytest.fixture
def copy(tmp_path: Path, workplace: Path) -> Path:
    """A copy of the project, with the sample."""
    for name in ("digits", "models", "tests"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    for file in [*ROOT.glob("*.py"), ROOT / "pyproject.toml"]:
        shutil.copy(file, tmp_path)
    (tmp_path / "mnist_data").symlink_to(workplace / "mnist_data")
    return tmp_path


def run(folder: Path, *words: object) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(folder), "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}
    command = [sys.executable, *map(str, words)]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300)


def succeeded(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 0, done.stderr
    return done.stdout


def info_of(path: Path) -> dict[str, Any]:
    info: dict[str, Any] = json.loads((path / "run.json").read_text(encoding="utf-8"))
    return info


def test_a_network_of_one_s_own_as_the_page_says(copy: Path) -> None:
    assert [Path(file).parts[-2] for file in ADDITIONS] == ["training", "pytorch", "tensorflow"]
    for file, code in ADDITIONS.items():
        with (copy / file).open("a", encoding="utf-8") as opened:
            opened.write(f"\n\n{code}")
    assert len(COMMANDS) == 4
    listed, pytorch, tensorflow, compared = (succeeded(run(copy, *shlex.split(command))) for command in COMMANDS)
    parameters = 8 * 9 + 8 + 10 * 8 * 7 * 7 + 10
    assert re.search(rf"(?m)^tiny +{parameters:,} +4 epochs, batch 64, .* your own$", listed)
    runs = [copy / "outputs" / f"mnist-sample-tiny-{framework}" for framework in EDITS]
    infos = [info_of(path) for path in runs]
    for info, out in zip(infos, (pytorch, tensorflow), strict=True):
        assert info["parameters"] == {"trainable": parameters, "non_trainable": 0}
        assert info["test"]["accuracy"] > 0.8
        assert (info["recipe"]["filters"], info["recipe"]["epochs"]) == ([8], 4)
        assert f"{parameters:,} parameters" in out
        assert "note:" not in out
    assert infos[0]["architecture"] == infos[1]["architecture"]
    assert "They predict different classes for" in compared
    assert (copy / "outputs" / "report.html").is_file()
    # What the tests of the project demand of its files holds with it.
    succeeded(run(copy, *TWINS))


def test_a_network_in_one_framework_alone(copy: Path) -> None:
    for file, code in ADDITIONS.items():
        if "tensorflow" not in file:
            with (copy / file).open("a", encoding="utf-8") as opened:
                opened.write(f"\n\n{code}")
    done = run(copy, "mnist_tensorflow.py", "--dataset", "mnist-sample", "--model", "tiny")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert "there is no network tiny in TensorFlow: models/tensorflow/networks.py has no function 'tiny'" in done.stderr
    assert re.search(r"(?m)^tiny +PyTorch only ", succeeded(run(copy, "mnist_tensorflow.py", "--list-models")))
    succeeded(run(copy, *TWINS))


def test_an_edited_network_is_told_apart(framework: str, copy: Path, train_once: Callable[[str], Trained]) -> None:
    usual = copy / "outputs" / f"mnist-sample-cnn-{framework}"
    shutil.copytree(train_once(framework).path, usual)
    assert info_of(usual)["architecture"]["default_fingerprint"] == STANDARD["cnn"]
    before = (usual / "run.json").read_bytes()
    networks = copy / "models" / framework / "networks.py"
    networks.write_text(networks.read_text(encoding="utf-8").replace(*EDITS[framework], 1), encoding="utf-8")

    script = (f"mnist_{framework}.py", "--dataset", "mnist-sample")
    out = succeeded(run(copy, *script))
    (path,) = copy.glob(f"outputs/mnist-sample-cnn-{framework}+layers=*")
    code = path.name.partition("=")[2]
    assert f"note: the layers of cnn are not those of this project ({code}); the run is 'outputs/{path.name}'." in out
    assert (usual / "run.json").read_bytes() == before
    difference = "'relu2' (ReLU, output 7x7x32 against tanh, output 7x7x32)"
    assert info_of(path)["architecture"]["layers"]["relu2"] == "tanh, output 7x7x32"

    compared = succeeded(
        run(copy, "visualize_results.py", "--compare", usual.name, path.name, "--only", "report", "agreement")
    )
    assert f"Their recipes differ, which may explain it: the code of the network in {difference}." in compared
    report = (copy / "outputs" / "reports" / f"{usual.name}-and-{path.name}" / "report.html").read_text(
        encoding="utf-8"
    )
    assert f"CNN, layers {code}" in report
    assert f"# the code of cnn was another: its layers have the fingerprint {code}, not {STANDARD['cnn'][:8]}" in report

    refused = run(copy, *script, "--name", usual.name)
    assert refused.returncode == 1
    assert f"'outputs/{usual.name}' holds a finished run of cnn with other layers: {difference};" in refused.stderr

    started = succeeded(run(copy, *script, "--init-from", usual, "--epochs", "0"))
    assert f"holds the weights of a network that differs in {difference}; they fit all the same." in started
    for name in ("weights.safetensors", "model.pt" if framework == "pytorch" else "model.keras"):
        function = "load_weights" if name.startswith("weights") else "load_checkpoint"
        code = (
            f"from pathlib import Path; from models.{framework}.files import {function} as load; load(Path('{name}'))"
        )
        done = run(copy, "-c", f"import os, sys; os.chdir('{usual}'); {code}")
        assert f"'{name}' was written by another code of the network, which differs in {difference};" in done.stderr
