"""Figures: one module for each family of figures, the list of all of them (`registry`), and report.html.

May import: files, data, recipes, training (augmentation, the best epoch), runs and evaluation.
"""

from digits.figures.html import write_page
from digits.figures.registry import FIGURES
from digits.figures.render import Rendering, render_all
from digits.figures.report import write_report
