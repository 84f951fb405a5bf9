"""A trained network's files in PyTorch. models/tensorflow_files.py is the twin: same functions, same order."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from digits.onnx_file import INPUT, OUTPUT, finish_onnx
from digits.weights import Network, check_names_and_shapes, read_weights, write_weights
from models.pytorch import build_model, network_of


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
