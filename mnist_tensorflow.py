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

from mnist_twice.errors import run_script
from mnist_twice.recipes import Options, Recipe, parse_options
from mnist_twice.training import ALONE, Checkpoint, NewRun, Progress, Workers

if __name__ == "__main__":
    OPTIONS = parse_options(__doc__)  # before the slow import of TensorFlow, so that --help answers at once

from mnist_twice.training.keras_import import ignore_keras_settings, quiet_stderr

ignore_keras_settings()  # the user's, in ~/.keras/keras.json and KERAS_BACKEND
with quiet_stderr():  # TensorFlow writes notes while it is imported
    import keras
    import tensorflow as tf

import numpy as np
from numpy.typing import NDArray

from mnist_twice.data import Dataset, load_dataset
from mnist_twice.tensorflow.device import describe, set_up, settle_precision
from mnist_twice.tensorflow.files import count_parameters, list_models, save_network
from mnist_twice.tensorflow.fit import Classifier, TrainingCallback, batches_of_epochs
from mnist_twice.tensorflow.networks import build_model
from mnist_twice.tensorflow.parallel import join_workers
from mnist_twice.tensorflow.training import TrainState, make_optimizer, set_starting_weights
from mnist_twice.training.batches import epoch_length, split_dataset
from mnist_twice.training.schedule import is_over


def train(
    network: keras.Model,
    dataset: Dataset,
    recipe: Recipe,
    device: str,
    checkpoint: Checkpoint | None = None,
    workers: Workers = ALONE,
) -> Progress:
    """Train the network in place; return a Progress: one row of history.csv per epoch, and the loss of every step."""
    train_indices, held_out = split_dataset(dataset, recipe)  # of the training images; held_out: for validation
    validation_images, validation_labels = dataset.train_images[held_out], dataset.train_labels[held_out]
    # Without a last batch of one image, which batch normalisation could not normalise.
    num_images = epoch_length(len(train_indices), recipe.batch_size)
    with tf.device("GPU:0" if device == "cuda" else "CPU:0"):  # the classifier's variables, as the network's
        # A keras.Model around the network, which adds: label smoothing in training, as PyTorch's cross_entropy does it
        # (the loss below has none); bfloat16 in training, if the recipe says so; and two variables with an entry for
        # each step of an epoch: `rates`, which the optimizer reads, and `step_losses`, which the callback reads.
        classifier = Classifier(network, recipe, len(dataset.class_names), math.ceil(num_images / recipe.batch_size))
    classifier.compile(
        # Adam, or SGD with Nesterov momentum, as the recipe says. With --ema it also keeps the moving average of the
        # weights. `rates` is a LearningRateSchedule that looks up the step's rate.
        make_optimizer(classifier.rates, recipe),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        steps_per_execution=32,  # steps that run without returning to Python
    )
    state = TrainState(network, classifier)  # what a checkpoint keeps: weights, optimizer, best weights, ...
    progress = state.restore(checkpoint)  # empty, unless --resume continues an interrupted training
    model = workers.parallel(classifier)  # with several processes: each computes its part of a batch

    print(progress.HEADING)
    if not is_over(recipe, progress.history):  # as with --epochs 0, or --resume after the last epoch
        first = len(progress.history)
        model.fit(
            # A tf.data.Dataset of batches (images, labels). Each pass over it is the next epoch, shuffled anew, and
            # augmented anew if the recipe says so.
            batches_of_epochs(dataset, train_indices, recipe, first),
            initial_epoch=first,
            epochs=recipe.epochs,
            # Worker 0 evaluates; the callback sends the others its result.
            validation_data=(validation_images, validation_labels) if len(held_out) and workers.rank == 0 else None,
            validation_batch_size=500,
            # What PyTorch's loop does around the steps. Before an epoch: its learning rates, and the bar of images.
            # For the validation: it swaps in the averaged weights, and back. After an epoch: the row of the history
            # (UserError if the training loss is not finite), the best weights, the checkpoint, --early-stopping.
            callbacks=[TrainingCallback(recipe, num_images, state, progress, checkpoint, workers)],
            shuffle=False,  # the batches are already shuffled
            verbose=0,
        )
    state.load_kept()  # the last epoch's weights, or the best's (--keep-best); with --ema, their moving average
    return progress


def predict(network: keras.Model, images: NDArray[np.uint8], num_classes: int) -> NDArray[np.float32]:
    """Return the class probabilities, float32 (N, num_classes), of raw images, uint8 (N, 28, 28)."""
    logits = network.predict(images, batch_size=500, verbose=0)[:, :num_classes]  # without that of --non-digits
    probabilities: NDArray[np.float32] = keras.ops.convert_to_numpy(keras.ops.softmax(logits))
    return probabilities


def main(options: Options) -> None:
    """Train as the options say, and write the run."""
    started = time.perf_counter()
    # Also seeds all random numbers, and makes float64 the type of new tensors with --precision float64.
    device = set_up(options.device, options.recipe.seed, options.recipe.precision)
    options = settle_precision(options, device)  # --precision auto: bfloat16 if the device is fast at it, else float32
    recipe = options.recipe
    workers = join_workers(device)  # this process alone, unless TF_CONFIG names several
    dataset = load_dataset(options.dataset, options.data_dir)
    packages = ("tensorflow", "keras", "numpy", "onnx", "tf2onnx")  # whose versions run.json records
    run = NewRun(options, dataset, "tensorflow", packages, started, workers)  # has path, config, checkpoint, images

    network = build_model(run.config)
    set_starting_weights(network, options)  # random, a run's (--init-from), or equal in both frameworks (--parity)
    parameters = count_parameters(network)  # (trainable, others)
    print(f"{recipe.model} in TensorFlow {tf.__version__} on {device}: {parameters[0]:,} parameters, {dataset.name}")

    progress = train(network, dataset, recipe, device, run.checkpoint, workers)
    if workers.rank == 0:
        if recipe.precision == "float64":  # the test and the saved files use float32
            weights = network.get_weights()
            keras.config.set_floatx("float32")
            keras.config.set_dtype_policy("float32")
            network = build_model(run.config)
            network.set_weights(weights)
        probabilities = predict(network, run.images, len(dataset.class_names))  # the test or the held-out images
        with run.writing() as folder:
            save_network(network, folder, dataset.class_names, dataset.preprocessing)  # in three forms
            outcome = run.write_results(folder, describe(device), parameters, progress, probabilities)
        print(outcome)  # the accuracy, with its confidence interval
        print(f"{run.path}: predictions, probabilities, history.csv, run.json, model.keras, model.onnx, weights")
    workers.wait()  # until worker 0 has written the run


if __name__ == "__main__":
    sys.exit(run_script(list_models if OPTIONS.list_models else lambda: main(OPTIONS)))
