"""Parity: what --parity makes equal in both frameworks, so that only their arithmetic differs.

What differs by default, and is made equal here or in the networks: initial weights (Kaiming-uniform in PyTorch, Glorot-
uniform in Keras), the range of the pixels, the random numbers of dropout, Adam's epsilon (1e-8 and 1e-7, and Keras adds
it before the correction of the bias), and the variance that batch normalisation keeps (unbiased and biased). Its
constants, the order of the images and the order in which feature maps are flattened are always equal.
"""

import math
import zlib
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

PARITY_RANGE = (0.0, 1.0)  # what the raw pixels 0 and 255 become in both frameworks
EPSILON = 1e-8
"""Adam's, added after the correction of the bias: Kingma and Ba (2015), 'Adam', arXiv 1412.6980, Algorithm 1."""


def parity_weights(arrays: Mapping[str, NDArray[np.floating]], seed: int) -> dict[str, NDArray[np.float64]]:
    """Return weights float64 of the same names and shapes as `arrays`, which are laid out as in weights.safetensors.

    Arrays of two and more axes are normal with the variance 2 / fan-in of He et al. (2015), 'Delving deep into
    rectifiers', arXiv 1502.01852, from a generator keyed by seed and name; biases and running means are 0, scales and
    running variances 1.
    """
    weights = {}
    for name, array in arrays.items():
        if array.ndim >= 2:
            generator = np.random.default_rng([seed, zlib.crc32(name.encode())])
            fan_in = math.prod(array.shape[1:])
            weights[name] = generator.normal(0, math.sqrt(2 / fan_in), array.shape)
        else:
            weights[name] = np.full(array.shape, float(name.endswith((".weight", ".running_var"))))
    return weights
