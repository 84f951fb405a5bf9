"""Train a digit classifier in TensorFlow/Keras, from raw pixels to a saved run in outputs/.

    python download_mnist.py                    # once
    python mnist_tensorflow.py                  # 3 epochs, about 99 % on MNIST's test set
    python mnist_tensorflow.py --model deep-cnn --augment
    python mnist_tensorflow.py --list-models
    python mnist_tensorflow.py --help

mnist_pytorch.py does the same in PyTorch, function by function: read the two side by side.
"""

from __future__ import annotations

import math
import sys
import time

from digits.errors import UserError, expect_interruptions, run_script
from digits.training import ALONE, Options, Recipe, Workers, parse_options

if __name__ == "__main__":
    expect_interruptions()
    # Before the seconds that importing TensorFlow takes: --help and a mistyped option answer at once.
    OPTIONS = parse_options(__doc__)

from digits.training.keras_import import ignore_keras_settings, quiet_stderr

ignore_keras_settings()
with quiet_stderr():
    import keras
    import tensorflow as tf

import numpy as np
from numpy.typing import NDArray

from digits.data import Dataset, load_dataset
from digits.training import Checkpoint, NewRun, Progress, epoch_length, images_of_epochs, is_over, split_dataset
from models.tensorflow.callbacks import (
    EpochTable,
    EvaluateAverage,
    KeepBest,
    LearningRates,
    NewImagesEachEpoch,
    SaveCheckpoint,
    StopEarly,
)
from models.tensorflow.device import device_name, settle_precision
from models.tensorflow.events import EventLog
from models.tensorflow.files import count_parameters, export_onnx, save_checkpoint, save_weights
from models.tensorflow.fit import LookUp, StepRates, Trainer, index_batches, set_precision
from models.tensorflow.parallel import join_workers
from models.tensorflow.training import TrainingState, in_float32, list_models, make_model, make_optimizer

PACKAGES = ("tensorflow", "keras", "numpy", "onnx", "tf2onnx")


def set_up(device: str, seed: int, precision: str = "float32") -> str:
    """Seed every generator and return the device that 'auto', 'cpu' or 'cuda' means.

    UserError where 'cuda' is asked for and TensorFlow sees no GPU, and for 'mps', which is PyTorch's.
    """
    gpus = tf.config.list_physical_devices("GPU")
    if device == "cuda" and not gpus:
        raise UserError("--device cuda: TensorFlow sees no CUDA GPU here; use --device cpu, or install its CUDA build.")
    if device == "mps":
        raise UserError("--device mps is for mnist_pytorch.py; TensorFlow has no such device: use --device cpu.")
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


def train(
    model: keras.Model,
    dataset: Dataset,
    recipe: Recipe,
    device: str,
    checkpoint: Checkpoint | None = None,
    workers: Workers = ALONE,
) -> Progress:
    """Train the model in place; return a row an epoch, as in history.csv, and the loss of each step.

    The whole training set lies on the device; what `fit` is fed are indices, looked up by the first layer.
    """
    train_indices, validation_indices = split_dataset(dataset, recipe)
    validation = (validation_indices, dataset.train_labels[validation_indices])
    num_images = epoch_length(len(train_indices), recipe.batch_size)
    steps = math.ceil(num_images / recipe.batch_size)

    if recipe.precision == "bfloat16":
        set_precision(model, "mixed_bfloat16")
    indices = keras.Input((), dtype="int64")
    with tf.device("GPU:0" if device == "cuda" else "CPU:0"):
        look_up = LookUp(dataset.train_images, changing=recipe.changes_images)
        rates = StepRates(steps)
        trainer = Trainer(indices, model(look_up(indices)))
        trainer.prepare(steps, recipe.label_smoothing, workers)

    trainer.compile(
        make_optimizer(rates, recipe),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        steps_per_execution=32,  # steps that run without returning to Python
    )

    state = TrainingState(model, trainer)
    progress = state.resume(checkpoint)
    first = len(progress.history)
    trainer = workers.parallel(trainer)

    batches = index_batches(train_indices, dataset.train_labels, recipe, first)
    new_images = NewImagesEachEpoch(look_up, images_of_epochs(dataset, recipe, first))
    callbacks = [new_images] if recipe.changes_images else []
    callbacks += [
        LearningRates(rates, recipe, progress),
        EpochTable(progress, recipe, num_images, rates, workers),
        EvaluateAverage(state),
    ]
    if recipe.keep_best:
        callbacks.append(KeepBest(state, progress))
    if checkpoint:
        callbacks.append(SaveCheckpoint(checkpoint, state, progress))
    callbacks.append(StopEarly(recipe, progress))

    if not is_over(recipe, progress.history):
        trainer.fit(
            batches,
            initial_epoch=first,
            epochs=recipe.epochs,
            validation_data=validation if len(validation_indices) and workers.rank == 0 else None,
            validation_batch_size=500,
            callbacks=callbacks,
            shuffle=False,  # the batches come in the epoch's order
            verbose=0,
        )
    state.finish()
    set_precision(model, keras.config.floatx())  # evaluation and the saved model compute in float32
    return progress


def predict(model: keras.Model, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the class probabilities, float32 (N, classes), of raw images, uint8 (N, 28, 28)."""
    logits = model.predict(images, batch_size=500, verbose=0)
    probabilities: NDArray[np.float32] = keras.ops.convert_to_numpy(keras.ops.softmax(logits))
    return probabilities


def main(options: Options) -> None:
    """Train as the options say, and write the run."""
    started = time.perf_counter()
    device = set_up(options.device, options.recipe.seed, options.recipe.precision)
    options = settle_precision(options, device)
    recipe = options.recipe
    workers = join_workers(device)
    with workers.together():
        dataset = load_dataset(options.dataset, options.data_dir)
        run = NewRun(options, dataset, "tensorflow", PACKAGES, started, workers, EventLog)

    model = make_model(options, len(dataset.class_names))
    parameters = count_parameters(model)
    print(f"{recipe.model} in TensorFlow {tf.__version__} on {device}: {parameters[0]:,} parameters, {dataset.name}")

    progress = train(model, dataset, recipe, device, run.checkpoint, workers)
    if workers.rank:
        workers.wait()  # until the first has written the run
        return
    if recipe.precision == "float64":
        model = in_float32(model)
    probabilities = predict(model, run.images)

    with run.writing() as folder:
        save_checkpoint(model, folder / "model.keras")
        save_weights(model, folder / "weights.safetensors")
        export_onnx(model, folder / "model.onnx", dataset.class_names)
        outcome = run.write_results(folder, device_name(device), parameters, progress, probabilities)
    print(f"{outcome}\n{run.path}: predictions, probabilities, history.csv, run.json, model.keras, model.onnx, weights")
    workers.wait()


if __name__ == "__main__":
    sys.exit(run_script(list_models if OPTIONS.list_models else lambda: main(OPTIONS)))
