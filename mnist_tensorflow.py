"""Train a digit classifier in TensorFlow/Keras, from raw pixels to a saved run in outputs/.

    python download_mnist.py                    # once
    python mnist_tensorflow.py                  # 3 epochs, about 99 % on MNIST's test set
    python mnist_tensorflow.py --model deep-cnn --augment
    python mnist_tensorflow.py --list-models
    python mnist_tensorflow.py --help

mnist_pytorch.py tells the same story in PyTorch, function by function: read the two side by side.
"""

from __future__ import annotations

import io
import math
import os
import sys
import time

from digits.errors import UserError, expect_interruptions, run_script
from digits.training import Options, Recipe, parse_options

if __name__ == "__main__":
    expect_interruptions()
    # Before the seconds that importing TensorFlow takes: --help and a mistyped option answer at once.
    OPTIONS = parse_options(__doc__)

from digits.training.lean_import import lean_import

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # or TensorFlow's notes fill the terminal
with lean_import("matplotlib", "sklearn"):
    import keras
    import tensorflow as tf

import numpy as np
from numpy.typing import NDArray

from digits.data import Dataset, load_dataset
from digits.machine import versions
from digits.runs import check_writable, writing_run
from digits.training import (
    HEADER,
    Checkpoint,
    EpochProgress,
    ModelConfig,
    Progress,
    Training,
    epoch_length,
    images_of_epochs,
    is_best,
    is_over,
    learning_rates,
    run_path,
    split_dataset,
    write_results,
)
from digits.training.checkpoint import check_form
from digits.training.parity import PARITY_RANGE, parity_weights
from models.tensorflow import PIXEL_RANGE, build_model, config_of
from models.tensorflow.files import (
    count_parameters,
    export_onnx,
    freeze_features,
    get_weights,
    save_checkpoint,
    save_weights,
    set_weights,
    start_from,
)
from models.tensorflow.training import LookUp, StepRates, Trainer, index_batches, make_optimizer

PACKAGES = ("tensorflow", "keras", "numpy", "onnx", "tf2onnx")


def set_up(device: str, seed: int, precision: str = "float32") -> str:
    """Seed every generator and return the device that 'auto', 'cpu' or 'cuda' means.

    UserError where 'cuda' is asked for and TensorFlow sees no GPU.
    """
    gpus = tf.config.list_physical_devices("GPU")
    if device == "cuda" and not gpus:
        raise UserError("--device cuda: TensorFlow sees no CUDA GPU here; use --device cpu, or install its CUDA build.")
    keras.utils.set_random_seed(seed)
    keras.config.set_floatx("float64" if precision == "float64" else "float32")
    keras.config.set_dtype_policy(keras.config.floatx())
    if device == "cpu" or not gpus:
        tf.config.set_visible_devices([], "GPU")
        # One operation at a time, each on all cores: so small a network loses time when operations change threads.
        tf.config.threading.set_inter_op_parallelism_threads(1)
        return "cpu"  # its kernels are deterministic as they are
    tf.config.experimental.enable_op_determinism()
    return "cuda"


def make_model(options: Options, num_classes: int) -> keras.Model:
    """Return the network that the options ask for, with the weights that training starts from."""
    recipe = options.recipe
    pixel_range, dropout = (PARITY_RANGE, 0.0) if recipe.parity else (PIXEL_RANGE, recipe.dropout)
    config = ModelConfig(recipe.model, num_classes, pixel_range, recipe.filters, recipe.dense, dropout)
    if options.init_from:
        model = start_from(options.init_from, config, options.new_head)
    else:
        model = build_model(config)
        if recipe.parity:
            set_weights(model, parity_weights(get_weights(model), recipe.seed))
    if options.freeze_features:
        freeze_features(model)
    return model


