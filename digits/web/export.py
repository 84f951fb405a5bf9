"""Write the drawing page as a static site that evaluates the networks itself, for GitHub Pages or any other server."""

import base64
import json
from collections.abc import Sequence
from pathlib import Path

from digits.errors import UserError
from digits.files import write_whole
from digits.names import FRAMEWORKS, spelled
from digits.prediction import SURE, TrainedRun
from digits.web.graph import READERS, Unknown, read_network

TEMPLATES = Path(__file__).parent / "templates"
MAX_BYTES = 3_000_000  # of the whole site: what a phone loads in a second or two
MARKER = '<meta name="generator" content="draw_digit.py">'


def export_site(runs: Sequence[TrainedRun], folder: Path) -> int:
    """Write the site into the folder, beside what else is in it, and return its size in bytes.

    UserError where a network has an operation that network.js lacks, where all would be larger than MAX_BYTES, or where
    the folder has a page of something else.
    """
    index = folder / "index.html"
    if index.exists() and MARKER not in index.read_text("utf-8", errors="replace"):
        raise UserError(f"'{index}' is a page of something else; give --export another folder.")
    canvas = f"function startCanvas(element, props, trigger) {{\n{_template('canvas.js')}}}\n"
    files = {
        "networks.js": f"const NETWORKS = {json.dumps([_network(run) for run in runs])};\n",
        "network.js": _template("network.js"),
        "normalize.js": _template("normalize.js"),
        "canvas.js": canvas,
        "site.js": _template("site.js"),
        "site.css": "".join(map(_template, ("site.css", "canvas.css", "answer.css"))),
        # Last: where the disk is full before it, there is no page without its parts.
        "index.html": _template("site.html")
        .replace("[[MARKER]]", MARKER)
        .replace("[[CANVAS]]", _template("canvas.html")),
    }
    size = sum(len(text.encode()) for text in files.values())
    if size > MAX_BYTES:
        raise UserError(
            f"with these networks the page has {size / 1e6:.1f} MB, more than {MAX_BYTES / 1e6:.0f}; "
            "choose smaller ones, or one alone, with --run."
        )
    for name, text in files.items():
        write_whole(folder / name, text)
    return size


def _network(run: TrainedRun) -> dict[str, object]:
    """Return what network.js evaluates, and what site.js says about it."""
    try:
        network = read_network(run.path / "model.onnx")
    except Unknown as error:
        known = ", ".join(READERS)
        raise UserError(f"'{run.name}' {error}; the page knows {known}. Choose another network with --run.") from None
    return {
        "run": run.name,
        "framework": spelled(run.framework) if run.framework in FRAMEWORKS else run.name,
        "classes": run.class_names,
        "sure": SURE,
        "steps": network.steps,
        "weights": base64.b64encode(network.weights.astype("<f4").tobytes()).decode(),
    }


def _template(name: str) -> str:
    return (TEMPLATES / name).read_text("utf-8")
