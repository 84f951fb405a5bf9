"""Train a digit classifier in PyTorch, from raw pixels to a saved run in outputs/.

    python download_mnist.py          # once
    python mnist_pytorch.py           # 3 epochs, about 99 % on MNIST's test set
    python mnist_pytorch.py --help

mnist_tensorflow.py tells the same story in TensorFlow/Keras, function by function: read the two side by side.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from digits.errors import UserError, expect_ctrl_c, run_script
from digits.recipe import Options, Recipe, parse_options

if __name__ == "__main__":
    # Before the second that importing PyTorch takes: --help and a mistyped option answer at once.
    OPTIONS = parse_options(__doc__)
    expect_ctrl_c()

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from digits.batches import epoch_order, split_rows
from digits.datasets import Dataset, load_dataset
from digits.memory import keep_freed_memory
from digits.metrics import accuracy, cross_entropy
from digits.onnx_file import INPUT, OUTPUT, finish_onnx
from digits.progress import EpochProgress
from digits.results import Training, run_path, write_results
from digits.runs import check_writable, writing_run
from digits.weights import Network, check_names_and_shapes, read_weights, write_weights
from models.pytorch import PIXEL_RANGE, build_model, network_of

PACKAGES = ("torch", "numpy", "onnx")


def set_up(device: str, seed: int) -> torch.device:
    """Seed every generator and return the device that 'auto', 'cpu' or 'cuda' means.

    UserError where 'cuda' is asked for and PyTorch sees no GPU.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise UserError("--device cuda: PyTorch sees no CUDA GPU here; use --device cpu, or check driver and wheel.")
    torch.manual_seed(seed)
    if device == "cpu" or not torch.cuda.is_available():
        keep_freed_memory()
        return torch.device("cpu")  # its kernels are deterministic as they are
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS is deterministic only with this
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # it would overwrite each fresh buffer with NaN
    return torch.device("cuda")


def train(model: nn.Module, dataset: Dataset, recipe: Recipe, device: torch.device) -> list[dict[str, float]]:
    """Train the model in place; return a row an epoch, as in history.csv.

    The whole training set lies on the device, so that a batch is one indexing of it.
    """
    images = torch.from_numpy(dataset.train_images).to(device)
    labels = torch.from_numpy(dataset.train_labels).to(device, torch.int64)
    train_rows, validation_rows = split_rows(dataset.train_labels, recipe.validation_fraction, recipe.seed)
    optimizer = torch.optim.Adam(model.parameters(), lr=recipe.learning_rate, fused=True)
    autocast = torch.autocast(device.type, torch.bfloat16, enabled=recipe.precision == "bfloat16")

    history = []
    for epoch in range(recipe.epochs):
        order = torch.from_numpy(epoch_order(train_rows, recipe.seed, epoch)).to(device)
        # Logits are kept and measured at the end: reading loss and accuracy in each step would wait for the device.
        logits = torch.empty(len(order), len(dataset.class_names), device=device)
        model.train()
        with EpochProgress(epoch, recipe.epochs, len(order)) as progress:
            for step, rows in enumerate(order.split(recipe.batch_size)):
                start, stop = step * recipe.batch_size, step * recipe.batch_size + len(rows)
                with autocast:
                    batch_logits = model(images[rows])
                loss = F.cross_entropy(batch_logits.float(), labels[rows])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                logits[start:stop] = batch_logits.detach()
                if progress.is_due():
                    progress.show(stop, *_loss_and_accuracy(logits[:stop], labels[order[:stop]]))
            train_loss, train_accuracy = _loss_and_accuracy(logits, labels[order])
            progress.finish_training()

            validation = {}
            if len(validation_rows):
                held_out = dataset.train_labels[validation_rows]
                probabilities = predict(model, dataset.train_images[validation_rows])
                validation["loss"] = cross_entropy(held_out, probabilities)
                validation["accuracy"] = accuracy(held_out, probabilities.argmax(axis=1))
            history.append(progress.finish(train_loss, train_accuracy, validation, recipe.learning_rate))
    return history


