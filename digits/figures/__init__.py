"""Figures: one module for each family of figures, the list of all of them, and report.html.

May import: files, data, recipes, training (augmentation, the best epoch), runs and evaluation.
"""

from digits.figures.cache import FigureCache
from digits.figures.html import write_page
from digits.figures.registry import FigureSpec
from digits.figures.render import RenderedFigure, Rendering, render_all, render_figures
from digits.figures.report import write_report
