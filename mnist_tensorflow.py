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
import warnings
from collections.abc import Iterator
from pathlib import Path

from digits.errors import UserError, expect_ctrl_c, run_script
from digits.recipe import Options, Recipe, parse_options

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
from digits.onnx_file import finish_onnx
from digits.progress import EpochProgress
from digits.results import Training, run_path, write_results
from digits.runs import check_writable, writing_run
from digits.weights import Network, check_names_and_shapes, read_weights, write_weights
from models.tensorflow import PIXEL_RANGE, build_model, network_of

# Where weights.safetensors has the axes of a convolution's kernel (height, width, in, out), a dense layer's, a bias's.
NEUTRAL_AXES = {4: (3, 2, 0, 1), 2: (1, 0), 1: (0,)}
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


def count_parameters(model: keras.Model) -> tuple[int, int]:
    """Return how many numbers training changes by gradient, and how many others the model keeps."""
    trainable = sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)
    return trainable, model.count_params() - trainable


def save_checkpoint(model: keras.Model, path: Path) -> None:
    """Write Keras's own form of a trained model: layers and weights in one .keras file."""
    model.save(path)


def load_checkpoint(path: Path) -> keras.Model:
    """Return the model that save_checkpoint wrote."""
    return keras.saving.load_model(path, compile=False)


def save_weights(model: keras.Model, path: Path) -> None:
    """Write weights.safetensors, the form that both frameworks read (digits/weights.py)."""
    arrays = {name: _to_neutral(variable.numpy()) for name, variable in _named_weights(model)}
    write_weights(path, network_of(model), arrays)


def load_weights(path: Path) -> keras.Model:
    """Return the network in a weights.safetensors of either framework; UserError where it does not fit."""
    network, arrays = read_weights(path)
    model = build_model(network)
    expected = {name: _to_neutral(variable.numpy()).shape for name, variable in _named_weights(model)}
    check_names_and_shapes(path, expected, arrays)
    for name, variable in _named_weights(model):
        variable.assign(_from_neutral(arrays[name]))
    return model


def export_onnx(model: keras.Model, path: Path, class_names: tuple[str, ...]) -> None:
    """Write model.onnx: raw images in, probabilities out (digits/onnx_file.py)."""
    # The input by name, since `layers` leaves it out and Keras would then assume float32.
    exported = keras.Sequential([*model.inputs, *model.layers, keras.layers.Softmax()])
    exported(np.zeros((2, 28, 28), np.uint8))  # Keras only exports what has been called
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # tf2onnx still looks for np.object
        exported.export(path, format="onnx", verbose=False)
    finish_onnx(path, class_names)


def main(options: Options) -> None:
    """Train as the options say, and write the run."""
    started = time.perf_counter()
    recipe = options.recipe
    dataset = load_dataset(options.dataset, options.data_dir)
    path = run_path(options, "tensorflow")
    check_writable(path)

    device = set_up(options.device, recipe.seed)
    model = build_model(Network(recipe.model, len(dataset.class_names), PIXEL_RANGE))
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


def _named_weights(model: keras.Model) -> Iterator[tuple[str, keras.Variable]]:
    """Yield each weight with the name that it has in weights.safetensors."""
    for layer in model.layers:
        for variable in layer.weights:
            yield f"{layer.name}.{'weight' if variable.name == 'kernel' else variable.name}", variable


def _to_neutral(array: NDArray[np.float32]) -> NDArray[np.float32]:
    return array.transpose(NEUTRAL_AXES[array.ndim])


def _from_neutral(array: NDArray[np.float32]) -> NDArray[np.float32]:
    return array.transpose(np.argsort(NEUTRAL_AXES[array.ndim]))


def _device_name(device: str) -> str:
    if device == "cpu":
        return "cpu"
    return tf.config.experimental.get_device_details(tf.config.list_physical_devices("GPU")[0])["device_name"]


if __name__ == "__main__":
    sys.exit(run_script(lambda: main(OPTIONS)))
