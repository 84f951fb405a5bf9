"""A data folder as torchvision's own classes read it."""

from __future__ import annotations

import hashlib
from types import ModuleType
from typing import Any

import numpy as np


def read(script: ModuleType, name: str, folder: str) -> list[list[Any]]:
    """Return what the class finds, for training and test: the arrays' hashes, the first image's size and its label."""
    from torchvision import datasets

    found = []
    for train in (True, False):
        dataset = getattr(datasets, name)(folder, train=train, download=False)
        image, label = dataset[0]
        arrays = dataset.data.numpy(), dataset.targets.numpy().astype(np.uint8)
        found.append([*map(sha256, arrays), image.size, label])
    return found


def sha256(array: np.ndarray) -> str:
    return hashlib.sha256(array.tobytes()).hexdigest()
