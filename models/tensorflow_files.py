"""A trained network's files in TensorFlow/Keras. models/pytorch_files.py is the twin: same functions, same order."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path

import keras
import numpy as np
from numpy.typing import NDArray

from digits.onnx_file import finish_onnx
from digits.weights import check_names_and_shapes, read_weights, write_weights
from models.tensorflow import build_model, network_of

# Where weights.safetensors has the axes of a convolution's kernel (height, width, in, out), a dense layer's, a bias's.
NEUTRAL_AXES = {4: (3, 2, 0, 1), 2: (1, 0), 1: (0,)}


def count_parameters(model: keras.Model) -> tuple[int, int]:
    """Return how many numbers training changes by gradient, and how many others the model keeps."""
    trainable = sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)
    return trainable, model.count_params() - trainable


def save_checkpoint(model: keras.Model, path: Path) -> None:
    """Write Keras's own form of a trained model: layers and weights in one .keras file."""
    model.save(path)


def load_checkpoint(path: Path) -> keras.Model:
    """Return the model that save_checkpoint wrote."""
    return keras.saving.load_model(path, compile=False)


def save_weights(model: keras.Model, path: Path) -> None:
    """Write weights.safetensors, the form that both frameworks read (digits/weights.py)."""
    arrays = {name: _to_neutral(variable.numpy()) for name, variable in _named_weights(model)}
    write_weights(path, network_of(model), arrays)


def load_weights(path: Path) -> keras.Model:
    """Return the network in a weights.safetensors of either framework; UserError where it does not fit."""
    network, arrays = read_weights(path)
    model = build_model(network)
    expected = {name: _to_neutral(variable.numpy()).shape for name, variable in _named_weights(model)}
    check_names_and_shapes(path, expected, arrays)
    for name, variable in _named_weights(model):
        variable.assign(_from_neutral(arrays[name]))
    return model


def export_onnx(model: keras.Model, path: Path, class_names: tuple[str, ...]) -> None:
    """Write model.onnx: raw images in, probabilities out (digits/onnx_file.py)."""
    # The input by name, since `layers` leaves it out and Keras would then assume float32.
    exported = keras.Sequential([*model.inputs, *model.layers, keras.layers.Softmax()])
    exported(np.zeros((2, 28, 28), np.uint8))  # Keras only exports what has been called
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # tf2onnx still looks for np.object
        exported.export(path, format="onnx", verbose=False)
    finish_onnx(path, class_names)


def _named_weights(model: keras.Model) -> Iterator[tuple[str, keras.Variable]]:
    """Yield each weight with the name that it has in weights.safetensors."""
    for layer in model.layers:
        for variable in layer.weights:
            yield f"{layer.name}.{'weight' if variable.name == 'kernel' else variable.name}", variable


def _to_neutral(array: NDArray[np.float32]) -> NDArray[np.float32]:
    return array.transpose(NEUTRAL_AXES[array.ndim])


def _from_neutral(array: NDArray[np.float32]) -> NDArray[np.float32]:
    return array.transpose(np.argsort(NEUTRAL_AXES[array.ndim]))
