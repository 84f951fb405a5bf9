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

from digits.errors import expect_interruptions, run_script
from digits.training import ALONE, Options, Recipe, Workers, parse_options

if __name__ == "__main__":
    expect_interruptions()
    # Before the second that importing PyTorch takes: --help and a mistyped option answer at once.
    OPTIONS = parse_options(__doc__)

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional as F

from digits.data import Dataset, load_dataset
from digits.runs import score_of
from digits.training import Checkpoint, NewRun, Progress
from digits.training.batches import epoch_order, images_of_epochs, split_dataset
from digits.training.schedule import is_best, is_over, learning_rates
from models.pytorch.device import set_up, settle_precision
from models.pytorch.files import count_parameters, list_models, save_network
from models.pytorch.networks import build_model
from models.pytorch.parallel import join_workers
from models.pytorch.training import TrainState, losses_and_accuracy, make_optimizer, set_starting_weights


def train(
    network: nn.Module,
    dataset: Dataset,
    recipe: Recipe,
    device: torch.device,
    checkpoint: Checkpoint | None = None,
    workers: Workers = ALONE,
) -> Progress:
    """Train the network in place; return a row an epoch, as in history.csv, and the loss of each step."""
    train_indices, held_out = split_dataset(dataset, recipe)
    validation_images, validation_labels = dataset.train_images[held_out], dataset.train_labels[held_out]
    labels = torch.from_numpy(dataset.train_labels).to(device, torch.int64)
    autocast = torch.autocast(device.type, torch.bfloat16, enabled=recipe.precision == "bfloat16")
    optimizer = make_optimizer(network, recipe)
    state = TrainState(network, optimizer, recipe.ema)  # what a checkpoint keeps; `ema`: a moving average of weights
    progress = state.restore(checkpoint)  # no epoch yet, unless --resume continues a killed training
    history = progress.history
    model = workers.parallel(network)  # the network itself, unless several processes train it together
    epoch_images = images_of_epochs(dataset, recipe, len(history))

    print(progress.HEADING)
    while not is_over(recipe, history):
        images = torch.from_numpy(next(epoch_images)).to(device)  # all of the epoch's: a batch is one indexing
        order = torch.from_numpy(epoch_order(train_indices, recipe.seed, len(history), recipe.batch_size)).to(device)
        batches = order.split(recipe.batch_size)
        rates = learning_rates(recipe, len(batches), history).tolist()  # of each step

        started, outputs = time.perf_counter(), []
        model.train()
        with progress.live_line(recipe.epochs, len(order)) as line:
            for batch, rate in zip(batches, rates, strict=True):
                for group in optimizer.param_groups:
                    group["lr"] = rate
                optimizer.zero_grad()
                with autocast:
                    logits = model(images[batch])
                logits = logits.to(torch.get_default_dtype())
                loss = F.cross_entropy(logits, labels[batch], label_smoothing=recipe.label_smoothing)
                loss.backward()
                optimizer.step()
                state.update_average()
                outputs.append(logits.detach())
                if line.update(len(batch)):  # drawn again, as it is up to ten times a second in a terminal
                    losses, accuracy = losses_and_accuracy(torch.cat(outputs), labels[order[: line.n]], recipe)
                    line.set_postfix_str(f"loss {losses.mean():.4f}, accuracy {accuracy:.2%}")
        losses, accuracy = losses_and_accuracy(torch.cat(outputs), labels[order], recipe)
        step_losses = [batch_losses.mean().item() for batch_losses in losses.split(recipe.batch_size)]
        seconds = time.perf_counter() - started
        row = {"epoch": len(history) + 1, "learning_rate": rates[-1]}
        row |= {"train_loss": losses.mean().item(), "train_accuracy": accuracy}
        if len(held_out):
            probabilities = workers.from_first(lambda: predict(state.evaluated(), validation_images))
            score = score_of(validation_labels, probabilities)
            row |= {"validation_loss": score["loss"], "validation_accuracy": score["accuracy"]}
        row |= {"seconds": round(seconds, 3), "images_per_second": round(len(order) / seconds, 1)}
        progress.add(row, step_losses, recipe.epochs)  # prints the row; ends the training if its loss is not finite

        if recipe.keep_best and is_best(history):
            state.keep_best()
        if checkpoint:
            checkpoint.write(progress, state.save())
    state.load_kept()  # the best weights, their moving average or the last, as the recipe says
    return progress


@torch.inference_mode()
def predict(network: nn.Module, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the class probabilities, float32 (N, classes), of raw images, uint8 (N, 28, 28)."""
    network.eval()
    device = next(network.parameters()).device
    batches = torch.from_numpy(images).split(500)
    return torch.cat([network(batch.to(device)).softmax(dim=1).float().cpu() for batch in batches]).numpy()


def main(options: Options) -> None:
    """Train as the options say, and write the run."""
    started = time.perf_counter()
    device = set_up(options.device, options.recipe.seed, options.recipe.precision)
    options = settle_precision(options, device)  # --precision auto is bfloat16 where the device has it
    recipe = options.recipe
    workers = join_workers(device)  # this process alone, unless torchrun has started several
    with workers.together():
        dataset = load_dataset(options.dataset, options.data_dir)
        run = NewRun(options, dataset, "pytorch", ("torch", "numpy", "onnx"), started, workers)

    network = build_model(run.config).to(device)
    set_starting_weights(network, options)  # its fresh ones, but for --init-from and --parity
    parameters = count_parameters(network)
    print(f"{recipe.model} in PyTorch {torch.__version__} on {device}: {parameters[0]:,} parameters, {dataset.name}")

    progress = train(network, dataset, recipe, device, run.checkpoint, workers)
    if workers.rank == 0:
        if recipe.precision == "float64":  # what is evaluated and saved computes in float32
            torch.set_default_dtype(torch.float32)
            network.float()
        probabilities = predict(network, run.images)

        with run.writing() as folder:
            save_network(network, folder, dataset.class_names)  # model.pt, model.onnx, weights.safetensors
            device_name = torch.cuda.get_device_name() if device.type == "cuda" else device.type
            outcome = run.write_results(folder, device_name, parameters, progress, probabilities)
        print(outcome)
        print(f"{run.path}: predictions, probabilities, history.csv, run.json, model.pt, model.onnx, weights")
    workers.wait()  # until the first has written the run


if __name__ == "__main__":
    sys.exit(run_script(list_models if OPTIONS.list_models else lambda: main(OPTIONS)))
