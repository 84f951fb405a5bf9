"""What an experiment leaves to read: files, whole; a page that needs nothing from anywhere."""

from __future__ import annotations

import html
from dataclasses import replace
from pathlib import Path

import pytest
from browser import CHROMIUM, complaints
from make_experiments import make_grid, make_search, unfinished

from digits.experiments.report import write_results

pytestmark = pytest.mark.slow


def test_all_files_of_a_search(tmp_path: Path) -> None:
    search = make_search()
    written, rendering = write_results(search, tmp_path, formats=("png", "svg"), command="python run_experiment.py x")
    assert [path.name for path in written] == ["trials.csv", "summary.csv", "report.html"]
    names = ["history", "slices", "parallel_coordinates", "importance", "timeline"]
    assert [path.name for path in rendering.files] == [f"{name}.{end}" for name in names for end in ("png", "svg")]
    assert {path.name for path in tmp_path.iterdir()} == {
        *(path.name for path in [*written, *rendering.files]),
        *(".figures", ".figures.json"),
    }
    page = html.unescape((tmp_path / "report.html").read_text())
    assert page.count('<svg class="figure"') == 5
    assert "60 of 60 trials ended: 36 complete, 24 pruned. Pruning saved 31 % of the epochs" in page
    assert "python run_experiment.py x" in page
    assert "The best of many trials looks better than it is" in page


def test_only_what_changed_is_rendered_again(tmp_path: Path) -> None:
    assert write_results(unfinished(make_grid(), 22, 3), tmp_path)[1].new == 2
    assert write_results(unfinished(make_grid(), 22, 3), tmp_path)[1].new == 0
    assert write_results(make_grid(), tmp_path)[1].new == 2


def test_whatever_text_comes_from_elsewhere_is_text(tmp_path: Path) -> None:
    grid = make_grid(1)
    evil = replace(grid.trials[0], state="failed", error="<script>alert(1)</script>\nlast \x1b[2J", trainings=())
    grid = replace(grid, trials=(evil, *grid.trials[1:]), name="<b>name")
    write_results(grid, tmp_path, verdicts=["better & <best>"])
    page = (tmp_path / "report.html").read_text()
    assert "<script" not in page
    assert "<b>name" not in page
    assert "\x1b" not in page
    assert '<p class="verdict">better &amp; &lt;best&gt;</p>' in page


def test_what_cannot_be_written_is_named_and_the_rest_is_there(tmp_path: Path) -> None:
    (tmp_path / "summary.csv").mkdir()
    (tmp_path / "combinations.png").mkdir()
    written, rendering = write_results(make_grid(1), tmp_path)
    assert [path.name for path in written] == ["trials.csv", "report.html"]
    assert len(rendering.faults) == 2
    assert all(name in " ".join(rendering.faults) for name in ("summary.csv", "combinations.png"))
    assert (tmp_path / "timeline.png").is_file()


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
def test_a_browser_shows_the_page_without_a_complaint_or_a_request(tmp_path: Path) -> None:
    write_results(make_search(9), tmp_path)
    assert complaints(tmp_path / "report.html", tmp_path) == []