@torch.inference_mode()
def predict(model: nn.Module, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the class probabilities, float32 (N, classes), of raw images, uint8 (N, 28, 28)."""
    model.eval()
    device = next(model.parameters()).device
    batches = torch.from_numpy(images).split(500)
    return torch.cat([model(batch.to(device)).softmax(dim=1).cpu() for batch in batches]).numpy()


def count_parameters(model: nn.Module) -> tuple[int, int]:
    """Return how many numbers training changes by gradient, and how many others the model keeps."""
    trainable = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    return trainable, sum(array.numel() for array in model.state_dict().values()) - trainable


def save_checkpoint(model: nn.Module, path: Path) -> None:
    """Write PyTorch's own form of a trained model: its state_dict, and what is needed to build the model again."""
    torch.save({"network": vars(network_of(model)), "state_dict": model.state_dict()}, path)


def load_checkpoint(path: Path) -> nn.Module:
    """Return the model that save_checkpoint wrote, on the CPU."""
    checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    model = build_model(Network(**checkpoint["network"]))
    model.load_state_dict(checkpoint["state_dict"])
    return model


def save_weights(model: nn.Module, path: Path) -> None:
    """Write weights.safetensors, the form that both frameworks read (digits/weights.py)."""
    write_weights(path, network_of(model), {name: array.cpu().numpy() for name, array in model.state_dict().items()})


def load_weights(path: Path) -> nn.Module:
    """Return the network in a weights.safetensors of either framework; UserError where it does not fit."""
    network, arrays = read_weights(path)
    model = build_model(network)
    check_names_and_shapes(path, {name: tuple(array.shape) for name, array in model.state_dict().items()}, arrays)
    # The file's layout is PyTorch's own.
    model.load_state_dict({name: torch.from_numpy(array) for name, array in arrays.items()})
    return model


def export_onnx(model: nn.Module, path: Path, class_names: tuple[str, ...]) -> None:
    """Write model.onnx: raw images in, probabilities out (digits/onnx_file.py)."""
    exported = nn.Sequential(model, nn.Softmax(dim=1)).cpu().eval()
    torch.onnx.export(
        exported,
        (torch.zeros(2, 28, 28, dtype=torch.uint8),),
        path,
        input_names=[INPUT],
        output_names=[OUTPUT],
        dynamic_shapes=({0: torch.export.Dim("N")},),
        external_data=False,
        verbose=False,
    )
    finish_onnx(path, class_names)


def main(options: Options) -> None:
    """Train as the options say, and write the run."""
    started = time.perf_counter()
    recipe = options.recipe
    dataset = load_dataset(options.dataset, options.data_dir)
    path = run_path(options, "pytorch")
    check_writable(path)

    device = set_up(options.device, recipe.seed)
    model = build_model(Network(recipe.model, len(dataset.class_names), PIXEL_RANGE)).to(device)
    parameters = count_parameters(model)
    print(f"{recipe.model} in PyTorch {torch.__version__} on {device}: {parameters[0]:,} parameters, {dataset.name}")
    history = train(model, dataset, recipe, device)
    probabilities = predict(model, dataset.test_images)

    with writing_run(path) as folder:
        save_checkpoint(model, folder / "model.pt")
        save_weights(model, folder / "weights.safetensors")
        export_onnx(model, folder / "model.onnx", dataset.class_names)
        seconds = time.perf_counter() - started
        device_name = torch.cuda.get_device_name() if device.type == "cuda" else "cpu"
        training = Training(
            "pytorch", "mnist_pytorch.py", PACKAGES, device_name, parameters, history, probabilities, seconds
        )
        outcome = write_results(folder, options, dataset, training)
    print(f"{outcome}\n{path}: predictions, probabilities, history.csv, run.json, model.pt, model.onnx, weights")


def _loss_and_accuracy(logits: Tensor, labels: Tensor) -> tuple[float, float]:
    """Return the mean cross-entropy, in nats, and the share of right answers."""
    return F.cross_entropy(logits, labels).item(), (logits.argmax(dim=1) == labels).float().mean().item()


if __name__ == "__main__":
    sys.exit(run_script(lambda: main(OPTIONS)))
