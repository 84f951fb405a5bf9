"""The labels of MNIST's test set that are known to be wrong."""

import numpy as np
from numpy.typing import NDArray

from digits.data import MNIST, fingerprint
from digits.runs import Run

MNIST_TEST_LABEL_ERRORS = (947, 1621, 1901, 2130, 2462, 2597, 2654, 3520, 3558, 5937, 6651, 6783, 8527, 9679, 9729)
"""Indices into MNIST's 10,000 test images, from Northcutt, Athalye and Mueller (2021), 'Pervasive label errors in test
sets destabilize machine learning benchmarks', NeurIPS Datasets and Benchmarks, arXiv 2103.14749."""


def known_label_errors(run: Run) -> NDArray[np.int64]:
    """Return the indices of the run's test images whose label is known to be wrong, ascending, int64 (K,).

    These are MNIST's 15, if the run was tested on exactly those images (by the dataset's fingerprint), else none.
    """
    real = fingerprint([file.sha256 for file in MNIST.files])
    on_test = run.evaluated_on == "test"
    if not on_test or run.dataset != MNIST.name or run.fingerprint != real or run.labels.shape != MNIST.files[3].shape:
        return np.empty(0, dtype=np.int64)
    return np.array(MNIST_TEST_LABEL_ERRORS, dtype=np.int64)
