"""Figures in windows: what --show does."""

from collections.abc import Sequence

import matplotlib
import matplotlib.pyplot as plt
from matplotlib.backends.registry import BackendFilter, backend_registry
from matplotlib.figure import Figure

from digits.errors import UserError


def check_display() -> None:
    """Raise UserError where no window can be opened."""
    try:
        backend = matplotlib.get_backend()  # tries those that are installed, and falls back on one without windows
        plt.switch_backend(backend)
    except ImportError as error:
        raise UserError(f"--show cannot open a window ({error}); leave it out: the figures are files too.") from error
    windowless = backend_registry.list_builtin(BackendFilter.NON_INTERACTIVE)  # type: ignore[no-untyped-call]
    if backend.lower() in windowless:
        raise UserError(
            "--show needs a display and a toolkit for windows such as Tk, and found none; leave it out: the figures "
            "are files too."
        )


def show_figures(figures: Sequence[Figure]) -> None:
    """Open each figure in a window and return when all of them were closed."""
    for figure in figures:
        plt.figure(figure)
    plt.show()
    plt.close("all")
