"""A hash of a network's code: what changes it, what does not, and what is then not replaced."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from make_runs import make_run
from paths import ROOT

from mnist_twice.errors import UserError
from mnist_twice.recipes import Options, run_path
from mnist_twice.recipes.model_table import SOURCES
from mnist_twice.recipes.naming import check_replaceable
from mnist_twice.recipes.recipe import RECIPES
from mnist_twice.training import network_code


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of mnist_twice/ that is hashed in place of the project's."""
    copy = shutil.copytree(ROOT / "mnist_twice", tmp_path / "copy", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr("mnist_twice.training.network_hash.PACKAGE", copy)
    return copy


def codes(framework: str = "pytorch") -> dict[str, str]:
    return {name: network_code(name, framework) for name in SOURCES}


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new, 1), encoding="utf-8")


def test_comments_and_other_networks_change_nothing(models: Path) -> None:
    before = codes("tensorflow"), codes("pytorch")
    assert len({*before[0].values(), *before[1].values()}) == 2 * len(SOURCES)
    for framework in ("pytorch", "tensorflow"):
        file = models / framework / "networks.py"
        edit(file, '"""Two convolutions', '# A comment, and a docstring.\n    """Three convolutions')
        edit(file, "\nNETWORKS:", "\n\ndef tiny(config):\n    return [config]\n\n\nNETWORKS:")
    assert (codes("tensorflow"), codes("pytorch")) == before


@pytest.mark.slow
@pytest.mark.parametrize(
    ("file", "old", "new", "changed"),
    [
        ("networks.py", "conv1=nn.Conv2d(1, filters[0], kernel_size=3),", "conv1=None,", {"fashion-cnn"}),
        ("networks.py", "def config_of", 'NETWORKS["cnn"] = cnn_wide\n\n\ndef config_of', {"cnn"}),
        ("layers.py", "NORM_MOMENTUM = 0.1", "NORM_MOMENTUM = 0.2", {"deep-cnn", "resnet"}),  # in a base class
        ("layers.py", "* self.scale + self.offset", "* self.scale", set(SOURCES)),
    ],
)
def test_what_a_network_consists_of_changes_its_hash(
    models: Path, file: str, old: str, new: str, changed: set[str]
) -> None:
    before = codes()
    edit(models / "pytorch" / file, old, new)
    after = codes()
    assert {name for name in SOURCES if before[name] != after[name]} == changed


def test_a_run_of_another_code_is_not_replaced(tmp_path: Path) -> None:
    options, path = Options(RECIPES["cnn"], output_dir=tmp_path), make_run(tmp_path)
    assert run_path(options, "pytorch") == path
    info = json.loads((path / "run.json").read_text())
    for code in (None, "new"):  # a run of an earlier version does not record it
        (path / "run.json").write_text(json.dumps(info | ({"network_code": code} if code else {})))
        check_replaceable(path, options, "pytorch", "new")
    (path / "run.json").write_text(json.dumps({**info, "network_code": "old"}))
    with pytest.raises(UserError, match="holds a finished run of cnn from before its code was changed; choose another"):
        check_replaceable(path, options, "pytorch", "new")
