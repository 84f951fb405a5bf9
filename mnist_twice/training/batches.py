"""Which images a step sees: the validation split, the order of each epoch, and augmentation.

All come from NumPy generators keyed by the seed, so that both frameworks see the same images in the same order, and
so that epoch 7 is shuffled the same whether or not epochs 1 to 6 were run by this process.
"""

import itertools
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from mnist_twice.command_line import option
from mnist_twice.data import Dataset, split_indices, split_writers
from mnist_twice.errors import UserError
from mnist_twice.recipes.recipe import Recipe

# Second part of a generator's key: each use has a stream of its own, so that one never shifts another.
_ORDER, _AUGMENT, _PENS, _PIECES, _DEGRADE = 1, 2, 3, 4, 5  # 0 is that of the validation split


def split_dataset(dataset: Dataset, recipe: Recipe) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the training images to train on and those to validate on, as their indices, each ascending.

    Raises UserError if too few are left for what the recipe asks, or writers are to be held out that nobody knows.
    """
    if recipe.split == "random":
        train_indices, validation_indices = split_indices(dataset.train_labels, recipe.validation_fraction, recipe.seed)
    elif dataset.train_writers is not None:
        train_indices, validation_indices = split_writers(
            dataset.train_writers, recipe.validation_fraction, recipe.seed
        )
    else:
        raise UserError(
            f"--split writers: who wrote each image of {dataset.name} is not known; use --split random. (For MNIST, "
            "run download_mnist.py again: it downloads the writers.)"
        )
    fraction = f"--validation-fraction {recipe.validation_fraction:g} of {len(dataset.train_labels)} images"
    if len(train_indices) < 2:
        raise UserError(f"{fraction} leaves {len(train_indices)} to train on, but 2 are needed; lower it.")
    if not len(validation_indices) and (recipe.early_stopping or recipe.reduce_on_plateau or recipe.keep_best):
        raise UserError(
            f"{fraction} holds out none to validate on; raise it, or give "
            "--early-stopping 0 --reduce-on-plateau 0 --no-keep-best."
        )
    return train_indices, validation_indices


def evaluation_set(
    dataset: Dataset, held_out: Recipe | None
) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.int32] | None]:
    """Return images (N, 28, 28) and labels (N,) to evaluate a network on, and who wrote them (N, 2), if that is known:
    those that this recipe holds out of the training images, or the test set. Raises UserError as split_dataset does,
    and if it holds out none."""
    if held_out is None:
        return dataset.test_images, dataset.test_labels, dataset.test_writers
    indices = split_dataset(dataset, held_out)[1]
    if not len(indices):
        raise UserError(
            f"--validation-fraction {held_out.validation_fraction:g} of {len(dataset.train_labels)} images holds out "
            "none to evaluate on; raise it."
        )
    writers = None if dataset.train_writers is None else dataset.train_writers[indices]
    return dataset.train_images[indices], dataset.train_labels[indices], writers


def epoch_order(indices: NDArray[np.int64], seed: int, epoch: int, batch_size: int) -> NDArray[np.int64]:
    """Return the indices in the order of this epoch (counted from 0), to be split into batches."""
    return np.random.default_rng([seed, _ORDER, epoch]).permutation(indices)[: epoch_length(len(indices), batch_size)]


def epoch_length(num_images: int, batch_size: int) -> int:
    """Return how many of the images an epoch takes: all, except one that would be alone in the last batch.

    Batch normalisation cannot normalise a single image. Each epoch leaves out a different one.
    """
    return num_images - (num_images % batch_size == 1 and num_images > 1 and batch_size > 1)


def images_of_epochs(
    dataset: Dataset, recipe: Recipe, first: int
) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.int64]]]:
    """Yield the training images of each epoch from the epoch `first` on, uint8 (N, 28, 28), and their labels (N,).

    With augmentation, other pens or pieces they are changed at random for each epoch, in a thread, while the previous
    epoch is trained. Raises UserError if the dataset has no digits that a pen could write or that could touch.
    """
    images, digits, labels = dataset.train_images, dataset.train_labels, dataset.train_labels.astype(np.int64)
    for name in ("pens", "non_digits"):
        if getattr(recipe, name) and list(dataset.class_names) != list("0123456789"):
            raise UserError(f"{option(name)} needs the digits 0 to 9, and '{dataset.name}' has others; leave it out.")
    if not (recipe.augment or recipe.pens or recipe.non_digits) or first >= recipe.epochs:
        yield from itertools.repeat((images, labels), max(recipe.epochs - first, 0))
        return
    from mnist_twice.training.augment import augment  # OpenCV takes a tenth of a second to import
    from mnist_twice.training.degrade import degrade
    from mnist_twice.training.pens import imitate_pens
    from mnist_twice.training.pieces import replace_with_pieces

    train_indices = split_dataset(dataset, recipe)[0]

    def changed(epoch: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        new, new_labels = images, labels
        if recipe.pens:
            new = imitate_pens(new, digits, np.random.default_rng([recipe.seed, _PENS, epoch]), recipe.pens)
        if recipe.non_digits:
            generator = np.random.default_rng([recipe.seed, _PIECES, epoch])
            new, new_labels = replace_with_pieces(new, digits, train_indices, generator, recipe.non_digits)
        if recipe.augment:
            new = augment(new, np.random.default_rng([recipe.seed, _AUGMENT, epoch]), recipe.augmentation)
            if fraction := recipe.augmentation.degrade:
                new = degrade(new, np.random.default_rng([recipe.seed, _DEGRADE, epoch]), fraction)
        return new, new_labels

    with ThreadPoolExecutor(1) as thread:
        coming = thread.submit(changed, first)
        for epoch in range(first, recipe.epochs):
            current = coming.result()
            if epoch + 1 < recipe.epochs:
                coming = thread.submit(changed, epoch + 1)
            yield current
