"""What the page says: which runs it shows, whether they agree, and what to do where there is none."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from drawings import SEVEN, photo_of
from linear_run import make_linear_run

from digits.photos.read import Photo
from digits.prediction import TrainedRun
from digits.web.answers import Networks, Reading, as_html, as_json, read_digit

TEN = tuple("0123456789")


def reading_of(*read: tuple[str, str, int, float]) -> Reading:
    """Return a reading by runs of this name and framework, of this digit with this probability."""
    runs = [TrainedRun(name, Path(), framework, TEN, None) for name, framework, _, _ in read]
    rows = [np.where(np.arange(10) == digit, sure, (1 - sure) / 9).astype(np.float32) for *_, digit, sure in read]
    image = np.zeros((28, 28), np.uint8)
    return Reading(runs, SimpleNamespace(image=image, box=(1, 2, 3, 4)), rows)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("read", "verdict"),
    [
        ([("a", "pytorch", 3, 0.99)], "It is a 3"),
        ([("a", "pytorch", 3, 0.99), ("b", "tensorflow", 3, 0.4)], "They agree: 3 (not sure)"),
        ([("a&b", "pytorch", 3, 0.99), ("b", "pytorch", 5, 0.99)], "They disagree: a&amp;b says 3, b says 5"),
    ],
)
def test_verdicts(read: list[tuple[str, str, int, float]], verdict: str) -> None:
    reading = reading_of(*read)
    html = as_html(reading, "a <note>")
    assert f"{verdict}</p>" in html
    assert "a &lt;note&gt;" in html
    assert html.count('class="bar first"') == len(read)
    answer = as_json(reading)
    assert [run["digit"] for run in answer["runs"]] == [digit for _, _, digit, _ in read]
    assert answer["agree"] == (len({digit for _, _, digit, _ in read}) == 1)


def test_without_a_run_it_says_what_to_do_and_finds_it_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    networks, photo = Networks([], tmp_path), Photo(photo_of(SEVEN), (200, 200))
    now = 100.0
    monkeypatch.setattr("digits.web.answers.time", SimpleNamespace(monotonic=lambda: now))

    def shown() -> str:
        return as_html(read_digit(photo, networks), networks.note())

    assert "python mnist_pytorch.py" in shown()
    for framework, verdict, missing in (("pytorch", "It is a", "mnist_tensorflow.py"), ("tensorflow", "agree:", "")):
        make_linear_run(tmp_path, framework=framework)
        now += 2
        assert verdict in shown()
        assert missing in networks.note()
    assert networks.note() == ""
    named = Networks([networks.find()[1].name] * 2, tmp_path)
    assert as_html(read_digit(photo, named)).count("<small>mnist-cnn-tensorflow</small>") == 2
    assert "No digit here yet" in as_html(read_digit(Photo(np.full((90, 90), 255, np.uint8), (90, 90)), networks))
