"""Figures: one module for each family of figures, the list of all of them (`registry`), and report.html."""

from mnist_twice.figures.registry import FIGURES
from mnist_twice.figures.render import Rendering, render_all
from mnist_twice.figures.report import write_page, write_report