def train(
    model: keras.Model, dataset: Dataset, recipe: Recipe, device: str, checkpoint: Checkpoint | None = None
) -> Progress:
    """Train the model in place; return a row an epoch, as in history.csv, and the loss of each step.

    The whole training set lies on the device; what `fit` is fed are row numbers, looked up by the first layer.
    """
    train_indices, validation_indices = split_dataset(dataset, recipe)
    num_images = epoch_length(len(train_indices), recipe.batch_size)
    steps = math.ceil(num_images / recipe.batch_size)
    if recipe.precision == "bfloat16":
        _set_precision(model, "mixed_bfloat16")
    rows = keras.Input((), dtype="int64")
    with tf.device("GPU:0" if device == "cuda" else "CPU:0"):
        look_up = LookUp(dataset.train_images, changing=recipe.augment)
        rates = StepRates(steps)
        trainer = Trainer(rows, model(look_up(rows)))
        trainer.prepare(steps, recipe.label_smoothing)
    trainer.compile(
        make_optimizer(rates, recipe),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        steps_per_execution=32,  # steps that run without returning to Python
    )
    trainer.optimizer.build(trainer.trainable_variables)
    state = TrainingState(model, dataset, recipe, num_images, look_up, rates, checkpoint)
    state.set_model(trainer)
    state.progress = (checkpoint and checkpoint.restore(state.load)) or Progress([], [])
    first = len(state.progress.history)
    if not is_over(recipe, state.progress.history):
        trainer.fit(
            index_batches(train_indices, dataset.train_labels, recipe, first),
            initial_epoch=first,
            epochs=recipe.epochs,
            validation_data=(
                (validation_indices, dataset.train_labels[validation_indices]) if len(validation_indices) else None
            ),
            validation_batch_size=500,
            callbacks=[state],
            shuffle=False,  # the batches come in the epoch's order
            verbose=0,
        )
    state.keep_evaluated()
    _set_precision(model, keras.config.floatx())  # evaluation and the saved model compute in float32
    return state.progress


