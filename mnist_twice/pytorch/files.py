"""A network's weights and files in PyTorch. mnist_twice/tensorflow/files.py is the twin, function by function."""

import ast
import io
import os
import warnings
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import nn

from mnist_twice.errors import UserError
from mnist_twice.pytorch.networks import build_model, config_of
from mnist_twice.recipes import RECIPES
from mnist_twice.recipes.model_table import models_table
from mnist_twice.runs.onnx_model import INPUT, OUTPUT, finish_onnx
from mnist_twice.training import model_config
from mnist_twice.training.weights import check_fit, read_weights, write_weights


def count_parameters(model: nn.Module) -> tuple[int, int]:
    """Return how many numbers training changes by gradient, and how many others the model keeps."""
    trainable = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    return trainable, sum(array.numel() for array in _without_counters(model.state_dict()).values()) - trainable


def list_models() -> None:
    """Print the table of networks, with the parameters that they have here with their default recipes."""
    counts: dict[str, tuple[int, int] | None] = dict.fromkeys(RECIPES)
    for name, recipe in RECIPES.items():
        with suppress(UserError):  # it may be in the other framework alone
            counts[name] = count_parameters(build_model(model_config(recipe, 10, "pytorch")))
    print(models_table(counts, "pytorch"))


def get_weights(model: nn.Module) -> dict[str, NDArray[np.floating]]:
    """Return copies of the model's weights, named and laid out as in weights.safetensors."""
    arrays = _without_counters(model.state_dict())
    return {name: np.array(array.cpu().numpy(), order="C") for name, array in arrays.items()}


def set_weights(model: nn.Module, arrays: Mapping[str, NDArray[np.floating]]) -> None:
    """Give the model these weights, all that it has, named and laid out as in weights.safetensors."""
    # The layout of the files is PyTorch's own.
    model.load_state_dict({name: torch.from_numpy(array) for name, array in arrays.items()})


def freeze_features(model: nn.Module) -> None:
    """Have training change nothing but the last layer."""
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name.startswith("head."))


def save_network(model: nn.Module, folder: Path, class_names: tuple[str, ...], preprocessing: str) -> None:
    """Write a trained network into the folder in three forms: model.pt, weights.safetensors and model.onnx."""
    save_checkpoint(model, folder / "model.pt")
    save_weights(model, folder / "weights.safetensors")
    if not os.environ.get("WITHOUT_ONNX"):  # run_experiment.py sets it for the trials of a search
        export_onnx(model, folder / "model.onnx", class_names, preprocessing)


def save_checkpoint(model: nn.Module, path: Path) -> None:
    """Write PyTorch's own form of a trained model: its state_dict, and what is needed to build the model again."""
    buffer = io.BytesIO()  # torch.save itself ends in a RuntimeError where the disk is full
    torch.save({"network": vars(config_of(model)), "state_dict": model.state_dict()}, buffer)
    path.write_bytes(buffer.getbuffer())


def save_weights(model: nn.Module, path: Path) -> None:
    """Write weights.safetensors, the form that both frameworks read (mnist_twice/training/weights.py)."""
    write_weights(path, config_of(model), get_weights(model))


def load_weights(path: Path) -> nn.Module:
    """Return the network in a weights.safetensors of either framework; raises UserError if it does not fit."""
    config, arrays = read_weights(path)
    model = build_model(config)
    check_fit(path, arrays, get_weights(model))
    set_weights(model, arrays)
    return model


def export_onnx(model: nn.Module, path: Path, class_names: tuple[str, ...], preprocessing: str) -> None:
    """Write model.onnx: raw images in, probabilities out (mnist_twice/runs/onnx_model.py)."""
    exported = nn.Sequential(model, nn.Softmax(dim=1)).cpu().eval()
    older = hasattr(torch.onnx, "utils")  # the older exporter takes 0.02 to 0.3 s, the newer one 0.9 to 3.2
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # since 2.9 the older one has been announced to go
        warnings.simplefilter("ignore", UserWarning)  # it does not compute the constants of a padding in advance
        torch.onnx.export(
            exported,
            (torch.zeros(2, 28, 28, dtype=torch.uint8),),
            path,
            input_names=[INPUT],
            output_names=[OUTPUT],
            dynamic_axes={INPUT: {0: "N"}, OUTPUT: {0: "N"}} if older else None,
            dynamic_shapes=None if older else ({0: torch.export.Dim("N")},),
            external_data=False,
            verbose=False,
            dynamo=not older,
        )
    finish_onnx(onnx.load(path), path, class_names, preprocessing, _layer_of)


def _layer_of(node: onnx.NodeProto) -> str:
    """Return the layer that an exported node belongs to, such as 'block1.conv1'; '' for none."""
    scopes = {entry.key: entry.value for entry in node.metadata_props}.get("pkg.torch.onnx.name_scopes")
    if scopes:  # the newer exporter: "['', '0', '0.block1', '0.block1.conv1', 'conv2d']"
        return str(ast.literal_eval(scopes)[-2].partition(".")[2])
    return ".".join(node.name.split("/")[2:-1])  # '/0/block1/conv1/Conv'


def _without_counters(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return the state without each BatchNorm's count of batches, which nothing reads and Keras does not keep."""
    return {name: tensor for name, tensor in state.items() if not name.endswith(".num_batches_tracked")}
