"""Can a figure be read: do its texts lie inside it, and none on another?"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.text import Text

from mnist_twice.figures.style import figure_style


def words(figure: Figure) -> str:
    return " ".join(text.get_text().replace("\n", " ") for text in figure.texts)


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


def assert_readable(figure: Figure | None) -> None:
    """Slanted texts, whose boxes are larger than they are, must lie inside, and may lie beside others."""
    assert figure is not None
    with figure_style():
        FigureCanvasAgg(figure).draw()
    boxes = [(text, text.get_window_extent()) for text in all_texts(figure)]
    for text, box in boxes:
        assert box.x0 >= -1, text
        assert box.y0 >= -1, text
        assert box.x1 <= figure.bbox.width + 1, text
        assert box.y1 <= figure.bbox.height + 1, text
    upright = [(text, box.padded(-1)) for text, box in boxes if text.get_rotation() in (0, 90)]
    lows, highs = (np.array([getattr(box, name) for _, box in upright]) for name in ("min", "max"))
    meet = (lows[:, None] < highs).all(axis=2) & (highs[:, None] > lows).all(axis=2)
    for i, j in np.argwhere(np.triu(meet, 1)):
        raise AssertionError((upright[i][0], upright[j][0]))
