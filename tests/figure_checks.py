"""Can a figure be read: do its texts lie inside it, and none on another?"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.text import Text

from digits.figures.style import figure_style


def words(figure: Figure) -> str:
    return " ".join(text.get_text() for text in figure.texts)


def panels(figure: Figure) -> list[Axes]:
    return [axes for axes in figure.axes if axes.get_xlabel() == "Predicted class"]


def contrast(first: str, second: str) -> float:
    """Return the ratio of contrast of two colours, '#rrggbb' (WCAG 2.1, 1.4.3)."""
    luminances = []
    for colour in (first, second):
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]
        luminances.append(0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2])
    dark, light = sorted(luminances)
    return (light + 0.05) / (dark + 0.05)


def corners(text: Text, figure: Figure) -> np.ndarray:
    """Return the four corners of the text as drawn, slanted where it is slanted, in pixels."""
    renderer = figure.canvas.get_renderer()  # type: ignore[attr-defined]
    angle = text.get_rotation()
    x, y = text.get_transform().transform(text.get_unitless_position())
    text.set_rotation(0)
    # Unslanted, the box lies at the anchor as it does slanted, since we slant about the anchor (rotation_mode).
    box = text.get_window_extent(renderer)
    text.set_rotation(angle)
    if angle in (0, 90):
        box = text.get_window_extent(renderer)
        return box.corners()[[0, 1, 3, 2]]
    assert text.get_rotation_mode() == "anchor"
    turn = np.deg2rad(angle)
    matrix = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    return (box.corners()[[0, 1, 3, 2]] - (x, y)) @ matrix.T + (x, y)


def overlap(a: np.ndarray, b: np.ndarray) -> float:
    """Return by how many pixels two convex quadrilaterals overlap (separating axes), 0 or less if they do not."""
    depths = []
    for polygon in (a, b):
        for start, end in itertools.pairwise([*polygon, polygon[0]]):
            normal = np.array([end[1] - start[1], start[0] - end[0]])
            length = float(np.hypot(*normal))
            if length == 0:
                continue
            along_a, along_b = a @ normal / length, b @ normal / length
            depths.append(min(along_a.max(), along_b.max()) - max(along_a.min(), along_b.min()))
    return min(depths)


def all_texts(figure: Figure) -> Iterator[Text]:
    """Yield every text that is seen: matplotlib also keeps labels of ticks beyond the ends of an axis."""
    beyond = set()
    for axes in figure.axes:
        if not axes.axison:
            beyond |= {*axes.xaxis.findobj(Text), *axes.yaxis.findobj(Text)}
        for axis, index in ((axes.xaxis, 0), (axes.yaxis, 1)):
            low, high = sorted(axis.get_view_interval())
            for label in [*axis.get_ticklabels(minor=False), *axis.get_ticklabels(minor=True)]:
                if not low <= label.get_position()[index] <= high:
                    beyond.add(label)
    yield from (t for t in figure.findobj(Text) if t.get_text().strip() and t.get_visible() and t not in beyond)


def assert_readable(figure: Figure) -> None:
    with figure_style():
        FigureCanvasAgg(figure).draw()
    width, height = figure.bbox.width, figure.bbox.height
    boxes = []
    for text in all_texts(figure):
        box = corners(text, figure)
        boxes.append((text, box))
        assert box.min() >= 0, text
        assert box[:, 0].max() <= width, text
        assert box[:, 1].max() <= height, text
    lows, highs = (np.stack([extreme(box, axis=0) for _, box in boxes]) for extreme in (np.min, np.max))
    near = (lows[:, None] <= highs).all(axis=2) & (highs[:, None] >= lows).all(axis=2)
    for i, j in np.argwhere(np.triu(near, 1)):
        (first, a), (second, b) = boxes[i], boxes[j]
        assert overlap(a, b) <= 1, (first, second)  # a pixel of 100 an inch: boxes have a little air
    for axes in panels(figure):
        cells = axes.get_window_extent().corners()[[0, 1, 3, 2]]
        for text, box in boxes:
            inside = text in axes.texts
            assert inside or overlap(box, cells) <= 1, text  # no label reaches into the matrix
