"""The arithmetic of the default training, and the machine's speed at it; training_speed.py runs this in a process.

    python -m benchmarks.arithmetic_pytorch

Prints JSON: the floating-point operations that one image takes in a step of training, in its convolutions and dense
layers, a multiplication and an addition being two; and how many of them a second a large matrix product reaches here.
"""

import json
import time

import torch
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from digits.training import Options, Recipe
from models.pytorch.training import make_model

SIDE = 2048  # of the matrices: 16 MB each in float32, so that arithmetic and not memory decides
PRODUCTS = 10


def operations_per_image() -> float:
    """Return the operations of a step, forward and backward, divided by the images of its batch."""
    options = Options(Recipe())
    model = make_model(options, 10)
    images = torch.zeros(options.recipe.batch_size, 28, 28, dtype=torch.uint8)
    with FlopCounterMode(display=False) as counter:
        F.cross_entropy(model(images), torch.zeros(len(images), dtype=torch.int64)).backward()
    operations: int = counter.get_total_flops()
    return operations / len(images)


def operations_per_second() -> float:
    """Return the speed of products of two float32 matrices (SIDE, SIDE), after one to warm up."""
    left, right = torch.randn(2, SIDE, SIDE)
    left @ right
    started = time.perf_counter()
    for _ in range(PRODUCTS):
        left @ right
    return PRODUCTS * 2 * SIDE**3 / (time.perf_counter() - started)


print(json.dumps({"operations_per_image": operations_per_image(), "operations_per_second": operations_per_second()}))
