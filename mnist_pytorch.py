"""Train a digit classifier in PyTorch, from raw pixels to a saved run in outputs/.

    python download_mnist.py                    # once
    python mnist_pytorch.py                     # 3 epochs, about 99 % on MNIST's test set
    python mnist_pytorch.py --model deep-cnn --augment
    python mnist_pytorch.py --list-models
    python mnist_pytorch.py --help

mnist_tensorflow.py does the same in TensorFlow/Keras, function by function: read the two side by side.
"""

from __future__ import annotations

import os
import sys
import time

from digits.errors import UserError, expect_interruptions, run_script
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
from digits.metrics import accuracy, cross_entropy
from digits.training import (
    HEADER,
    Checkpoint,
    EpochProgress,
    NewRun,
    Progress,
    epoch_order,
    images_of_epochs,
    is_best,
    is_over,
    learning_rates,
    split_dataset,
)
from digits.training.memory import keep_freed_memory
from models.pytorch.device import device_name, settle_precision
from models.pytorch.events import EventLog
from models.pytorch.files import count_parameters, export_onnx, save_checkpoint, save_weights
from models.pytorch.parallel import join_workers
from models.pytorch.training import Scores, TrainingState, in_float32, list_models, make_model, make_optimizer

PACKAGES = ("torch", "numpy", "onnx")


def set_up(device: str, seed: int, precision: str = "float32") -> torch.device:
    """Seed every generator and return the device that 'auto', 'cpu', 'cuda' or 'mps' (an Apple GPU; untested) means.

    UserError where PyTorch sees no such GPU.
    """
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not available.get(device, True):
        raise UserError(f"--device {device}: PyTorch sees no such GPU; use --device cpu, or check driver and wheel.")
    torch.manual_seed(seed)
    torch.set_default_dtype(torch.float64 if precision == "float64" else torch.float32)

    if device == "cpu" or not (device == "mps" or available["cuda"]):
        keep_freed_memory()
        return torch.device("cpu")  # its kernels are deterministic as they are
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS is deterministic only with this
    torch.use_deterministic_algorithms(True, warn_only=True)  # but do not write NaN into each fresh buffer:
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    return torch.device("mps" if device == "mps" else "cuda")


def train(
    model: nn.Module,
    dataset: Dataset,
    recipe: Recipe,
    device: torch.device,
    checkpoint: Checkpoint | None = None,
    workers: Workers = ALONE,
) -> Progress:
    """Train the model in place; return a row an epoch, as in history.csv, and the loss of each step.

    The whole training set lies on the device, so that a batch is one indexing of it.
    """
    train_indices, validation_indices = split_dataset(dataset, recipe)
    train_labels = torch.from_numpy(dataset.train_labels).to(device, torch.int64)
    validation_images = dataset.train_images[validation_indices]
    validation_labels = dataset.train_labels[validation_indices]

    optimizer = make_optimizer(model, recipe)
    autocast = torch.autocast(device.type, torch.bfloat16, enabled=recipe.precision == "bfloat16")
    state = TrainingState(model, optimizer, recipe.ema)
    progress = state.resume(checkpoint)
    history = progress.history
    model = workers.parallel(model)

    print(HEADER)
    epoch_images = images_of_epochs(dataset, recipe, len(history))
    while not is_over(recipe, history):
        images = torch.from_numpy(next(epoch_images)).to(device)
        order = torch.from_numpy(epoch_order(train_indices, recipe.seed, len(history), recipe.batch_size)).to(device)
        batches = order.split(recipe.batch_size)
        rates = learning_rates(recipe, len(batches), history).tolist()

        model.train()
        with EpochProgress(len(history), recipe.epochs, len(order)) as table:
            scores = Scores(train_labels[order], len(dataset.class_names), recipe)
            for batch, rate in zip(batches, rates, strict=True):
                for group in optimizer.param_groups:
                    group["lr"] = rate
                optimizer.zero_grad()
                with autocast:
                    logits = model(images[batch])
                logits = logits.to(torch.get_default_dtype())
                loss = F.cross_entropy(logits, train_labels[batch], label_smoothing=recipe.label_smoothing)
                loss.backward()
                optimizer.step()

                if state.average:
                    state.average.update_parameters(model)
                scores.add(logits)
                if table.needs_update():
                    table.show(scores.count, *scores.mean())
            loss_and_accuracy, step_losses = scores.of_epoch()
            progress.losses += step_losses
            table.finish_training()

            validation = {}
            if len(validation_indices):
                probabilities = workers.from_first(lambda: predict(state.evaluated(), validation_images))
                validation["loss"] = cross_entropy(validation_labels, probabilities)
                validation["accuracy"] = accuracy(validation_labels, probabilities.argmax(axis=1))
            history.append(table.finish(*loss_and_accuracy, validation, rates[-1]))

        if recipe.keep_best and is_best(history):
            state.keep_best()
        if checkpoint:
            checkpoint.write(progress, state.save())
    state.finish()
    return progress


@torch.inference_mode()
def predict(model: nn.Module, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the class probabilities, float32 (N, classes), of raw images, uint8 (N, 28, 28)."""
    model.eval()
    device = next(model.parameters()).device
    batches = torch.from_numpy(images).split(500)
    return torch.cat([model(batch.to(device)).softmax(dim=1).float().cpu() for batch in batches]).numpy()


def main(options: Options) -> None:
    """Train as the options say, and write the run."""
    started = time.perf_counter()
    device = set_up(options.device, options.recipe.seed, options.recipe.precision)
    options = settle_precision(options, device)
    recipe = options.recipe
    workers = join_workers(device)
    with workers.together():
        dataset = load_dataset(options.dataset, options.data_dir)
        run = NewRun(options, dataset, "pytorch", PACKAGES, started, workers, EventLog)

    model = make_model(options, len(dataset.class_names)).to(device)
    parameters = count_parameters(model)
    print(f"{recipe.model} in PyTorch {torch.__version__} on {device}: {parameters[0]:,} parameters, {dataset.name}")

    progress = train(model, dataset, recipe, device, run.checkpoint, workers)
    if workers.rank:
        workers.wait()  # until the first has written the run
        return
    if recipe.precision == "float64":
        model = in_float32(model)
    probabilities = predict(model, run.images)

    with run.writing() as folder:
        save_checkpoint(model, folder / "model.pt")
        save_weights(model, folder / "weights.safetensors")
        export_onnx(model, folder / "model.onnx", dataset.class_names)
        outcome = run.write_results(folder, device_name(device), parameters, progress, probabilities)
    print(f"{outcome}\n{run.path}: predictions, probabilities, history.csv, run.json, model.pt, model.onnx, weights")
    workers.wait()


if __name__ == "__main__":
    sys.exit(run_script(list_models if OPTIONS.list_models else lambda: main(OPTIONS)))
