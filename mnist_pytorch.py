"""Train a digit classifier in PyTorch, from raw pixels to a saved run in outputs/.

    python download_mnist.py                    # once
    python mnist_pytorch.py                     # 3 epochs, about 99 % on MNIST's test set
    python mnist_pytorch.py --model deep-cnn --augment
    python mnist_pytorch.py --list-models

mnist_tensorflow.py does the same in TensorFlow/Keras, function by function: read the two side by side.
"""

from __future__ import annotations

import sys
import time

from mnist_twice.errors import run_script
from mnist_twice.recipes import Options, Recipe, parse_options
from mnist_twice.training import ALONE, Checkpoint, NewRun, Progress, Workers

if __name__ == "__main__":
    OPTIONS = parse_options(__doc__)  # before the slow import of PyTorch, so that --help answers at once

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from mnist_twice.data import Dataset, load_dataset
from mnist_twice.pytorch.device import describe, set_up, settle_precision
from mnist_twice.pytorch.files import count_parameters, list_models, save_network
from mnist_twice.pytorch.networks import build_model
from mnist_twice.pytorch.parallel import join_workers
from mnist_twice.pytorch.training import TrainState, losses_and_accuracy, make_optimizer, set_starting_weights
from mnist_twice.runs import score_of
from mnist_twice.training.batches import epoch_order, images_of_epochs, split_dataset
from mnist_twice.training.schedule import is_best, is_over, learning_rates


def train(
    network: nn.Module,
    dataset: Dataset,
    recipe: Recipe,
    device: torch.device,
    checkpoint: Checkpoint | None = None,
    workers: Workers = ALONE,
) -> Progress:
    """Train the network in place; return a Progress: one row of history.csv per epoch, and the loss of every step."""
    train_indices, held_out = split_dataset(dataset, recipe)  # of the training images; held_out: for validation
    validation_images, validation_labels = dataset.train_images[held_out], dataset.train_labels[held_out]
    num_classes = len(dataset.class_names)  # with --non-digits the network has one more output, for training alone
    autocast = torch.autocast(device.type, torch.bfloat16, enabled=recipe.precision == "bfloat16")
    optimizer = make_optimizer(network, recipe)  # Adam, or SGD with Nesterov momentum, as the recipe says
    state = TrainState(network, optimizer, recipe.ema)  # what a checkpoint keeps; ema: decay of the moving average
    progress = state.restore(checkpoint)  # empty, unless --resume continues an interrupted training
    history = progress.history  # one row per finished epoch: progress.add() below appends it
    model = workers.parallel(network)  # with several processes: each computes its part of a batch
    epochs = images_of_epochs(dataset, recipe, len(history))  # yields all images, augmented anew if asked, and labels

    print(progress.HEADING)
    while not is_over(recipe, history):  # after all epochs, or --early-stopping N without a lower validation loss
        images, labels = (torch.from_numpy(array).to(device) for array in next(epochs))  # so a batch is one indexing
        # In a new random order. A last batch of one image, which batch normalisation cannot normalise, is left out.
        order = torch.from_numpy(epoch_order(train_indices, recipe.seed, len(history), recipe.batch_size)).to(device)
        batches = order.split(recipe.batch_size)
        # A rate for each step: constant (halved when the validation loss has stalled), cosine or one-cycle.
        rates = learning_rates(recipe, len(batches), history).tolist()

        started = time.perf_counter()
        outputs = torch.empty(len(order), num_classes + (recipe.non_digits > 0), device=device)  # logits of all steps
        model.train()
        with progress.live_line(recipe.epochs, len(order)) as line:  # a bar of tqdm's, in images
            for batch, rate, output in zip(batches, rates, outputs.split(recipe.batch_size), strict=True):
                for group in optimizer.param_groups:
                    group["lr"] = rate
                optimizer.zero_grad()
                with autocast:
                    logits = model(images[batch])
                loss = nn.functional.cross_entropy(logits, labels[batch], label_smoothing=recipe.label_smoothing)
                loss.backward()
                optimizer.step()
                state.update_average()  # of the weights, if the recipe asks for one
                output.copy_(logits.detach())  # measured later: reading a loss in each step would wait for the GPU
                if line.update(len(batch)):  # true when the bar is redrawn, ten times a second; line.n: images done
                    losses, accuracy = losses_and_accuracy(outputs[: line.n], labels[order[: line.n]], recipe)
                    line.set_postfix_str(f"loss {losses.mean():.4f}, accuracy {accuracy:.2%}")
        losses, accuracy = losses_and_accuracy(outputs, labels[order], recipe)  # a loss for each image, smoothed
        step_losses = [batch_losses.mean().item() for batch_losses in losses.split(recipe.batch_size)]
        seconds = time.perf_counter() - started
        row = {"epoch": len(history) + 1, "learning_rate": rates[-1]}
        row |= {"train_loss": losses.mean().item(), "train_accuracy": accuracy}
        if len(held_out):
            # Of the averaged weights with --ema. Worker 0 computes; the others receive its result.
            probabilities = workers.from_first(lambda: predict(state.evaluated(), validation_images, num_classes))
            score = score_of(validation_labels, probabilities)
            row |= {"validation_loss": score["loss"], "validation_accuracy": score["accuracy"]}
        row |= {"seconds": round(seconds, 3), "images_per_second": round(len(order) / seconds, 1)}
        progress.add(row, step_losses, recipe.epochs)  # appends and prints the row; UserError if its loss is not finite
        if recipe.keep_best and is_best(history):  # the highest validation accuracy so far
            state.keep_best()
        if checkpoint:
            checkpoint.write(progress, state.save())
    state.load_kept()  # the last epoch's weights, or the best's (--keep-best); with --ema, their moving average
    return progress


