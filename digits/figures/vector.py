"""A figure as part of a page: SVG without the header, in colours for light and for dark pages."""

from __future__ import annotations

import base64
import colorsys
import io
import re

import matplotlib
import numpy as np
from matplotlib.backends.backend_svg import FigureCanvasSVG
from PIL import Image

from digits.figures.page import Page
from digits.figures.style import DOTS_PER_INCH, figure_style
from digits.names import plain

DARK_GROUND = 0.09  # the lightness that white gets; black gets 1

COLOUR = re.compile(r"var\(--c([0-9a-f]{6})\)")
"""How a colour stands in a fragment: a CSS variable, which the page gives a value for light and one for dark."""

NUMBER = r"(-?[\d.]+)"
RECTANGLE = rf'd="M {NUMBER} {NUMBER} L {NUMBER} \2 L \3 {NUMBER} L \1 \4 (?:z|L \1 \2)"'


def as_fragment(figure: Page, key: str) -> str:
    """Return an <svg> element that may stand in a page among others; key: distinguishes its ids from those of others.

    Its texts stay text, which a page can search and show in its own font. Images of ink get the class "ink"; the page
    inverts them where it is dark. Coloured ones are there twice, of the classes "light" and "dark".
    """
    buffer = io.StringIO()
    for text in figure.header_texts:
        text.set_visible(False)
    figure.patch.set_visible(False)
    with figure_style(), matplotlib.rc_context({"svg.hashsalt": key, "svg.fonttype": "none"}):
        FigureCanvasSVG(figure).print_figure(buffer, format="svg", dpi=DOTS_PER_INCH, metadata={"Date": None})
    figure.patch.set_visible(True)
    for text in figure.header_texts:
        text.set_visible(True)
    width, height = figure.get_size_inches()
    size = f'width="{96 * width:.0f}" height="{96 * (height - figure.header):.0f}"'
    place = f"0 {72 * figure.header:.1f} {72 * width:.1f} {72 * (height - figure.header):.1f}"
    _, _, drawing = buffer.getvalue().partition("</metadata>")
    drawing = re.sub(r'<image (?:[^>"]|"[^"]*")*>', lambda found: _images(found[0]), drawing)
    return plain(f'<svg class="figure" {size} viewBox="{place}">{_shorter(drawing)}')


def dark_colour(colour: str) -> str:
    """Return 'rrggbb' as it is on a dark page: with the same hue and saturation, dark where it was light."""
    hue, lightness, saturation = colorsys.rgb_to_hls(*(value / 255 for value in bytes.fromhex(colour)))
    rgb = colorsys.hls_to_rgb(hue, DARK_GROUND + (1 - DARK_GROUND) * (1 - lightness), saturation)
    return "".join(f"{round(255 * value):02x}" for value in rgb)


def _shorter(drawing: str) -> str:
    """Return the drawing with a third of the letters that matplotlib takes for it."""
    drawing = re.sub(r"<!--.*?-->|<style.*?</style>", "", drawing, flags=re.DOTALL)
    drawing = re.sub(r"\s*\n\s*", " ", drawing)
    drawing = re.sub(r"(?<=>) (?=<)| (?=/>)", "", drawing)
    drawing = re.sub(r'(<g) id="[^"]*"', r"\1", drawing)
    drawing = re.sub(r' (?:d|x|y|width|height|transform)="[^"]*"', lambda found: _rounded(found[0]), drawing)
    drawing = re.sub(r' transform="rotate\(-?0 [^"]*"', "", drawing)
    drawing = re.sub(r'style="[^"]*"', lambda found: _style(found[0]), drawing)
    drawing = re.sub(RECTANGLE, r'd="M\1 \2H\3V\4H\1z"', drawing).replace("<g/>", "")
    for _ in range(2):
        drawing = re.sub(r"<g>((?:<text[^>]*>[^<]*</text>|<(?:path|image|use)[^>]*/>)*)</g>", r"\1", drawing)
    return drawing.replace("<defs></defs>", "").replace("<defs/>", "")


def _rounded(attribute: str) -> str:
    digits = 4 if "matrix" in attribute else 1 if ' d="' in attribute else 2
    return re.sub(rf"(\.\d{{{digits}}})\d+", r"\1", attribute).replace(' "', '"')


def _style(attribute: str) -> str:
    attribute = re.sub(r"font-family: [^;\"]*;? ?", "", attribute)
    return re.sub(r"(fill|stroke):#([0-9a-f]{6})", r"\1:var(--c\2)", re.sub(r"([:;]) ", r"\1", attribute))


def _images(element: str) -> str:
    """Return the <image> element with its pixels as WebP, smaller than PNG: grey as ink, a coloured one twice."""
    code = re.search(r"data:image/png;base64,([^\"]*)", element)
    assert code
    pixels = np.array(Image.open(io.BytesIO(base64.b64decode(code[1]))).convert("RGBA"))
    element = re.sub(r' (?:id|style)="[^"]*"', "", element)

    def with_pixels(image: Image.Image, name: str) -> str:
        buffer = io.BytesIO()
        image.save(buffer, "webp", lossless=True, quality=100, method=6)
        data = base64.b64encode(buffer.getvalue()).decode()
        return element.replace(code[0], f"data:image/webp;base64,{data}").replace(
            "<image ", f'<image class="{name}" ', 1
        )

    red, green, blue, alpha = (pixels[..., channel] for channel in range(4))
    if (alpha == 255).all() and (red == green).all() and (green == blue).all():
        return with_pixels(Image.fromarray(red), "ink")
    palette, inverse = np.unique(pixels[..., :3] @ np.array([1 << 16, 1 << 8, 1]), return_inverse=True)
    dark = np.array([list(bytes.fromhex(dark_colour(f"{colour:06x}"))) for colour in palette], dtype=np.uint8)
    dark_pixels = np.dstack([dark[inverse.reshape(alpha.shape)], alpha])
    return with_pixels(Image.fromarray(pixels), "light") + with_pixels(Image.fromarray(dark_pixels), "dark")
