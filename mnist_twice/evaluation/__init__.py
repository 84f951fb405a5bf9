"""Evaluation: one run, several runs compared, ensembles, wrong labels of the test set, robustness, tables of numbers.

May import: files, data, recipes, training (the images a run was evaluated on), runs and prediction. What takes long
to import (`corruptions`, `robustness`) is not imported here.
"""

from digits.evaluation.compare import (
    Comparison,
    PairComparison,
    RecipeSummary,
    compare_pair,
    compare_runs,
    why_not_compared,
)
from digits.evaluation.ensemble import write_ensemble
from digits.evaluation.evaluate import (
    MANY_CLASSES,
    Evaluation,
    confusion_matrix,
    evaluate_run,
    known_label_errors,
    name_intervals,
)
from digits.evaluation.writers import WriterScores, missing_writers
