"""Train a digit classifier in TensorFlow/Keras, from raw pixels to a saved run in outputs/.

    python download_mnist.py          # once
    python mnist_tensorflow.py        # 3 epochs, about 99 % on MNIST's test set
    python mnist_tensorflow.py --help

mnist_pytorch.py tells the same story in PyTorch, function by function: read the two side by side.
"""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Iterator

from digits.errors import UserError, expect_ctrl_c, run_script
from digits.options import Options, parse_options
from digits.recipe import Recipe

if __name__ == "__main__":
    # Before the seconds that importing TensorFlow takes: --help and a mistyped option answer at once.
    OPTIONS = parse_options(__doc__)
    expect_ctrl_c()

from digits.lean_import import lean_import

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # or TensorFlow's notes fill the terminal
with lean_import("matplotlib", "sklearn"):
    import keras
    import tensorflow as tf

import numpy as np
from numpy.typing import NDArray

from digits.batches import epoch_order, split_rows
from digits.datasets import Dataset, load_dataset
from digits.progress import EpochProgress
from digits.results import Training, run_path, write_results
from digits.runs import check_writable, writing_run
from digits.weights import Network
from models.tensorflow import PIXEL_RANGE, build_model
from models.tensorflow_files import (
    count_parameters,
    export_onnx,
    save_checkpoint,
    save_weights,
)

PACKAGES = ("tensorflow", "keras", "numpy", "onnx", "tf2onnx")


def set_up(device: str, seed: int) -> str:
    """Seed every generator and return the device that 'auto', 'cpu' or 'cuda' means.

    UserError where 'cuda' is asked for and TensorFlow sees no GPU.
    """
    gpus = tf.config.list_physical_devices("GPU")
    if device == "cuda" and not gpus:
        raise UserError("--device cuda: TensorFlow sees no CUDA GPU here; use --device cpu, or install its CUDA build.")
    keras.utils.set_random_seed(seed)
    if device == "cpu" or not gpus:
        tf.config.set_visible_devices([], "GPU")
        # One operation at a time, each on all cores: so small a network loses time when operations change threads.
        tf.config.threading.set_inter_op_parallelism_threads(1)
        return "cpu"  # its kernels are deterministic as they are
    tf.config.experimental.enable_op_determinism()
    return "cuda"


def train(model: keras.Model, dataset: Dataset, recipe: Recipe, device: str) -> list[dict[str, float]]:
    """Train the model in place; return a row an epoch, as in history.csv.

    The whole training set lies on the device; what `fit` is fed are row numbers, looked up by the first layer.
    """
    train_rows, validation_rows = split_rows(dataset.train_labels, recipe.validation_fraction, recipe.seed)
    if recipe.precision == "bfloat16":
        _set_precision(model, "mixed_bfloat16")
    rows = keras.Input((), dtype="int64")
    with tf.device("GPU:0" if device == "cuda" else "CPU:0"):
        trainer = keras.Model(rows, model(LookUp(dataset.train_images)(rows)))
    trainer.compile(
        FusedAdam(recipe.learning_rate),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        steps_per_execution=32,  # steps that run without returning to Python
    )
    progress = ProgressLines(recipe, len(train_rows))
    trainer.fit(
        _batches(train_rows, dataset.train_labels, recipe),
        epochs=recipe.epochs,
        validation_data=(validation_rows, dataset.train_labels[validation_rows]) if len(validation_rows) else None,
        validation_batch_size=500,
        callbacks=[progress],
        shuffle=False,  # the batches come in the epoch's order
        verbose=0,
    )
    _set_precision(model, "float32")  # evaluation and the saved model compute in float32
    return progress.history


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

    device = set_up(options.device, recipe.seed)
    network = Network(recipe.model, len(dataset.class_names), PIXEL_RANGE, recipe.filters, recipe.dense, recipe.dropout)
    model = build_model(network)
    parameters = count_parameters(model)
    print(f"{recipe.model} in TensorFlow {tf.__version__} on {device}: {parameters[0]:,} parameters, {dataset.name}")
    history = train(model, dataset, recipe, device)
    probabilities = predict(model, dataset.test_images)

    with writing_run(path) as folder:
        save_checkpoint(model, folder / "model.keras")
        save_weights(model, folder / "weights.safetensors")
        export_onnx(model, folder / "model.onnx", dataset.class_names)
        seconds = time.perf_counter() - started
        training = Training(
            "tensorflow",
            "mnist_tensorflow.py",
            PACKAGES,
            _device_name(device),
            parameters,
            history,
            probabilities,
            seconds,
        )
        outcome = write_results(folder, options, dataset, training)
    print(f"{outcome}\n{path}: predictions, probabilities, history.csv, run.json, model.keras, model.onnx, weights")