def predict(model: keras.Model, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the class probabilities, float32 (N, classes), of raw images, uint8 (N, 28, 28)."""
    return keras.ops.convert_to_numpy(keras.ops.softmax(model.predict(images, batch_size=500, verbose=0)))


def main(options: Options) -> None:
    """Train as the options say, and write the run."""
    started = time.perf_counter()
    recipe = options.recipe
    dataset = load_dataset(options.dataset, options.data_dir)
    path = run_path(options, "tensorflow")
    check_writable(path)

    device = set_up(options.device, recipe.seed, recipe.precision)
    model = make_model(options, len(dataset.class_names))
    parameters = count_parameters(model)
    print(f"{recipe.model} in TensorFlow {tf.__version__} on {device}: {parameters[0]:,} parameters, {dataset.name}")
    checkpoint = Checkpoint(path, options, dataset, versions(PACKAGES))
    progress = train(model, dataset, recipe, device, checkpoint)
    if recipe.precision == "float64":
        model = _in_float32(model)
    probabilities = predict(model, dataset.test_images)

    with writing_run(path) as folder:
        save_checkpoint(model, folder / "model.keras")
        save_weights(model, folder / "weights.safetensors")
        export_onnx(model, folder / "model.onnx", dataset.class_names)
        seconds = checkpoint.seconds + time.perf_counter() - started
        device_name = _gpu_name() if device == "cuda" else "cpu"
        training = Training(
            "tensorflow", "mnist_tensorflow.py", PACKAGES, device_name, parameters, progress, probabilities, seconds
        )
        outcome = write_results(folder, options, dataset, training)
    checkpoint.delete()
    print(f"{outcome}\n{path}: predictions, probabilities, history.csv, run.json, model.keras, model.onnx, weights")


class TrainingState(keras.callbacks.Callback):
    """What is done between epochs: progress, the average and best weights, checkpoints, and when to stop."""

    def __init__(
        self,
        config: keras.Model,
        dataset: Dataset,
        recipe: Recipe,
        num_images: int,
        look_up: LookUp,
        rates: StepRates,
        checkpoint: Checkpoint | None,
    ) -> None:
        super().__init__()
        self.config, self.dataset, self.recipe, self.num_images = config, dataset, recipe, num_images
        self.look_up, self.rates, self.checkpoint = look_up, rates, checkpoint
        self.best: list[NDArray[np.float32]] = []  # weights of the best epoch so far

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        self.epoch_images = images_of_epochs(self.dataset.train_images, self.recipe, len(self.progress.history))
        print(HEADER)

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        images = next(self.epoch_images)
        if self.recipe.augment:
            self.look_up.images.assign(images)
        self.rates.rates.assign(learning_rates(self.recipe, self.rates.rates.shape[0], self.progress.history))
        self.lines = EpochProgress(epoch, self.recipe.epochs, self.num_images)

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        if self.lines.is_due():
            self.lines.show(min((batch + 1) * self.recipe.batch_size, self.num_images), logs["loss"], logs["accuracy"])

    def on_test_begin(self, logs: dict[str, float] | None = None) -> None:
        self.lines.finish_training()
        self._swap_average()

    def on_test_end(self, logs: dict[str, float] | None = None) -> None:
        self._swap_average()

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        validation = {name: logs[f"val_{name}"] for name in ("loss", "accuracy") if f"val_{name}" in logs}
        history = self.progress.history
        rate = float(self.rates.rates[-1])
        history.append(self.lines.finish(logs["loss"], logs["accuracy"], validation, rate))
        self.progress.losses += self.model.step_losses.numpy().tolist()
        if self.recipe.keep_best and is_best(history):
            self._swap_average()
            self.best = self.config.get_weights()
            self._swap_average()
        if self.checkpoint:
            self.checkpoint.write(self.progress, self.save())
        self.model.stop_training = is_over(self.recipe, history)

    def keep_evaluated(self) -> None:
        """Leave in the network the weights that are judged and kept: the best, the average, or those it has."""
        if self.best:
            self.config.set_weights(self.best)
        else:
            self._swap_average()

    def save(self) -> bytes:
        """Return all that training changes as it goes, dropout's generators included, as bytes."""
        buffer = io.BytesIO()
        best = {f"best{i}": array for i, array in enumerate(self.best)}
        np.savez(buffer, *[variable.numpy() for variable in self._variables()], **best)
        return buffer.getvalue()

    def load(self, saved: bytes) -> None:
        """Go back to what `save` returned; some exception where this training cannot have saved it."""
        arrays = dict(np.load(io.BytesIO(saved)))
        expected = {f"arr_{i}": variable.numpy() for i, variable in enumerate(self._variables())}
        best = {f"best{i}": array for i, array in enumerate(self.config.get_weights() if "best0" in arrays else ())}
        check_form(arrays, expected | best)
        for i, variable in enumerate(self._variables()):
            variable.assign(arrays[f"arr_{i}"])
        self.best = [arrays[name] for name in best]

    def _variables(self) -> list[keras.Variable]:
        return [*self.model.variables, *self.model.optimizer.variables]

    def _swap_average(self) -> None:
        """Exchange the weights for their moving average, which the optimizer keeps, if it keeps one."""
        optimizer = self.model.optimizer
        if optimizer.use_ema and optimizer.iterations > 0:
            averages = optimizer._model_variables_moving_average
            for variable, average in zip(self.model.trainable_variables, averages, strict=True):
                weights = variable.numpy()
                variable.assign(average)
                average.assign(weights)


def _set_precision(model: keras.Model, policy: str) -> None:
    """Have every layer compute as the policy says; weights stay as they are, and so does the last layer."""
    for layer in model.layers[:-1]:
        layer.dtype_policy = policy


def _gpu_name() -> str:
    return tf.config.experimental.get_device_details(tf.config.list_physical_devices("GPU")[0])["device_name"]


def _in_float32(model: keras.Model) -> keras.Model:
    """Return the network with its weights rounded to float32, for evaluation and the files."""
    keras.config.set_floatx("float32")
    keras.config.set_dtype_policy("float32")
    rounded = build_model(config_of(model))
    set_weights(rounded, get_weights(model))
    return rounded


if __name__ == "__main__":
    sys.exit(run_script(lambda: main(OPTIONS)))
