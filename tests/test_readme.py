"""The README tells the truth about the options, and names only files that are there. (CI runs its commands.)"""

from __future__ import annotations

import dataclasses
import re

import pytest
from paths import ROOT

from digits.data.datasets import DATASETS
from digits.training.model_table import ZOO
from digits.training.options import Options
from digits.training.recipe import RECIPES

README = (ROOT / "README.md").read_text(encoding="utf-8")


def section(title: str) -> str:
    """Return the README's text under the heading that begins with `title`."""
    return re.split(r"^#+ ", README.split(f"# {title}", 1)[1], maxsplit=1, flags=re.MULTILINE)[0]


def test_training_options_and_defaults_are_those_of_the_recipe() -> None:
    rows = dict(re.findall(r"^\| `--([a-z-]+)` \| `([^`]+)` \|", section("mnist_pytorch.py and"), re.MULTILINE))
    options = Options(RECIPES["cnn"])
    fields = {}
    for part in (options.recipe, options.recipe.augmentation, options):
        fields |= {field.name: getattr(part, field.name) for field in dataclasses.fields(part)}
    del fields["recipe"], fields["augmentation"]
    assert rows == {name.replace("_", "-"): shown(default) for name, default in fields.items()}


def shown(default: object) -> str:
    """Return the default as the table shows it."""
    if isinstance(default, tuple):
        return " ".join(map(str, default))
    return {False: "off", None: "none"}[default] if default is None or default is False else str(default)


def test_every_network_is_in_the_table_with_its_parameters() -> None:
    rows = re.findall(r"^\| `([a-z0-9-]+)` \| ([\d,]+) \|", section("The networks"), re.MULTILINE)
    counts = {name: f"{entry.trainable + entry.non_trainable:,}" for name, entry in ZOO.items()}
    assert rows == list(counts.items())


def test_every_dataset_is_named_with_its_licence() -> None:
    for name in DATASETS:
        assert f"`{name}`" in section("download_mnist.py")
    for holder in ("Yann LeCun", "Zalando SE", "Center for Open"):
        assert holder in section("Licences")


@pytest.mark.parametrize("path", sorted(set(re.findall(r"\b(?:benchmarks|docs|models|digits)/[\w.]+\w", README))))
def test_files_that_it_names_are_there(path: str) -> None:
    assert (ROOT / path).exists()


def test_scripts_that_it_runs_are_there() -> None:
    scripts = set(re.findall(r"^python (\S+\.py)", README, re.MULTILINE))
    assert {"download_mnist.py", "mnist_pytorch.py", "mnist_tensorflow.py", "visualize_results.py"} <= scripts
    for script in scripts:
        assert (ROOT / script).is_file()


def test_every_target_of_make_that_it_names_is_in_the_makefile() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"^make ([a-z]+)|`make ([a-z]+)`", README, re.MULTILINE):
        assert re.search(rf"^{''.join(target)}:", makefile, re.MULTILINE)