@torch.inference_mode()
def predict(network: nn.Module, images: NDArray[np.uint8], num_classes: int) -> NDArray[np.float32]:
    """Return the class probabilities, float32 (N, num_classes), of raw images, uint8 (N, 28, 28)."""
    network.eval()
    device = next(network.parameters()).device
    batches = (network(batch.to(device))[:, :num_classes] for batch in torch.from_numpy(images).split(500))
    return torch.cat([logits.softmax(dim=1).float().cpu() for logits in batches]).numpy()


def main(options: Options) -> None:
    """Train as the options say, and write the run."""
    started = time.perf_counter()
    # Also seeds all random numbers, and makes float64 the type of new tensors with --precision float64.
    device = set_up(options.device, options.recipe.seed, options.recipe.precision)
    options = settle_precision(options, device)  # --precision auto: bfloat16 if the device is fast at it, else float32
    recipe = options.recipe
    workers = join_workers(device)  # this process alone, unless torchrun has started several
    dataset = load_dataset(options.dataset, options.data_dir)
    packages = ("torch", "numpy", "onnx")  # whose versions run.json records
    run = NewRun(options, dataset, "pytorch", packages, started, workers)  # has path, config, checkpoint, images

    network = build_model(run.config).to(device)
    set_starting_weights(network, options)  # random, a run's (--init-from), or equal in both frameworks (--parity)
    parameters = count_parameters(network)  # (trainable, others)
    print(f"{recipe.model} in PyTorch {torch.__version__} on {device}: {parameters[0]:,} parameters, {dataset.name}")

    progress = train(network, dataset, recipe, device, run.checkpoint, workers)
    if workers.rank == 0:
        if recipe.precision == "float64":  # the test and the saved files use float32
            torch.set_default_dtype(torch.float32)
            network.float()
        probabilities = predict(network, run.images, len(dataset.class_names))  # the test or the held-out images
        with run.writing() as folder:
            save_network(network, folder, dataset.class_names, dataset.preprocessing)  # in three forms
            outcome = run.write_results(folder, describe(device), parameters, progress, probabilities)
        print(outcome)  # the accuracy, with its confidence interval
        print(f"{run.path}: predictions, probabilities, history.csv, run.json, model.pt, model.onnx, weights")
    workers.wait()  # until worker 0 has written the run


if __name__ == "__main__":
    sys.exit(run_script(list_models if OPTIONS.list_models else lambda: main(OPTIONS)))
