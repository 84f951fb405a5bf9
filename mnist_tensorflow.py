"""Train a digit classifier in TensorFlow/Keras, from raw pixels to a saved run in outputs/.

    python download_mnist.py                    # once
    python mnist_tensorflow.py                  # 3 epochs, about 99 % on MNIST's test set
    python mnist_tensorflow.py --model deep-cnn --augment
    python mnist_tensorflow.py --list-models

mnist_pytorch.py does the same in PyTorch, function by function: read the two side by side.
"""

from __future__ import annotations

import math
import sys
import time

from digits.errors import expect_interruptions, run_script
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
from digits.training import Checkpoint, NewRun, Progress
from digits.training.batches import epoch_length, split_dataset
from digits.training.schedule import is_over
from models.tensorflow.device import set_up, settle_precision
from models.tensorflow.files import count_parameters, list_models, save_network
from models.tensorflow.fit import BetweenEpochs, Classifier, batches_of_epochs
from models.tensorflow.networks import build_model
from models.tensorflow.parallel import join_workers
from models.tensorflow.training import TrainState, make_optimizer, set_starting_weights


def train(
    network: keras.Model,
    dataset: Dataset,
    recipe: Recipe,
    device: str,
    checkpoint: Checkpoint | None = None,
    workers: Workers = ALONE,
) -> Progress:
    """Train the network in place; return a row an epoch, as in history.csv, and the loss of each step."""
    train_indices, held_out = split_dataset(dataset, recipe)
    validation_images, validation_labels = dataset.train_images[held_out], dataset.train_labels[held_out]
    num_images = epoch_length(len(train_indices), recipe.batch_size)  # of an epoch
    # The network with labels that are smoothed in training alone, a learning rate and a loss for each step.
    with tf.device("GPU:0" if device == "cuda" else "CPU:0"):
        classifier = Classifier(network, recipe, math.ceil(num_images / recipe.batch_size), workers)
    classifier.compile(
        make_optimizer(classifier.rates, recipe),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        steps_per_execution=32,  # steps that run without returning to Python
    )
    state = TrainState(network, classifier)  # what a checkpoint keeps
    progress = state.restore(checkpoint)  # no epoch yet, unless --resume continues a killed training
    model = workers.parallel(classifier)  # the classifier itself, unless several processes train it together

    print(progress.HEADING)
    if not is_over(recipe, progress.history):
        first = len(progress.history)
        model.fit(
            batches_of_epochs(dataset, train_indices, recipe, first),  # (images, labels), each epoch in its own order
            initial_epoch=first,
            epochs=recipe.epochs,
            validation_data=(validation_images, validation_labels) if len(held_out) and workers.rank == 0 else None,
            validation_batch_size=500,
            # Between epochs: the rates, a row of history.csv, the best weights, a checkpoint, whether to stop.
            callbacks=[BetweenEpochs(recipe, num_images, state, progress, checkpoint, workers)],
            shuffle=False,  # the batches come in the epoch's order
            verbose=0,
        )
    state.load_kept()  # the best weights, their moving average or the last, as the recipe says
    return progress


def predict(network: keras.Model, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the class probabilities, float32 (N, classes), of raw images, uint8 (N, 28, 28)."""
    logits = network.predict(images, batch_size=500, verbose=0)
    probabilities: NDArray[np.float32] = keras.ops.convert_to_numpy(keras.ops.softmax(logits))
    return probabilities


def main(options: Options) -> None:
    """Train as the options say, and write the run."""
    started = time.perf_counter()
    device = set_up(options.device, options.recipe.seed, options.recipe.precision)
    options = settle_precision(options, device)  # --precision auto is bfloat16 where the device has it
    recipe = options.recipe
    workers = join_workers(device)  # this process alone, unless TF_CONFIG names several
    with workers.together():
        dataset = load_dataset(options.dataset, options.data_dir)
        packages = ("tensorflow", "keras", "numpy", "onnx", "tf2onnx")
        run = NewRun(options, dataset, "tensorflow", packages, started, workers)

    network = build_model(run.config)
    set_starting_weights(network, options)  # its fresh ones, but for --init-from and --parity
    parameters = count_parameters(network)
    print(f"{recipe.model} in TensorFlow {tf.__version__} on {device}: {parameters[0]:,} parameters, {dataset.name}")

    progress = train(network, dataset, recipe, device, run.checkpoint, workers)
    if workers.rank == 0:
        if recipe.precision == "float64":  # what is evaluated and saved computes in float32
            weights = network.get_weights()
            keras.config.set_floatx("float32")
            keras.config.set_dtype_policy("float32")
            network = build_model(run.config)
            network.set_weights(weights)
        probabilities = predict(network, run.images)

        with run.writing() as folder:
            save_network(network, folder, dataset.class_names)  # model.keras, model.onnx, weights.safetensors
            gpus = tf.config.get_visible_devices("GPU")
            details = tf.config.experimental.get_device_details(gpus[0]) if gpus else {"device_name": "cpu"}
            device_name = details.get("device_name", "GPU")
            outcome = run.write_results(folder, device_name, parameters, progress, probabilities)
        print(outcome)
        print(f"{run.path}: predictions, probabilities, history.csv, run.json, model.keras, model.onnx, weights")
    workers.wait()  # until the first has written the run


if __name__ == "__main__":
    sys.exit(run_script(list_models if OPTIONS.list_models else lambda: main(OPTIONS)))
