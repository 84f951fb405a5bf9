"""The networks in PyTorch. models/tensorflow/networks.py is this file's twin: same names, same order, same layers.

Every network takes raw pixels, uint8 0..255 (N, 28, 28), and returns logits, floating point (N, num_classes), from its
last layer, `head`. Where a pooling and a ReLU meet, pooling stands first: both orders give the same numbers, this one
leaves ReLU a quarter of the work. A convolution or dense layer before a normalisation has no bias, since that would
take it away again. The deeper networks are in models/pytorch/deep.py. docs/references.md says where each comes from.
"""

from collections import OrderedDict

import torch
from torch import nn

from digits.training import ModelConfig, network_function
from models.pytorch import deep
from models.pytorch.layers import FlattenPixels, ScalePixels

PIXEL_RANGE = (-1.0, 1.0)
"""What the raw pixels 0 and 255 become by default: as specified for PyTorch, ToTensor and Normalize(0.5, 0.5)."""


def cnn(config: ModelConfig) -> nn.Sequential:
    """Two convolutions and two dense layers: the network of the project specification."""
    filters, (width,) = config.filters, config.dense
    return nn.Sequential(
        OrderedDict(
            scale=ScalePixels(config.pixel_range),
            conv1=nn.Conv2d(1, filters[0], kernel_size=3, padding=1),
            pool1=nn.MaxPool2d(2),
            relu1=nn.ReLU(inplace=True),
            conv2=nn.Conv2d(filters[0], filters[1], kernel_size=3, padding=1),
            pool2=nn.MaxPool2d(2),
            relu2=nn.ReLU(inplace=True),
            flatten=FlattenPixels(),  # (N, 32, 7, 7) to (N, 1568)
            dense1=nn.Linear(filters[1] * 7 * 7, width),
            relu3=nn.ReLU(inplace=True),
            dropout=nn.Dropout(config.dropout),
            head=nn.Linear(width, config.num_classes),
        )
    )


def cnn_wide(config: ModelConfig) -> nn.Sequential:
    """A wider cnn with dropout after every block: the network of the Keras tutorial.

    The tutorial does not say how its convolutions are padded; Keras's default, no padding, is used.
    """
    filters, (width,) = config.filters, config.dense
    return nn.Sequential(
        OrderedDict(
            scale=ScalePixels(config.pixel_range),
            conv1=nn.Conv2d(1, filters[0], kernel_size=5),
            pool1=nn.MaxPool2d(2),
            relu1=nn.ReLU(inplace=True),
            drop1=nn.Dropout(config.dropout),
            conv2=nn.Conv2d(filters[0], filters[1], kernel_size=3),
            pool2=nn.MaxPool2d(2),
            relu2=nn.ReLU(inplace=True),
            drop2=nn.Dropout(config.dropout),
            flatten=FlattenPixels(),  # (N, 64, 5, 5) to (N, 1600)
            dense1=nn.Linear(filters[1] * 5 * 5, width),
            relu3=nn.ReLU(inplace=True),
            drop3=nn.Dropout(config.dropout),
            head=nn.Linear(width, config.num_classes),
        )
    )


def mlp(config: ModelConfig) -> nn.Sequential:
    """Three dense layers and no convolution: the first network of the Keras comparison."""
    widths = config.dense
    return nn.Sequential(
        OrderedDict(
            scale=ScalePixels(config.pixel_range),
            flatten=FlattenPixels(),
            dense1=nn.Linear(28 * 28, widths[0]),
            relu1=nn.ReLU(inplace=True),
            dense2=nn.Linear(widths[0], widths[1]),
            relu2=nn.ReLU(inplace=True),
            dropout=nn.Dropout(config.dropout),
            head=nn.Linear(widths[1], config.num_classes),
        )
    )


