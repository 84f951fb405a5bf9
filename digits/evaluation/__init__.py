"""Evaluation: one run, several runs compared, ensembles, wrong labels of the test set, robustness, tables of numbers.

May import: files, data, recipes, training (the images a run was evaluated on), runs and prediction. What takes long
to import (`corruptions`, `robustness`) is not imported here.
"""

from digits.evaluation.compare import Comparison, PairComparison, compare_pair, compare_runs, why_not_compared
from digits.evaluation.ensemble import write_ensemble
from digits.evaluation.evaluate import MANY_CLASSES, Evaluation, evaluate_run, name_intervals
from digits.evaluation.label_errors import known_label_errors
from digits.evaluation.recipes import RecipeSummary
from digits.evaluation.writers import WriterScores, missing_writers
