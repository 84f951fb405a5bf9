"""The table of networks that --list-models prints: parameters, default recipe and source of each."""

from typing import NamedTuple

from digits.training.recipe import RECIPES, Recipe


class Entry(NamedTuple):
    """What the recipe of a network does not say."""

    trainable: int  # parameters, for 10 classes and the default widths, as both frameworks count them
    non_trainable: int  # running means and variances of the normalisations
    source: str


NETWORKS = {
    "cnn": Entry(206_922, 0, "the project specification"),
    "cnn-wide": Entry(225_546, 0, "the Keras tutorial"),
    "mlp": Entry(55_050, 0, "the Keras comparison"),
    "lenet5": Entry(61_706, 0, "LeCun et al. 1998"),
    "fashion-cnn": Entry(315_146, 0, "the Keras comparison"),
    "deep-cnn": Entry(468_906, 1_408, "the deep Keras project"),
    "vgg": Entry(584_170, 0, "Simonyan & Zisserman 2015"),
    "resnet": Entry(308_074, 1_344, "He et al. 2016"),
    "vit": Entry(138_826, 0, "Dosovitskiy et al. 2021"),
    "fast": Entry(212_682, 0, "tuomaso/train_mnist_fast"),
}
"""Every network, by name, in the order of RECIPES."""

NOTES = """\
Parameters: trainable + running statistics, for 10 classes. Recipe: with Adam; the learning rate follows its
schedule. docs/references.md describes the sources."""


def models_table() -> str:
    """Return the table, a line a network, with a heading and notes below; no line is longer than 120 characters."""
    rows = [("model", "parameters", "recipe", "source")]
    for name, entry in NETWORKS.items():
        parameters = f"{entry.trainable:,}" + (f" + {entry.non_trainable:,}" if entry.non_trainable else "")
        rows.append((name, parameters, _in_few_words(RECIPES[name]), entry.source))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([*lines, "", NOTES])


def _in_few_words(recipe: Recipe) -> str:
    epochs = f"{recipe.epochs} epoch{'s' if recipe.epochs != 1 else ''}"
    words = [f"{'up to ' if recipe.early_stopping else ''}{epochs}", f"batch {recipe.batch_size}"]
    words.append(f"{'plateau' if recipe.reduce_on_plateau else recipe.schedule} {recipe.learning_rate:g}")
    if recipe.optimizer != "adam":
        words.append(recipe.optimizer)
    if recipe.dropout:
        words.append(f"dropout {recipe.dropout:g}")
    if recipe.weight_decay:
        words.append(f"decay {recipe.weight_decay:g}")
    return ", ".join(words)
