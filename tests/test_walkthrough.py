"""docs/walkthrough.ipynb is made from docs/walkthrough.py, and runs from start to end."""

from __future__ import annotations

import re
from pathlib import Path

import jupytext
import nbformat
import pytest
from nbclient import NotebookClient
from paths import ROOT

SCRIPT, NOTEBOOK = ROOT / "docs" / "walkthrough.py", ROOT / "docs" / "walkthrough.ipynb"
OURS = ("mnist_twice", "docs", *(path.name for path in ROOT.glob("*.py")))


def test_the_notebook_is_made_from_the_script() -> None:
    made, kept = jupytext.read(SCRIPT), nbformat.read(NOTEBOOK, as_version=4)
    cells = [[(cell.cell_type, cell.source) for cell in notebook.cells] for notebook in (made, kept)]
    assert cells[0] == cells[1], "run 'python -m jupytext --to ipynb docs/walkthrough.py'"
    assert not any(cell.get("outputs") for cell in kept.cells)


def test_links_lead_to_files() -> None:
    links = re.findall(r"\]\(([^)]+)\)", SCRIPT.read_text(encoding="utf-8"))
    assert all(link.startswith("https://") or (SCRIPT.parent / link).exists() for link in links)
    assert len(links) >= 4


@pytest.mark.nightly
def test_the_notebook_runs_on_the_sample(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in OURS:
        (tmp_path / name).symlink_to(ROOT / name)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    NotebookClient(notebook, timeout=240, resources={"metadata": {"path": str(tmp_path)}}).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    text = "".join(output.get("text", "") for output in outputs)
    for words in (
        *("mnist-sample-cnn-pytorch: 9", "mnist-sample-cnn-tensorflow: 9", "test images are classified differently"),
        *("report: outputs", "They predict different classes for"),
    ):
        assert words in text
    assert sum("image/png" in output.get("data", {}) for output in outputs) == 3
    assert (tmp_path / "outputs" / "report.html").is_file()
