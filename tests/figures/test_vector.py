"""Figures as parts of a page: the same drawing, small, for light and for dark pages."""

from __future__ import annotations

import base64
import io
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pytest
from make_runs import make_run
from PIL import Image

from digits.evaluation import evaluate_run
from digits.figures.confusion import plot_confusion
from digits.figures.page import Page
from digits.figures.predictions import plot_incorrect_predictions
from digits.figures.vector import COLOUR, as_fragment
from digits.runs import read_run

pytestmark = pytest.mark.slow

LABELS = np.arange(1000) % 10
IMAGES = np.random.default_rng(0).integers(0, 256, (1000, 28, 28), dtype=np.uint8)


def parsed(fragment: str) -> ElementTree.Element:
    space = 'xmlns:xlink="http://www.w3.org/1999/xlink" '
    return ElementTree.fromstring(fragment.replace("<svg ", f"<svg {space}", 1))


def test_images_keep_their_pixels(tmp_path: Path) -> None:
    run = read_run(make_run(tmp_path, labels=LABELS, error_rate=0.02))
    evaluation = evaluate_run(run)
    figure = plot_incorrect_predictions(evaluation, IMAGES)
    assert isinstance(figure, Page)
    root = parsed(as_fragment(figure, "a" * 64))
    images = root.findall(".//image")
    assert len(images) == len(evaluation.errors)
    for image, index in zip(images, evaluation.errors, strict=True):
        assert image.get("class") == "ink"
        data = base64.b64decode(image.attrib["{http://www.w3.org/1999/xlink}href"].partition("base64,")[2])
        pixels = np.asarray(Image.open(io.BytesIO(data)).convert("L")).astype(int)
        assert np.abs(pixels - (255 - IMAGES[index].astype(int))).max() <= 1  # a map of 256 colours rounds
    texts = [text.text for text in root.iter("text")]
    assert texts[1::2] == [f"label {run.labels[index]}" for index in evaluation.errors]
    assert all(text.get_visible() for text in figure.header_texts)  # as they were


def test_the_header_is_left_out_and_every_colour_can_change(tmp_path: Path) -> None:
    figure = plot_confusion(read_run(make_run(tmp_path, labels=LABELS, error_rate=0.1)))
    assert isinstance(figure, Page)
    fragment, again, other = (as_fragment(figure, letter * 64) for letter in "aab")
    assert fragment == again
    assert set(re.findall(' id="([^"]*)"', fragment)).isdisjoint(re.findall(' id="([^"]*)"', other))
    assert figure.words.title not in fragment
    assert "Predicted class" in fragment
    assert COLOUR.search(fragment)
    assert not re.search(r"(fill|stroke): ?#", fragment)
    assert re.findall('class="([a-z]+)"', fragment) == ["figure", *["light", "dark"] * 2]  # the colour bars
    assert len(fragment) < 45_000
    assert "\n" not in fragment
