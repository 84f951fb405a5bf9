"""Write the drawing page as one file that evaluates the networks itself, for GitHub Pages or any other server."""

from collections.abc import Sequence
from pathlib import Path

from mnist_twice.errors import UserError
from mnist_twice.files import write_whole
from mnist_twice.prediction import SURE, TrainedRun
from mnist_twice.web.graph import read_network
from mnist_twice.web.page import TEMPLATES

MAX_BYTES = 3_000_000  # what a phone loads in a second or two


def export_site(runs: Sequence[TrainedRun], folder: Path) -> int:
    """Write index.html into the folder, beside what else is in it, and return its size in bytes.

    Raises UserError if a network has an operation that network.js lacks, if the page would be larger than MAX_BYTES,
    or if the folder has another page.
    """
    index = folder / "index.html"
    if index.exists() and 'name="generator" content="draw_digit.py"' not in index.read_text("utf-8", errors="replace"):
        raise UserError(f"'{index}' is not a page of draw_digit.py; give --export another folder.")
    names = " and ".join(run.name for run in runs)
    networks = [
        read_network(run.path / "model.onnx")
        | {"run": run.name, "framework": run.framework, "classes": run.class_names, "sure": SURE}
        for run in runs
    ]
    page = TEMPLATES.get_template("page.html").render(networks=networks, names=names)
    size = len(page.encode())
    if size > MAX_BYTES:
        fault = f"with these networks the page would have {size / 1e6:.1f} MB, more than {MAX_BYTES / 1e6:.0f}"
        raise UserError(f"{fault}; choose smaller ones, or one alone, with --run.")
    write_whole(index, page)
    return size
