"""What a training in TensorFlow/Keras is wired from. models/pytorch/training.py is the twin, in the same order."""

import io
from contextlib import suppress

import keras
import numpy as np
from numpy.typing import NDArray

from digits.errors import UserError
from digits.training import RECIPES, Checkpoint, Options, Progress, Recipe, model_config
from digits.training.checkpoint import check_form
from digits.training.model_table import models_table
from digits.training.parity import EPSILON, parity_weights
from models.tensorflow.files import count_parameters, freeze_features, get_weights, set_weights, start_from
from models.tensorflow.fit import FusedAdam, StepRates
from models.tensorflow.networks import PIXEL_RANGE, build_model, config_of


def list_models() -> None:
    """Print the table of networks, with the parameters that they have here with their default recipes."""
    counts: dict[str, tuple[int, int] | None] = dict.fromkeys(RECIPES)
    for name, recipe in RECIPES.items():
        with suppress(UserError), keras.StatelessScope(initialize_variables=False):  # it may be in PyTorch alone
            counts[name] = count_parameters(build_model(model_config(recipe, 10, PIXEL_RANGE)))
    print(models_table(counts, "tensorflow"))


def make_model(options: Options, num_classes: int) -> keras.Model:
    """Return the network that the options ask for, with the weights that training starts from."""
    recipe = options.recipe
    config = model_config(recipe, num_classes, PIXEL_RANGE)
    if options.init_from:
        model = start_from(options.init_from, config, options.new_head)
    else:
        model = build_model(config)
        if recipe.parity:
            set_weights(model, parity_weights(get_weights(model), recipe.seed))
    if options.freeze_features:
        freeze_features(model)
    return model


def make_optimizer(rates: StepRates, recipe: Recipe) -> keras.optimizers.Optimizer:
    """Return the recipe's optimizer; it keeps the average of the weights too, where the recipe asks for one."""
    average = {"use_ema": True, "ema_momentum": recipe.ema} if recipe.ema else {}
    if recipe.optimizer == "sgd":
        momentum = np.float64(recipe.betas[0])  # a Python number would be rounded to float32 on its way
        return keras.optimizers.SGD(rates, momentum, nesterov=momentum > 0, **average)
    return FusedAdam(
        rates,
        *recipe.betas,
        epsilon=EPSILON if recipe.parity else 1e-7,
        correct_epsilon=recipe.parity,
        weight_decay=recipe.weight_decay or None,
        **average,
    )


def in_float32(model: keras.Model) -> keras.Model:
    """Return the network with its weights rounded to float32, for evaluation and the files."""
    keras.config.set_floatx("float32")
    keras.config.set_dtype_policy("float32")
    rounded = build_model(config_of(model))
    set_weights(rounded, get_weights(model))
    return rounded


class TrainingState:
    """All that a training changes as it goes, which is all that a checkpoint has to keep."""

    def __init__(self, model: keras.Model, trainer: keras.Model) -> None:
        """`trainer` is compiled and holds `model`, the network."""
        self.model, self.trainer, self.optimizer = model, trainer, trainer.optimizer
        self.optimizer.build(trainer.trainable_variables)
        self.best: list[NDArray[np.float32]] = []  # weights of the best epoch so far

    def resume(self, checkpoint: Checkpoint | None) -> Progress:
        """Go back to where the checkpoint left the training; return the progress until there."""
        return (checkpoint and checkpoint.restore(self.load)) or Progress([], [])

    def save(self) -> bytes:
        """Return everything as bytes, dropout's generators included."""
        buffer = io.BytesIO()
        arrays = {f"arr_{i}": variable.numpy() for i, variable in enumerate(self._variables())}
        arrays |= {f"best{i}": array for i, array in enumerate(self.best)}
        np.savez(buffer, allow_pickle=False, **arrays)
        return buffer.getvalue()

    def load(self, saved: bytes) -> None:
        """Go back to what `save` returned; some exception where this training cannot have saved it."""
        arrays = dict(np.load(io.BytesIO(saved)))
        expected = {f"arr_{i}": variable.numpy() for i, variable in enumerate(self._variables())}
        best = {f"best{i}": array for i, array in enumerate(self.model.get_weights() if "best0" in arrays else ())}
        check_form(arrays, expected | best)
        for i, variable in enumerate(self._variables()):
            variable.assign(arrays[f"arr_{i}"])
        self.best = [arrays[name] for name in best]

    def swap_average(self) -> None:
        """Exchange the weights for their moving average, if the optimizer keeps one.

        Not by Keras's SwapEMAWeights, which exchanges two numbers by adding and subtracting them: that rounds both.
        """
        if self.optimizer.use_ema and self.optimizer.iterations > 0:
            averages = self.optimizer._model_variables_moving_average
            for variable, average in zip(self.trainer.trainable_variables, averages, strict=True):
                weights = variable.numpy()
                variable.assign(average)
                average.assign(weights)

    def keep_best(self) -> None:
        """Remember the weights that were just evaluated."""
        self.swap_average()
        self.best = self.model.get_weights()
        self.swap_average()

    def finish(self) -> None:
        """Leave in the network the weights that are kept: the best, the average, or those it has."""
        if self.best:
            self.model.set_weights(self.best)
        else:
            self.swap_average()

    def _variables(self) -> list[keras.Variable]:
        return [*self.trainer.variables, *self.optimizer.variables]
