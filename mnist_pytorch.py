"""Train a digit classifier in PyTorch, from raw pixels to a saved run in outputs/.

    python download_mnist.py                    # once
    python mnist_pytorch.py                     # 3 epochs, about 99 % on MNIST's test set
    python mnist_pytorch.py --model deep-cnn --augment
    python mnist_pytorch.py --list-models
    python mnist_pytorch.py --help

mnist_tensorflow.py tells the same story in TensorFlow/Keras, function by function: read the two side by side.
"""

from __future__ import annotations

import copy
import io
import os
import sys
import time
from dataclasses import dataclass
from typing import Any

from digits.errors import UserError, expect_interruptions, run_script
from digits.training import Options, Recipe, parse_options

if __name__ == "__main__":
    expect_interruptions()
    # Before the second that importing PyTorch takes: --help and a mistyped option answer at once.
    OPTIONS = parse_options(__doc__)

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from digits.data import Dataset, load_dataset
from digits.machine import versions
from digits.metrics import accuracy, cross_entropy
from digits.runs import check_writable, writing_run
from digits.training import (
    HEADER,
    Checkpoint,
    EpochProgress,
    ModelConfig,
    Progress,
    Training,
    epoch_order,
    images_of_epochs,
    is_best,
    is_over,
    learning_rates,
    run_path,
    split_dataset,
    write_results,
)
from digits.training.checkpoint import check_form
from digits.training.memory import keep_freed_memory
from digits.training.parity import EPSILON, PARITY_RANGE, parity_weights
from models.pytorch import PIXEL_RANGE, build_model, config_of
from models.pytorch.files import (
    count_parameters,
    export_onnx,
    freeze_features,
    get_weights,
    save_checkpoint,
    save_weights,
    set_weights,
    start_from,
)
from models.pytorch.layers import keep_biased_variances

PACKAGES = ("torch", "numpy", "onnx")


