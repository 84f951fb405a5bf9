"""Every published number has its source: the tables come again from the run.json files that are committed."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from paths import ROOT

from benchmarks import reference_results
from benchmarks.reference_results import ROWS, compared, grid, numbers, trainings
from mnist_twice.data import FASHION_MNIST, MNIST, fingerprint
from mnist_twice.experiments.definition import grid_definition, recipe_of, values_of
from mnist_twice.names import FRAMEWORKS
from mnist_twice.recipes import complete_record, recipe_record


@pytest.fixture
def docs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of README.md and docs/ that the tables are written into."""
    shutil.copytree(ROOT / "docs", tmp_path / "docs")
    shutil.copy(ROOT / "README.md", tmp_path)
    monkeypatch.chdir(tmp_path)
    for name, path in (
        ("ROOT", "."),
        ("README", "README.md"),
        ("RESULTS", "docs/results.md"),
        ("COPIES", "docs/results"),
    ):
        monkeypatch.setattr(reference_results, name, tmp_path / path)
    monkeypatch.setattr(sys, "argv", ["reference_results.py", "--write-only"])
    return tmp_path / "docs"


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_the_published_tables_come_from_the_committed_runs(docs: Path) -> None:
    before = contents(docs), contents(docs / "results"), contents(docs.parent)
    assert reference_results.main() == 0
    assert (contents(docs), contents(docs / "results"), contents(docs.parent)) == before


def test_the_committed_runs_are_those_of_the_rows() -> None:
    fingerprints = {entry.name: fingerprint(entry.sha256) for entry in (MNIST, FASHION_MNIST)}
    count = 0
    for row, framework in ((row, framework) for row in ROWS for framework in FRAMEWORKS):
        options = grid(row)
        definition, _ = grid_definition(options, fingerprints[options.dataset])
        for info in trainings(row, framework):
            values = values_of(definition, {}) | {"framework": framework, "seed": info["seed"]}
            assert complete_record(info["recipe"]) == recipe_record(recipe_of(definition, values))
            found = info["framework"], info["dataset_fingerprint"], bool(info["init_from"])
            assert found == (framework, definition.dataset_fingerprint, bool(options.init_from))
            count += 1
    assert count == len(list((ROOT / "docs" / "results").glob("*.json")))


def test_a_run_of_one_s_own_replaces_the_copy(docs: Path) -> None:
    mine = docs.parent / "outputs" / "experiments" / "lenet5" / "runs" / "mnist-lenet5-tensorflow"
    mine.mkdir(parents=True)
    info = json.loads((docs / "results" / "lenet5-tensorflow-s0.json").read_text())
    info |= {"test": {**info["test"], "accuracy": 0.5}, "hardware": {**info["hardware"], "threads": 7}}
    (mine / "run.json").write_text(json.dumps(info))
    reference_results.main()
    (line,) = (line for line in (docs / "results.md").read_text().splitlines() if "| 50.00 to " in line)
    assert line.startswith("| lenet5 | 98.6 (Keras comparison) | TensorFlow | 3 | ")
    assert "| -, 7 |" in line


def test_the_interval_covers_what_seeds_and_writers_leave_open() -> None:
    """Simulated: 94 to 98 % of the intervals of three seeds contain the expected accuracy, 99 %."""
    rng = np.random.default_rng(0)
    inside = 0
    for _ in range(2000):
        found = 0.99 + rng.normal(0, 0.001) + rng.normal(0, 0.0005, 3)  # the test images' part is the same for all
        tests = [{"accuracy": one, "writer_interval_95": (one - 0.00196, one + 0.00196)} for one in found]
        infos = [{"test": test, "recipe": {"epochs": 1}, "hardware": {}, "seconds": {"training": 1}} for test in tests]
        low, high = map(float, numbers(infos).split(" | ")[2].split(" to "))
        inside += low <= 99 <= high
    assert 1880 <= inside <= 1960


def test_frameworks_are_equivalent_only_if_the_interval_says_so() -> None:
    rng = np.random.default_rng(0)
    alike = [rng.normal(99, 0.02, (2, 3)).tolist() for _ in range(12)]
    assert "are equivalent within 0.1 points" in compared(alike)
    assert "No single recipe differs" in compared(alike)
    other = [[[a + 0.2 for a in pytorch], tensorflow] for pytorch, tensorflow in alike]
    assert "have not been shown to be equivalent" in compared(other)
    assert "At least one recipe differs" in compared(other)
    # With 20 in each of two groups, a t test finds a difference of 0.91 standard deviations in 80 % of all cases.
    spread = [rng.normal(99, 1, (2, 20)).tolist() for _ in range(2)]
    low, high = compared(spread).rpartition("power: ")[2].split(" (")[0].split(" to ")
    assert float(low) <= float(high) == pytest.approx(0.91, abs=0.2)
