"""Robustness: how well trained networks classify images that are corrupted in 15 ways, after MNIST-C.

May import: files, data, recipes, training (the images a run was evaluated on), runs, evaluation and prediction.
"""

from digits.robustness.corruptions import CORRUPTIONS, STRENGTHS, corrupt
from digits.robustness.measure import measure_robustness
from digits.robustness.results import Robustness, read_robustness, robustness_as_csv, robustness_as_text
