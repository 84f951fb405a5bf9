"""The parts of a training in TensorFlow/Keras. mnist_twice/pytorch/training.py is the twin, in the same order."""

import io

import keras
import numpy as np
from numpy.typing import NDArray

from mnist_twice.recipes import Options, Recipe
from mnist_twice.tensorflow.files import freeze_features, get_weights, set_weights
from mnist_twice.tensorflow.fit import FusedAdam, StepRates, set_precision
from mnist_twice.tensorflow.networks import config_of
from mnist_twice.training import Checkpoint, Progress
from mnist_twice.training.weights import starting_weights


def set_starting_weights(model: keras.Model, options: Options) -> None:
    """Give the network the weights that the options start it from, and freeze what --freeze-features freezes."""
    set_weights(model, starting_weights(options, config_of(model), get_weights(model)))
    if options.freeze_features:
        freeze_features(model)


def make_optimizer(rates: StepRates, recipe: Recipe) -> keras.optimizers.Optimizer:
    """Return the recipe's optimizer; it keeps the average of the weights too, where the recipe asks for one."""
    average = {"use_ema": True, "ema_momentum": recipe.ema} if recipe.ema else {}
    if recipe.optimizer == "sgd":
        momentum = np.float64(recipe.betas[0])  # a Python number would be rounded to float32 on its way
        return keras.optimizers.SGD(rates, momentum, nesterov=momentum > 0, **average)
    return FusedAdam(
        rates,
        *recipe.betas,
        epsilon=1e-8 if recipe.parity else 1e-7,
        correct_epsilon=recipe.parity,
        weight_decay=recipe.weight_decay or None,
        **average,
    )


class TrainState:
    """All that a training changes as it goes, which is all that a checkpoint has to keep."""

    def __init__(self, model: keras.Model, classifier: keras.Model) -> None:
        """`classifier` is compiled and trains `model`, the network."""
        self.model, self.classifier, self.optimizer = model, classifier, classifier.optimizer
        self.optimizer.build(classifier.trainable_variables)
        self.best: list[NDArray[np.float32]] = []  # weights of the best epoch so far

    def restore(self, checkpoint: Checkpoint | None) -> Progress:
        """Go back to where the checkpoint left the training; return the progress until there."""
        return checkpoint.restore(self.load) if checkpoint else Progress([], [])

    def save(self) -> bytes:
        """Return everything as bytes, dropout's generators included."""
        buffer = io.BytesIO()
        arrays = {f"arr_{i}": variable.numpy() for i, variable in enumerate(self._variables())}
        arrays |= {f"best{i}": array for i, array in enumerate(self.best)}
        np.savez(buffer, allow_pickle=False, **arrays)
        return buffer.getvalue()

    def load(self, saved: bytes) -> None:
        """Go back to what `save` returned."""
        arrays = np.load(io.BytesIO(saved))
        for i, variable in enumerate(self._variables()):
            variable.assign(arrays[f"arr_{i}"])
        self.best = [arrays[name] for name in arrays.files if name.startswith("best")]

    def swap_average(self) -> None:
        """Exchange the weights for their moving average, if the optimizer keeps one.

        Not by Keras's SwapEMAWeights, which exchanges two numbers by adding and subtracting them: that rounds both.
        """
        if self.optimizer.use_ema and self.optimizer.iterations > 0:
            averages = self.optimizer._model_variables_moving_average
            for variable, average in zip(self.classifier.trainable_variables, averages, strict=True):
                weights = variable.numpy()
                variable.assign(average)
                average.assign(weights)

    def keep_best(self) -> None:
        """Remember the weights that were just evaluated."""
        self.swap_average()
        self.best = self.model.get_weights()
        self.swap_average()

    def load_kept(self) -> None:
        """Leave in the network what is kept: the best weights, the average, or those it has; in its usual precision."""
        if self.best:
            self.model.set_weights(self.best)
        else:
            self.swap_average()
        set_precision(self.model, keras.config.floatx())

    def _variables(self) -> list[keras.Variable]:
        return [*self.classifier.variables, *self.optimizer.variables]
