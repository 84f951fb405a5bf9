"""The table of docs/robustness.md comes again from the files that are committed, and takes up a new run."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from paths import ROOT

from benchmarks import robustness_results


def test_the_published_table_comes_from_the_committed_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page, copies = tmp_path / "robustness.md", tmp_path / "robustness"
    shutil.copy(ROOT / "docs" / "robustness.md", page)
    shutil.copytree(ROOT / "docs" / "results" / "robustness", copies)
    monkeypatch.setattr(robustness_results, "PAGE", page)
    monkeypatch.setattr(robustness_results, "COPIES", copies)
    before = page.read_text(encoding="utf-8")
    robustness_results.main([])
    assert page.read_text(encoding="utf-8") == before
    for seed, clean in enumerate((0.97, 0.99)):
        run = tmp_path / f"other-pytorch-s{seed}"
        run.mkdir()
        found = json.loads(next(copies.glob("cnn-*.json")).read_text(encoding="utf-8"))
        (run / "robustness.json").write_text(json.dumps({**found, "clean": clean}), encoding="utf-8")
        robustness_results.main([str(run)])
    assert "| other-pytorch | 2 | 98.00 ± 1.41 | " in page.read_text(encoding="utf-8")
