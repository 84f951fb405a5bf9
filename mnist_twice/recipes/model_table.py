"""The table of networks that --list-models prints: parameters, default recipe and source of each."""

from collections.abc import Mapping

from mnist_twice.names import FRAMEWORKS, spelled
from mnist_twice.recipes.recipe import RECIPES, Recipe

SOURCES = {
    "cnn": "the project specification",
    "cnn-wide": "the Keras tutorial",
    "mlp": "the Keras comparison",
    "lenet5": "LeCun et al. 1998",
    "fashion-cnn": "the Keras comparison",
    "deep-cnn": "the deep Keras project",
    "vgg": "Simonyan & Zisserman 2015",
    "resnet": "He et al. 2016",
    "vit": "Dosovitskiy et al. 2021",
    "fast": "tuomaso/train_mnist_fast",
}
"""Where each network of this project comes from."""

NOTES = """\
Parameters: trainable + running statistics, for 10 classes. Recipe: with Adam; the learning rate follows its
schedule. docs/references.md describes the sources."""


def models_table(counts: Mapping[str, tuple[int, int] | None], framework: str) -> str:
    """Return the table, a line a network, with a heading and notes below; no line is longer than 120 characters.

    counts: trainable and other parameters by network, counted in the framework; None where it does not have that one.
    """
    other = next(spelled(name) for name in FRAMEWORKS if name != framework)
    row = "{:11}  {:15}  {:62}  {}".format
    rows = [row("model", "parameters", "recipe", "source")]
    for name, count in counts.items():
        parameters = " + ".join(f"{number:,}" for number in count if number) if count else f"{other} only"
        rows.append(row(name, parameters, _in_few_words(RECIPES[name]), SOURCES.get(name, "your own")))
    return "\n".join([*rows, "", NOTES])


def _in_few_words(recipe: Recipe) -> str:
    epochs = f"{recipe.epochs} epoch{'s' if recipe.epochs != 1 else ''}"
    schedule = "plateau" if recipe.reduce_on_plateau else recipe.schedule
    words = [f"{'up to ' if recipe.early_stopping else ''}{epochs}", f"batch {recipe.batch_size}"]
    words += [f"{schedule} {recipe.learning_rate:g}", *([recipe.optimizer] if recipe.optimizer != "adam" else ())]
    words += [f"dropout {recipe.dropout:g}"] if recipe.dropout else []
    words += [f"decay {recipe.weight_decay:g}"] if recipe.weight_decay else []
    return ", ".join(words)
