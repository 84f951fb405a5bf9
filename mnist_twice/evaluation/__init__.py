"""Evaluation: one run, several runs compared, ensembles, wrong labels of the test set, robustness, tables of numbers.

What takes long to import (`corruptions`, `robustness`) is not imported here.
"""

from mnist_twice.evaluation.compare import (
    Comparison,
    PairComparison,
    RecipeSummary,
    compare_pair,
    compare_runs,
    why_not_compared,
)
from mnist_twice.evaluation.ensemble import write_ensemble
from mnist_twice.evaluation.evaluate import (
    MANY_CLASSES,
    Evaluation,
    WriterScores,
    evaluate_run,
    known_label_errors,
    missing_writers,
    name_intervals,
)
