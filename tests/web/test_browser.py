"""report.html in a real browser: nothing to complain about, nothing asked for, to be read in light, dark and small."""

from __future__ import annotations

import html
import json
from pathlib import Path

import numpy as np
import pytest
from browser import CHROMIUM, open_page, read_elements, requested, take_screenshot
from matplotlib.image import imread
from picture_runs import add_info, make_sample_run

from digits.evaluation.evaluate import evaluate_run
from digits.figures.render import render_all
from digits.figures.report import write_report
from visualize_results import FIGURES

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed; on Debian: apt-get install chromium"),
]

HOSTILE = "<script>console.error('broken out')</script><img src=http://example.invalid/x.png>"


@pytest.fixture(scope="module")
def page(workplace: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report on three runs, one of which has markup in every text that it has."""
    outputs, data_dir = tmp_path_factory.mktemp("outputs"), workplace / "mnist_data"
    runs = [make_sample_run(outputs, data_dir, framework) for framework in ("pytorch", "tensorflow")]
    names = [f"{HOSTILE}{digit}" for digit in range(10)]
    hostile = make_sample_run(outputs, data_dir, model=HOSTILE, class_names=names, folder=HOSTILE.replace("/", "|"))
    runs.append(add_info(hostile.path, command=HOSTILE, versions={HOSTILE: HOSTILE}, hardware={HOSTILE: HOSTILE}))
    rendering = render_all([evaluate_run(run) for run in runs], outputs, data_dir, only=FIGURES, formats=["png"])
    assert rendering.faults == []
    write_report(rendering, outputs / "report.html", [HOSTILE])
    return outputs / "report.html"


def test_the_console_is_silent_and_nothing_is_asked_for(page: Path, tmp_path: Path) -> None:
    assert take_screenshot(page, tmp_path / "page.png", 1200, 1600) == ""
    assert requested(page, tmp_path) == []


def test_the_browser_would_tell(tmp_path: Path) -> None:
    page = tmp_path / "bad.html"
    page.write_text(f"<p>{HOSTILE}</p>")
    assert "broken out" in take_screenshot(page, tmp_path / "bad.png", 300, 200)
    assert requested(page, tmp_path) == ["http://example.invalid/x.png"]


def test_markup_in_names_stays_text(page: Path, tmp_path: Path) -> None:
    elements = read_elements(page, tmp_path)
    assert "<script" not in elements
    assert "example.invalid/x.png&gt;" in elements
    assert "<img " not in elements
    assert elements.count('<svg class="figure"') > 20


def test_light_dark_and_phone(page: Path, tmp_path: Path) -> None:
    shots = {}
    for name, width, dark in (("light", 1200, False), ("dark", 1200, True), ("phone", 500, False)):
        take_screenshot(page, tmp_path / f"{name}.png", width, 1000, dark=dark)
        shots[name] = imread(tmp_path / f"{name}.png")[..., :3]
        assert shots[name].shape == (1000, width, 3)
        assert len(np.unique((255 * shots[name]).astype(np.uint8).reshape(-1, 3), axis=0)) > 50  # not an empty page
    corner = {name: shot[2, 2].mean() for name, shot in shots.items()}
    assert corner["light"] == corner["phone"] == 1
    assert corner["dark"] < 0.2


def test_a_phone_need_not_scroll_sideways(page: Path, tmp_path: Path) -> None:
    """Neither the page nor a table in it, all parts unfolded, at 390 pixels."""
    # A browser's window has a least width, and a page may not run scripts: one with a frame of that width measures it.
    text = html.escape(page.read_text(encoding="utf-8").replace("<details>", "<details open>"))
    measure = """<script>onload = () => {
        const inside = document.querySelector("iframe").contentDocument, root = inside.documentElement
        const parts = [...inside.querySelectorAll(".scroll, .frame")]
        const wider = parts.filter(one => one.scrollWidth > one.clientWidth).map(one => one.textContent.slice(0, 60))
        const both = [...inside.querySelectorAll(".light, .dark")]
        const shown = both.filter(one => getComputedStyle(one).display != "none")
        const kinds = [...new Set(shown.map(one => one.getAttribute("class")))]
        document.title = JSON.stringify([root.scrollWidth, root.clientWidth, parts.length, wider, kinds])
    }</script>"""
    probe = tmp_path / "probe.html"
    frame = f'<iframe style="width: 390px; height: 900px; border: 0" srcdoc="{text}"></iframe>'
    probe.write_text(f"<!DOCTYPE html><title></title>{frame}{measure}", encoding="utf-8")
    result = open_page(probe, tmp_path, "--window-size=800,1000", "--dump-dom")
    title = result.stdout.partition("<title>")[2].partition("</title>")[0]
    wide, window, parts, wider, kinds = json.loads(html.unescape(title))
    assert wide <= window == 390
    assert wider == []
    assert parts > 20
    assert kinds == ["light"]  # of the two colour bars that every matrix has


def test_a_dark_page_has_no_pale_block(page: Path, tmp_path: Path) -> None:
    unfolded = tmp_path / "unfolded.html"
    unfolded.write_text(page.read_text(encoding="utf-8").replace("<details>", "<details open>"), encoding="utf-8")
    shares = {}
    for dark in (False, True):
        take_screenshot(unfolded, tmp_path / "page.png", 1200, 12_000, dark=dark)
        pixels = imread(tmp_path / "page.png")[..., :3]
        shares[dark] = float((pixels.mean(axis=2) > 0.8).mean())
    assert shares[False] > 0.8
    assert shares[True] < 0.04  # letters, and the ink of digits


def test_twenty_such_runs_would_take_less_than_5_mb(page: Path) -> None:
    assert page.stat().st_size / 3 * 20 < 5_000_000


def test_it_prints(page: Path, tmp_path: Path) -> None:
    open_page(page, tmp_path, f"--print-to-pdf={tmp_path / 'page.pdf'}", "--no-pdf-header-footer")
    pdf = (tmp_path / "page.pdf").read_bytes()
    assert pdf.startswith(b"%PDF")
    assert pdf.count(b"/Type /Page\n") > 10  # with what is folded on the screen