class LookUp(keras.layers.Layer):
    """Row numbers, int64 (N,), to the raw images, uint8 (N, 28, 28), of a set that stays where this layer is built."""

    def __init__(self, images: NDArray[np.uint8]) -> None:
        super().__init__()
        self.images = tf.Variable(images, trainable=False)

    def call(self, rows: tf.Tensor) -> tf.Tensor:
        return tf.gather(self.images, rows)


class FusedAdam(keras.optimizers.Adam):
    """Keras's Adam, computed by the one kernel that TensorFlow has for it instead of a dozen small ones a variable."""

    def apply(self, grads: list[tf.Tensor], trainable_variables: list[tf.Variable] | None = None) -> None:
        step = tf.cast(self.iterations + 1, tf.float32)
        self.powers = {"beta1_power": tf.pow(self.beta_1, step), "beta2_power": tf.pow(self.beta_2, step)}
        super().apply(grads, trainable_variables)

    def update_step(self, gradient: tf.Tensor, variable: tf.Variable, learning_rate: tf.Tensor) -> None:
        index = self._get_variable_index(variable)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[index].value.handle,
            v=self._velocities[index].value.handle,
            lr=learning_rate,
            beta1=self.beta_1,
            beta2=self.beta_2,
            epsilon=self.epsilon,
            grad=gradient,
            **self.powers,
        )


class ProgressLines(keras.callbacks.Callback):
    """Draws each epoch's progress and keeps its row of history.csv."""

    def __init__(self, recipe: Recipe, num_images: int) -> None:
        super().__init__()
        self.recipe, self.num_images = recipe, num_images
        self.history: list[dict[str, float]] = []

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self.progress = EpochProgress(epoch, self.recipe.epochs, self.num_images)

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        if self.progress.is_due():
            self.progress.show(
                min((batch + 1) * self.recipe.batch_size, self.num_images), logs["loss"], logs["accuracy"]
            )

    def on_test_begin(self, logs: dict[str, float] | None = None) -> None:
        self.progress.finish_training()

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        validation = {name: logs[f"val_{name}"] for name in ("loss", "accuracy") if f"val_{name}" in logs}
        self.history.append(self.progress.finish(logs["loss"], logs["accuracy"], validation, self.recipe.learning_rate))


def _batches(rows: NDArray[np.int64], labels: NDArray[np.uint8], recipe: Recipe) -> tf.data.Dataset:
    """Return a dataset of (row numbers, labels); each pass over it is the next epoch in its order."""
    epochs = iter(range(recipe.epochs))

    def next_epoch() -> Iterator[NDArray[np.int64]]:
        yield epoch_order(rows, recipe.seed, next(epochs))

    def in_batches(order: tf.Tensor) -> tf.data.Dataset:
        starts = tf.data.Dataset.range(0, len(rows), recipe.batch_size)
        return starts.map(lambda start: order[start : start + recipe.batch_size])

    orders = tf.data.Dataset.from_generator(next_epoch, output_signature=tf.TensorSpec((len(rows),), tf.int64))
    label_table = tf.constant(labels.astype(np.int64))
    batches = orders.flat_map(in_batches).map(lambda batch: (batch, tf.gather(label_table, batch)))
    num_batches = math.ceil(len(rows) / recipe.batch_size)
    return batches.apply(tf.data.experimental.assert_cardinality(num_batches)).prefetch(tf.data.AUTOTUNE)


def _set_precision(model: keras.Model, policy: str) -> None:
    """Have every layer compute as the policy says; weights stay float32, and so does the last layer."""
    for layer in model.layers[:-1]:
        layer.dtype_policy = policy


def _device_name(device: str) -> str:
    if device == "cpu":
        return "cpu"
    return tf.config.experimental.get_device_details(tf.config.list_physical_devices("GPU")[0])["device_name"]


if __name__ == "__main__":
    sys.exit(run_script(lambda: main(OPTIONS)))