def set_up(device: str, seed: int, precision: str = "float32") -> torch.device:
    """Seed every generator and return the device that 'auto', 'cpu' or 'cuda' means.

    UserError where 'cuda' is asked for and PyTorch sees no GPU.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise UserError("--device cuda: PyTorch sees no CUDA GPU here; use --device cpu, or check driver and wheel.")
    torch.manual_seed(seed)
    torch.set_default_dtype(torch.float64 if precision == "float64" else torch.float32)
    if device == "cpu" or not torch.cuda.is_available():
        keep_freed_memory()
        return torch.device("cpu")  # its kernels are deterministic as they are
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS is deterministic only with this
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # it would overwrite each fresh buffer with NaN
    return torch.device("cuda")


def make_model(options: Options, num_classes: int) -> nn.Module:
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
    if recipe.parity:
        keep_biased_variances(model)
    if options.freeze_features:
        freeze_features(model)
    return model


def train(
    model: nn.Module, dataset: Dataset, recipe: Recipe, device: torch.device, checkpoint: Checkpoint | None = None
) -> Progress:
    """Train the model in place; return a row an epoch, as in history.csv, and the loss of each step.

    The whole training set lies on the device, so that a batch is one indexing of it.
    """
    labels = torch.from_numpy(dataset.train_labels).to(device, torch.int64)
    train_indices, validation_indices = split_dataset(dataset, recipe)
    state = TrainingState(model, _optimizer(model, recipe))
    if recipe.ema:
        state.average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(recipe.ema))
    progress = (checkpoint and checkpoint.restore(state.load)) or Progress([], [])
    autocast = torch.autocast(device.type, torch.bfloat16, enabled=recipe.precision == "bfloat16")

    history = progress.history
    print(HEADER)
    for images in images_of_epochs(dataset.train_images, recipe, len(history)):
        if is_over(recipe, history):
            break
        images = torch.from_numpy(images).to(device)
        order = torch.from_numpy(epoch_order(train_indices, recipe.seed, len(history), recipe.batch_size)).to(device)
        batches = order.split(recipe.batch_size)
        rates = learning_rates(recipe, len(batches), history).tolist()
        # Logits are kept and measured at the end: reading loss and accuracy in each step would wait for the device.
        logits = torch.empty(len(order), len(dataset.class_names), device=device)
        model.train()
        with EpochProgress(len(history), recipe.epochs, len(order)) as lines:
            done = 0
            for rows, rate in zip(batches, rates, strict=True):
                with autocast:
                    batch_logits = model(images[rows])
                batch_logits = batch_logits.to(logits.dtype)
                loss = F.cross_entropy(batch_logits, labels[rows], label_smoothing=recipe.label_smoothing)
                state.step(loss, rate)
                logits[done : done + len(rows)] = batch_logits.detach()
                done += len(rows)
                if lines.is_due():
                    lines.show(done, *_loss_and_accuracy(logits[:done], labels[order[:done]], recipe)[1:])
            losses, *train_scores = _loss_and_accuracy(logits, labels[order], recipe)
            progress.losses += [batch.mean().item() for batch in losses.split(recipe.batch_size)]
            lines.finish_training()

            validation = {}
            if len(validation_indices):
                held_out = dataset.train_labels[validation_indices]
                probabilities = predict(state.evaluated(), dataset.train_images[validation_indices])
                validation["loss"] = cross_entropy(held_out, probabilities)
                validation["accuracy"] = accuracy(held_out, probabilities.argmax(axis=1))
            history.append(lines.finish(*train_scores, validation, rates[-1]))
        if recipe.keep_best and is_best(history):
            state.best = copy.deepcopy(state.evaluated().state_dict())
        if checkpoint:
            checkpoint.write(progress, state.save())
    model.load_state_dict(state.best or state.evaluated().state_dict())
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
    recipe = options.recipe
    dataset = load_dataset(options.dataset, options.data_dir)
    path = run_path(options, "pytorch")
    check_writable(path)

    device = set_up(options.device, recipe.seed, recipe.precision)
    model = make_model(options, len(dataset.class_names)).to(device)
    parameters = count_parameters(model)
    print(f"{recipe.model} in PyTorch {torch.__version__} on {device}: {parameters[0]:,} parameters, {dataset.name}")
    checkpoint = Checkpoint(path, options, dataset, versions(PACKAGES))
    progress = train(model, dataset, recipe, device, checkpoint)
    if recipe.precision == "float64":
        model = _in_float32(model).to(device)
    probabilities = predict(model, dataset.test_images)

    with writing_run(path) as folder:
        save_checkpoint(model, folder / "model.pt")
        save_weights(model, folder / "weights.safetensors")
        export_onnx(model, folder / "model.onnx", dataset.class_names)
        seconds = checkpoint.seconds + time.perf_counter() - started
        device_name = torch.cuda.get_device_name() if device.type == "cuda" else "cpu"
        training = Training(
            "pytorch", "mnist_pytorch.py", PACKAGES, device_name, parameters, progress, probabilities, seconds
        )
        outcome = write_results(folder, options, dataset, training)
    checkpoint.delete()
    print(f"{outcome}\n{path}: predictions, probabilities, history.csv, run.json, model.pt, model.onnx, weights")


@dataclass
class TrainingState:
    """All that a training changes as it goes, which is all that a checkpoint has to keep."""

    model: nn.Module
    optimizer: torch.optim.Optimizer
    average: AveragedModel | None = None  # exponential moving average of the weights
    best: dict[str, Tensor] | None = None  # weights of the best epoch so far

    def step(self, loss: Tensor, learning_rate: float) -> None:
        """Change the weights by the gradient of the loss."""
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        if self.average:
            self.average.update_parameters(self.model)

    def evaluated(self) -> nn.Module:
        """Return the network that is judged and kept: the average of the weights where there is one."""
        return self.average.module if self.average else self.model

    def save(self) -> bytes:
        """Return everything as bytes."""
        generators = [torch.get_rng_state()]  # dropout draws from them
        if torch.cuda.is_initialized():
            generators += torch.cuda.get_rng_state_all()
        parts: dict[str, Any] = {"generators": generators, "best": self.best}
        parts |= {name: part.state_dict() for name, part in self._parts().items()}
        buffer = io.BytesIO()
        torch.save(parts, buffer)
        return buffer.getvalue()

    def load(self, saved: bytes) -> None:
        """Go back to what `save` returned; some exception where this training cannot have saved it."""
        parts = torch.load(io.BytesIO(saved), weights_only=True)
        cpu, *gpus = parts.pop("generators")
        for weight in self.model.parameters():
            weight.grad = torch.zeros_like(weight)
        self.optimizer.step()  # since an optimizer's state has its form only after a step
        expected = {name: part.state_dict() for name, part in self._parts().items()}
        check_form(parts, {**expected, "best": parts["best"] and self.evaluated().state_dict()})
        for name, part in self._parts().items():
            part.load_state_dict(parts[name])
        self.best = parts["best"]
        torch.set_rng_state(cpu.cpu())
        for i, state in enumerate(gpus):
            torch.cuda.set_rng_state(state.cpu(), i)

    def _parts(self) -> dict[str, Any]:
        return {"model": self.model, "optimizer": self.optimizer, **({"average": self.average} if self.average else {})}


def _optimizer(model: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """Return the recipe's optimizer for the weights that are not frozen."""
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    if recipe.optimizer == "sgd":
        momentum = recipe.betas[0]
        return torch.optim.SGD(weights, recipe.learning_rate, momentum, nesterov=momentum > 0, fused=True)
    return torch.optim.AdamW(
        weights,
        recipe.learning_rate,
        recipe.betas,
        eps=EPSILON if recipe.parity else 1e-8,
        weight_decay=recipe.weight_decay,
        fused=True,
    )


def _loss_and_accuracy(logits: Tensor, labels: Tensor, recipe: Recipe) -> tuple[Tensor, float, float]:
    """Return each image's loss, their mean, and the share of right answers."""
    losses = F.cross_entropy(logits, labels, reduction="none", label_smoothing=recipe.label_smoothing)
    return losses, losses.mean().item(), (logits.argmax(dim=1) == labels).float().mean().item()


def _in_float32(model: nn.Module) -> nn.Module:
    """Return the network with its weights rounded to float32, for evaluation and the files."""
    torch.set_default_dtype(torch.float32)
    rounded = build_model(config_of(model))
    set_weights(rounded, get_weights(model))
    return rounded


if __name__ == "__main__":
    sys.exit(run_script(lambda: main(OPTIONS)))