def lenet5(config: ModelConfig) -> nn.Sequential:
    """LeNet-5: the second network of the Keras comparison, after LeCun, Bottou, Bengio and Haffner (1998).

    They had averages with a learned scale for pooling, scaled tanh, a second convolution not connected to all maps of
    the first, and radial basis functions at the end; here are max pooling, ReLU, full connections and a dense layer.
    """
    filters, widths = config.filters, config.dense
    return nn.Sequential(
        OrderedDict(
            scale=ScalePixels(config.pixel_range, padding=2),  # (N, 28, 28) to (N, 1, 32, 32)
            conv1=nn.Conv2d(1, filters[0], kernel_size=5),
            pool1=nn.MaxPool2d(2),
            relu1=nn.ReLU(inplace=True),
            conv2=nn.Conv2d(filters[0], filters[1], kernel_size=5),
            pool2=nn.MaxPool2d(2),
            relu2=nn.ReLU(inplace=True),
            flatten=FlattenPixels(),  # (N, 16, 5, 5) to (N, 400)
            dense1=nn.Linear(filters[1] * 5 * 5, widths[0]),
            relu3=nn.ReLU(inplace=True),
            dense2=nn.Linear(widths[0], widths[1]),
            relu4=nn.ReLU(inplace=True),
            dropout=nn.Dropout(config.dropout),
            head=nn.Linear(widths[1], config.num_classes),
        )
    )


def fashion_cnn(config: ModelConfig) -> nn.Sequential:
    """Two convolutions over 32x32 pixels: the third network of the Keras comparison, for Fashion-MNIST."""
    filters, (width,) = config.filters, config.dense
    return nn.Sequential(
        OrderedDict(
            scale=ScalePixels(config.pixel_range, padding=2),  # (N, 28, 28) to (N, 1, 32, 32)
            conv1=nn.Conv2d(1, filters[0], kernel_size=3),
            pool1=nn.MaxPool2d(2),
            relu1=nn.ReLU(inplace=True),
            conv2=nn.Conv2d(filters[0], filters[1], kernel_size=3),
            pool2=nn.MaxPool2d(2),
            relu2=nn.ReLU(inplace=True),
            flatten=FlattenPixels(),  # (N, 64, 6, 6) to (N, 2304)
            dense1=nn.Linear(filters[1] * 6 * 6, width),
            relu3=nn.ReLU(inplace=True),
            dropout=nn.Dropout(config.dropout),
            head=nn.Linear(width, config.num_classes),
        )
    )


def fast(config: ModelConfig) -> nn.Sequential:
    """The network that tuomaso's train_mnist_fast brings to 99 % in under a second on a GPU, made for a processor.

    Its first convolution takes every second position, where the original computes all and keeps a quarter by pooling.
    """
    filters, (width,) = config.filters, config.dense
    return nn.Sequential(
        OrderedDict(
            scale=ScalePixels(config.pixel_range),
            conv1=nn.Conv2d(1, filters[0], kernel_size=5, stride=2),
            relu1=nn.ReLU(inplace=True),
            conv2=nn.Conv2d(filters[0], filters[1], kernel_size=3),
            pool2=nn.MaxPool2d(2),
            relu2=nn.ReLU(inplace=True),
            flatten=FlattenPixels(),  # (N, 32, 5, 5) to (N, 800)
            dense1=nn.Linear(filters[1] * 5 * 5, width),
            relu3=nn.ReLU(inplace=True),
            dropout=nn.Dropout(config.dropout),
            head=nn.Linear(width, config.num_classes),
        )
    )


def build_model(config: ModelConfig) -> nn.Sequential:
    """Return the network with fresh weights from PyTorch's global generator; UserError where there is none."""
    model: nn.Sequential = network_function(config.model, vars(deep) | globals(), "pytorch")(config)
    model.config = config  # type: ignore[assignment]
    return model.to(memory_format=torch.channels_last)


def config_of(model: nn.Module) -> ModelConfig:
    """Return what build_model was given to build the model."""
    assert isinstance(model.config, ModelConfig)
    return model.config
