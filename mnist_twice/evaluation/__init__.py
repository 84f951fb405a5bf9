"""Evaluation: one run, several runs compared, ensembles, disputed labels of the test set, robustness, tables.

What takes long to import (`corruptions`, `robustness`) is not imported here.
"""

from mnist_twice.evaluation.compare import (
    SIGNIFICANT,
    Comparison,
    PairComparison,
    RecipeSummary,
    compare_pair,
    compare_runs,
    holm,
    why_not_compared,
)
from mnist_twice.evaluation.ensemble import write_ensemble
from mnist_twice.evaluation.evaluate import (
    MANY_CLASSES,
    Evaluation,
    WriterScores,
    disputed_labels,
    evaluate_run,
    name_intervals,
)
