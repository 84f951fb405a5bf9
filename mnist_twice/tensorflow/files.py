"""A network's weights and files in TensorFlow/Keras. mnist_twice/pytorch/files.py is the twin, function by function."""

import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import keras
import numpy as np
import onnx
from numpy.typing import NDArray

from mnist_twice.errors import UserError
from mnist_twice.recipes import RECIPES
from mnist_twice.recipes.model_table import models_table
from mnist_twice.runs.onnx_model import finish_onnx
from mnist_twice.tensorflow.networks import build_model, config_of
from mnist_twice.training import model_config
from mnist_twice.training.weights import check_fit, read_weights, write_weights

NEUTRAL_NAMES = {
    **{"kernel": "weight", "bias": "bias", "gamma": "weight", "beta": "bias"},
    **{"moving_mean": "running_mean", "moving_variance": "running_var"},
}
"""How weights.safetensors calls what Keras calls so."""
NEUTRAL_AXES = {4: (3, 2, 0, 1), 2: (1, 0)}
"""Where weights.safetensors has the axes of a convolution's kernel (height, width, in, out) and a dense layer's."""


def count_parameters(model: keras.Model) -> tuple[int, int]:
    """Return how many numbers training changes by gradient, and how many others the model keeps."""
    trainable = sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)
    return trainable, model.count_params() - trainable


def list_models() -> None:
    """Print the table of networks, with the parameters that they have here with their default recipes."""
    counts: dict[str, tuple[int, int] | None] = dict.fromkeys(RECIPES)
    for name, recipe in RECIPES.items():
        with suppress(UserError), keras.StatelessScope(initialize_variables=False):  # it may be in PyTorch alone
            counts[name] = count_parameters(build_model(model_config(recipe, 10, "tensorflow")))
    print(models_table(counts, "tensorflow"))


def get_weights(model: keras.Model) -> dict[str, NDArray[np.floating]]:
    """Return copies of the model's weights, named and laid out as in weights.safetensors."""
    return {
        name: np.array(variable.numpy().transpose(axes), order="C") for name, variable, axes in _named_weights(model)
    }


def set_weights(model: keras.Model, arrays: Mapping[str, NDArray[np.floating]]) -> None:
    """Give the model these weights, all that it has, named and laid out as in weights.safetensors."""
    for name, variable, axes in _named_weights(model):
        variable.assign(arrays[name].transpose(np.argsort(axes)))


def freeze_features(model: keras.Model) -> None:
    """Have training change nothing but the last layer."""
    for layer in model.layers:
        layer.trainable = layer.name == "head"


def save_network(model: keras.Model, folder: Path, class_names: tuple[str, ...], preprocessing: str) -> None:
    """Write a trained network into the folder in three forms: model.keras, weights.safetensors and model.onnx."""
    save_checkpoint(model, folder / "model.keras")
    save_weights(model, folder / "weights.safetensors")
    if not os.environ.get("WITHOUT_ONNX"):  # run_experiment.py sets it for the trials of a search
        export_onnx(model, folder / "model.onnx", class_names, preprocessing)


def save_checkpoint(model: keras.Model, path: Path) -> None:
    """Write Keras's own form of a trained model, layers and weights in one file, for keras.saving.load_model."""
    model.save(path)


def save_weights(model: keras.Model, path: Path) -> None:
    """Write weights.safetensors, the form that both frameworks read (mnist_twice/training/weights.py)."""
    write_weights(path, config_of(model), get_weights(model))


def load_weights(path: Path) -> keras.Model:
    """Return the network in a weights.safetensors of either framework; raises UserError if it does not fit."""
    config, arrays = read_weights(path)
    model = build_model(config)
    check_fit(path, arrays, get_weights(model))
    set_weights(model, arrays)
    return model


def export_onnx(model: keras.Model, path: Path, class_names: tuple[str, ...], preprocessing: str) -> None:
    """Write model.onnx: raw images in, probabilities out (mnist_twice/runs/onnx_model.py)."""
    exported = keras.Sequential([*model.inputs, model, keras.layers.Softmax()])
    exported(np.zeros((2, 28, 28), np.uint8))  # Keras only exports what has been called
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # tf2onnx still looks for np.object
        exported.export(path, format="onnx", verbose=False)
    finish_onnx(onnx.load(path), path, class_names, preprocessing, _layer_of)


def _layer_of(node: onnx.NodeProto) -> str:
    """Return the layer that an exported node belongs to, such as 'block1.conv1'; '' for none."""
    for name in (node.name, *node.input[1:]):  # a node that tf2onnx has made of two is called 'Conv__66'
        if len(scopes := name.split("/")) > 3:  # 'sequential_1/resnet_1/block1.conv1_1/convolution'
            return str(scopes[2].removesuffix("_1"))
    return ""


def _named_weights(model: keras.Model) -> Iterator[tuple[str, keras.Variable, tuple[int, ...]]]:
    """Yield each weight with its name in weights.safetensors and where that has its axes."""
    for layer in model.layers:
        for variable in layer.weights:
            axes = NEUTRAL_AXES[len(variable.shape)] if variable.name == "kernel" else range(len(variable.shape))
            yield f"{layer.name}.{NEUTRAL_NAMES[variable.name]}", variable, tuple(axes)
