"""The layers of a network in PyTorch, in words that both frameworks share; models/tensorflow/architecture.py: Keras."""

from functools import cache, partial
from typing import Any

import torch
from torch import Tensor, nn

from digits.errors import UserError
from digits.runs import Architecture, Layer, architecture_of, in_order, layer_type, parameters_in
from digits.training import RECIPES, ModelConfig, Recipe, model_config
from digits.training.model_table import models_table
from models.pytorch.layers import Average, FlattenPixels, ScalePixels
from models.pytorch.networks import PIXEL_RANGE, build_model

KINDS = {
    ScalePixels: "scale",
    FlattenPixels: "flatten",
    Average: "mean",
    nn.Conv2d: "convolution",
    nn.Linear: "dense",
    nn.MaxPool2d: "max pooling",
    nn.AvgPool2d: "average pooling",
    nn.modules.batchnorm._BatchNorm: "batch normalisation",
    nn.LayerNorm: "layer normalisation",
    nn.Dropout: "dropout",
    nn.ReLU: "ReLU",
    nn.GELU: "GELU",
    nn.SiLU: "SiLU",
    nn.Tanh: "tanh",
    nn.Sigmoid: "sigmoid",
}
"""What the layers are called that both frameworks have; others by their class and what PyTorch prints of it."""


def describe_network(recipe: Recipe, num_classes: int) -> Architecture:
    """Return what run.json holds under 'architecture'. UserError where PyTorch does not have the network."""
    asked, usual = model_config(recipe, num_classes, PIXEL_RANGE), _usual(recipe.model)
    layers = layers_of(asked)
    return architecture_of(layers, layers if asked == usual else layers_of(usual))


def list_models() -> None:
    """Print the table of networks, with the parameters that they have here with their default recipes."""
    print(models_table({name: _count(name) for name in RECIPES}, "pytorch"))


def layer_texts(config: ModelConfig) -> dict[str, str]:
    """Return what each layer of the network is, by name, as run.json and the files of weights hold it."""
    return {layer.name: layer.text() for layer in layers_of(config)}


@cache
def layers_of(config: ModelConfig) -> list[Layer]:
    """Return the network's layers in the order in which an image passes them; nothing random is drawn."""
    found: dict[str, Layer] = {}
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        model = build_model(config).eval()
        for name, module in model.named_modules():
            if not any(module.children()):
                module.register_forward_hook(partial(_note, found, name))
        model(torch.zeros(1, 28, 28, dtype=torch.uint8))
    return in_order(list(found.values()))


def _count(model: str) -> tuple[int, int] | None:
    try:
        return parameters_in(layers_of(_usual(model)))
    except UserError:
        return None  # it is in the other framework alone


def _usual(model: str) -> ModelConfig:
    return model_config(RECIPES[model], 10, PIXEL_RANGE)


def _note(found: dict[str, Layer], name: str, module: nn.Module, _: object, output: Tensor) -> None:
    shape = tuple(output.shape[1:])
    if len(shape) == 3:
        shape = (*shape[1:], shape[0])
    weights = {key: tuple(value.shape) for key, value in module.state_dict().items() if value.ndim}
    found.setdefault(name, Layer(name, _type(module), shape, weights))


def _type(layer: Any) -> str:
    kind = next((word for known, word in KINDS.items() if isinstance(layer, known)), None)
    if kind is None:
        return f"{type(layer).__name__}({layer.extra_repr()})"
    return layer_type(
        kind,
        _pair(getattr(layer, "kernel_size", ())),
        _pair(getattr(layer, "stride", ())),
        _pair(getattr(layer, "dilation", ())),
        getattr(layer, "groups", 1),
        rate=getattr(layer, "p", None),
        epsilon=getattr(layer, "eps", None),
    )


def _pair(size: Any) -> tuple[int, ...]:
    return (size, size) if isinstance(size, int) else tuple(size)
