"""The layers of a network in Keras, in words that both frameworks share; models/pytorch/architecture.py: PyTorch."""

import random
from collections.abc import Iterator
from functools import cache
from typing import Any

import keras
from keras import layers

from digits.errors import UserError
from digits.runs import Architecture, Layer, architecture_of, in_order, layer_type, parameters_in
from digits.training import RECIPES, ModelConfig, Recipe, model_config
from digits.training.model_table import models_table
from models.tensorflow.networks import PIXEL_RANGE, build_model

KINDS = {
    layers.Rescaling: "scale",
    layers.Flatten: "flatten",
    layers.GlobalAveragePooling1D: "mean",
    layers.GlobalAveragePooling2D: "mean",
    layers.Conv2D: "convolution",
    layers.Dense: "dense",
    layers.EinsumDense: "dense",
    layers.MaxPooling2D: "max pooling",
    layers.AveragePooling2D: "average pooling",
    layers.BatchNormalization: "batch normalisation",
    layers.LayerNormalization: "layer normalisation",
    layers.Dropout: "dropout",
}
ACTIVATIONS = {"relu": "ReLU", "gelu": "GELU", "silu": "SiLU"}
"""What the layers are called that both frameworks have; others by their class and configuration."""
WIRING = (layers.InputLayer, layers.Reshape, layers.Permute, layers.ZeroPadding2D, layers.Add)
"""Layers that PyTorch's networks do not have as such; what they change is seen in the shapes behind them."""

NEUTRAL_NAMES = {
    "kernel": "weight",
    "bias": "bias",
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}
"""How weights.safetensors calls what Keras calls so."""
NEUTRAL_AXES = {4: (3, 2, 0, 1), 2: (1, 0)}
"""Where weights.safetensors has the axes of a convolution's kernel (height, width, in, out) and a dense layer's."""


def describe_network(recipe: Recipe, num_classes: int) -> Architecture:
    """Return what run.json holds under 'architecture'. UserError where TensorFlow does not have the network."""
    asked, usual = model_config(recipe, num_classes, PIXEL_RANGE), _usual(recipe.model)
    found = layers_of(asked)
    return architecture_of(found, found if asked == usual else layers_of(usual))


def list_models() -> None:
    """Print the table of networks, with the parameters that they have here with their default recipes."""
    print(models_table({name: _count(name) for name in RECIPES}, "tensorflow"))


def layer_texts(config: ModelConfig) -> dict[str, str]:
    """Return what each layer of the network is, by name, as run.json and the files of weights hold it."""
    return {layer.name: layer.text() for layer in layers_of(config)}


@cache
def layers_of(config: ModelConfig) -> list[Layer]:
    """Return the network's layers in the order in which an image passes them; nothing random is drawn."""
    state = random.getstate()  # from which Keras draws a seed for each layer
    with keras.StatelessScope(initialize_variables=False):
        found = [_describe(layer) for layer in build_model(config).layers if not isinstance(layer, WIRING)]
    random.setstate(state)
    return in_order(found)


def named_weights(layer: keras.layers.Layer) -> Iterator[tuple[str, keras.Variable, tuple[int, ...]]]:
    """Yield each weight with its name in weights.safetensors, without the layer's, and where that has its axes."""
    for variable in layer.weights:
        axes = NEUTRAL_AXES[len(variable.shape)] if variable.name == "kernel" else tuple(range(len(variable.shape)))
        yield NEUTRAL_NAMES[variable.name], variable, axes


def _count(model: str) -> tuple[int, int] | None:
    try:
        return parameters_in(layers_of(_usual(model)))
    except UserError:
        return None  # it is in the other framework alone


def _usual(model: str) -> ModelConfig:
    return model_config(RECIPES[model], 10, PIXEL_RANGE)


def _describe(layer: Any) -> Layer:
    weights = {name: tuple(variable.shape[axis] for axis in axes) for name, variable, axes in named_weights(layer)}
    return Layer(layer.name, _type(layer), tuple(layer.output.shape[1:]), weights)


def _type(layer: Any) -> str:
    config = layer.get_config()
    if isinstance(layer, layers.ReLU) and not (config["max_value"] or config["negative_slope"] or config["threshold"]):
        return "ReLU"
    activation = config.get("activation")
    activation = None if activation == "linear" else ACTIVATIONS.get(str(activation), activation)
    if isinstance(layer, layers.Activation):
        return str(activation)
    kind = next((word for known, word in KINDS.items() if isinstance(layer, known)), None)
    if kind is None:
        plain = {key: value for key, value in config.items() if isinstance(value, int | float | str | list | tuple)}
        settings = [f"{key}={value}" for key, value in plain.items() if key not in ("name", "trainable", "dtype")]
        return f"{type(layer).__name__}({', '.join(settings)})"
    return layer_type(
        kind,
        config.get("kernel_size") or config.get("pool_size") or (),
        config.get("strides") or (),
        config.get("dilation_rate") or (),
        config.get("groups", 1),
        rate=config.get("rate"),
        epsilon=config.get("epsilon"),
        activation=activation,
    )
