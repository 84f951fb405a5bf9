"""Which images a training takes, in which order."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

import numpy as np


def batches(script: ModuleType, num_images: int, batch_size: int, epochs: int) -> list[list[list[list[int]]]]:
    """Return for each pass over TensorFlow's input its batches: indices and labels."""
    from digits.training.recipe import Recipe
    from models.tensorflow.fit import index_batches

    indices = np.arange(num_images, dtype=np.int64) * 2  # as if every second image were held out
    labels = (np.arange(2 * num_images) % 7).astype(np.uint8)
    source = index_batches(indices, labels, Recipe(epochs=epochs, batch_size=batch_size, seed=5), 0)
    return [[[part.numpy().tolist() for part in batch] for batch in source] for _ in range(epochs)]


def orders_asked_for(script: ModuleType) -> list[int]:
    """Return the epochs whose order of the images a training of three asks for, 360 images in 45 steps each."""
    from digits.data.datasets import Dataset
    from digits.training.options import Options
    from digits.training.recipe import Recipe

    asked: list[int] = []

    def recording(indices: np.ndarray, seed: int, epoch: int, batch_size: int) -> np.ndarray:
        asked.append(epoch)
        return true_order(indices, seed, epoch, batch_size)

    asking = script if script.__name__ == "mnist_pytorch" else import_module("models.tensorflow.fit")
    true_order, asking.epoch_order = asking.epoch_order, recording
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 256, (400, 28, 28), np.uint8), np.arange(400, dtype=np.uint8) % 10
    dataset = Dataset("noise", images, labels, images[:0], labels[:0], tuple("0123456789"), "")
    device = script.set_up("cpu", 0)
    recipe = Recipe(batch_size=8)
    script.train(script.make_model(Options(recipe), 10), dataset, recipe, device)
    return asked
