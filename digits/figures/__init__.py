"""Figures: one module for each family of figures, the list of all of them, and report.html.

May import: files, data, training (augmentation, the best epoch), runs and evaluation.
"""

from digits.figures.render import Rendering, render_all
from digits.figures.report import write_report
