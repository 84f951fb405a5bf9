"""Every published number has its source: the tables come again from the run.json files that are committed."""

from __future__ import annotations

import json
import re
import shutil
import sys
from pathlib import Path

import pytest
from paths import ROOT

from benchmarks import reference_results
from benchmarks.reference_results import ROWS, grids
from mnist_twice.recipes.recipe import RECIPES


@pytest.fixture
def docs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of docs/ that the table is written into, without any run in outputs/ beside it."""
    shutil.copytree(ROOT / "docs", tmp_path / "docs")
    monkeypatch.chdir(tmp_path)
    for name, path in (
        ("ROOT", tmp_path),
        ("RESULTS", tmp_path / "docs/results.md"),
        ("COPIES", tmp_path / "docs/results"),
    ):
        monkeypatch.setattr(reference_results, name, path)
    monkeypatch.setattr(sys, "argv", ["reference_results.py", "--write-only"])
    return tmp_path / "docs"


def rows_of(text: str) -> dict[tuple[str, str], list[str]]:
    """Return the cells behind row and framework of each line of the table in docs/results.md."""
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("|")]
    return {(row, framework): cells for row, _, _, framework, *cells in lines[2:]}


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


@pytest.mark.slow
def test_the_published_table_comes_from_the_committed_runs(docs: Path) -> None:
    before = contents(docs), contents(docs / "results")
    assert reference_results.main() == 0
    assert (contents(docs), contents(docs / "results")) == before


def test_the_readme_says_what_the_table_says() -> None:
    published = rows_of((ROOT / "docs" / "results.md").read_text(encoding="utf-8"))
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    lines = re.findall(
        r"^\| `([a-z0-9-]+)`, (MNIST|Fashion-MNIST)[^|]*\| [^|]* \| [^|]* "
        r"\| ([\d.]+) \| ([\d.]+) \| (\d+)(?: and (\d+))? \|$",
        readme,
        re.MULTILINE,
    )
    assert len(lines) == len(published) / 2
    for (model, data, *accuracies, n, n_other), row in zip(lines, ROWS, strict=True):
        assert model in RECIPES
        grid = grids(row)[-1]
        assert (grid.model, grid.dataset) == ((model,), data.lower())
        for framework, accuracy, count in zip(("PyTorch", "TensorFlow"), accuracies, (n, n_other or n), strict=True):
            assert published[row.name, framework][0] == count
            mean = float(published[row.name, framework][1])
            assert float(accuracy) == pytest.approx(mean, abs=0.0051), (row.name, framework)


@pytest.mark.slow
def test_only_runs_of_the_row_s_recipe_count(docs: Path) -> None:
    results = docs / "results"
    (results / "mlp-pytorch-s1.json").unlink()
    changed = results / "mlp-tensorflow-s2.json"
    info = json.loads(changed.read_text())
    changed.write_text(json.dumps({**info, "recipe": {**info["recipe"], "epochs": 60}}))
    (results / "lenet5-pytorch-s0.json").write_text("{")
    # A run of one's own counts before the copy.
    mine = docs.parent / "outputs" / "experiments" / "lenet5" / "runs" / "mnist-lenet5-tensorflow"
    mine.mkdir(parents=True)
    info = json.loads((results / "lenet5-tensorflow-s0.json").read_text())
    (mine / "run.json").write_text(json.dumps({**info, "test": {**info["test"], "accuracy": 0.5}}))
    reference_results.main()
    after = rows_of((docs / "results.md").read_text(encoding="utf-8"))
    assert [after["mlp", framework][0] for framework in ("PyTorch", "TensorFlow")] == ["2", "2"]
    assert after["lenet5", "PyTorch"][0] == "2"
    assert after["lenet5", "TensorFlow"][3].startswith("50.00 to ")
