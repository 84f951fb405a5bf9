"""The networks in PyTorch. models/tensorflow.py is this file's twin: same names, same order, same layers.

Every network takes raw pixels, uint8 0..255 (N, 28, 28), and returns logits, floating point (N, num_classes), from its
last layer, `head`. Where a pooling and a ReLU meet, pooling stands first: both orders give the same numbers, this one
leaves ReLU a quarter of the work. A convolution or dense layer before a normalisation has no bias, since that would
take it away again. The deeper networks are in models/pytorch_deep.py.
"""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import nn

from digits.weights import Network
from models.pytorch_deep import deep_cnn, resnet, vgg, vit
from models.pytorch_layers import FlattenPixels, ScalePixels

PIXEL_RANGE = (-1.0, 1.0)
"""What the raw pixels 0 and 255 become by default: R0's choice in PyTorch, ToTensor and Normalize(0.5, 0.5)."""


def cnn(network: Network) -> nn.Sequential:
    """Two convolutions and two dense layers: the network R0 that this project is specified with."""
    filters, (width,) = network.filters, network.dense
    return nn.Sequential(
        OrderedDict(
            scale=ScalePixels(network.pixel_range),
            conv1=nn.Conv2d(1, filters[0], kernel_size=3, padding=1),
            pool1=nn.MaxPool2d(2),
            relu1=nn.ReLU(inplace=True),
            conv2=nn.Conv2d(*filters, kernel_size=3, padding=1),
            pool2=nn.MaxPool2d(2),
            relu2=nn.ReLU(inplace=True),
            flatten=FlattenPixels(),  # (N, 32, 7, 7) to (N, 1568)
            dense1=nn.Linear(filters[1] * 7 * 7, width),
            relu3=nn.ReLU(inplace=True),
            dropout=nn.Dropout(network.dropout),
            head=nn.Linear(width, network.num_classes),
        )
    )


def cnn_wide(network: Network) -> nn.Sequential:
    """A wider cnn with dropout after every block: R2, a Keras tutorial's network.

    R2 does not say how its convolutions are padded; Keras's default, not at all, is taken.
    """
    filters, (width,) = network.filters, network.dense
    return nn.Sequential(
        OrderedDict(
            scale=ScalePixels(network.pixel_range),
            conv1=nn.Conv2d(1, filters[0], kernel_size=5),
            pool1=nn.MaxPool2d(2),
            relu1=nn.ReLU(inplace=True),
            drop1=nn.Dropout(network.dropout),
            conv2=nn.Conv2d(*filters, kernel_size=3),
            pool2=nn.MaxPool2d(2),
            relu2=nn.ReLU(inplace=True),
            drop2=nn.Dropout(network.dropout),
            flatten=FlattenPixels(),  # (N, 64, 5, 5) to (N, 1600)
            dense1=nn.Linear(filters[1] * 5 * 5, width),
            relu3=nn.ReLU(inplace=True),
            drop3=nn.Dropout(network.dropout),
            head=nn.Linear(width, network.num_classes),
        )
    )


def mlp(network: Network) -> nn.Sequential:
    """Three dense layers and no convolution: R3's first network, a Keras tutorial's."""
    widths = network.dense
    return nn.Sequential(
        OrderedDict(
            scale=ScalePixels(network.pixel_range),
            flatten=FlattenPixels(),
            dense1=nn.Linear(28 * 28, widths[0]),
            relu1=nn.ReLU(inplace=True),
            dense2=nn.Linear(*widths),
            relu2=nn.ReLU(inplace=True),
            dropout=nn.Dropout(network.dropout),
            head=nn.Linear(widths[1], network.num_classes),
        )
    )


def lenet5(network: Network) -> nn.Sequential:
    """LeNet-5: R3's second network, after LeCun, Bottou, Bengio and Haffner (1998).

    They had averages with a learned scale for pooling, scaled tanh, a second convolution not connected to all maps of
    the first, and radial basis functions at the end; here are max pooling, ReLU, full connections and a dense layer.
    """
    filters, widths = network.filters, network.dense
    return nn.Sequential(
        OrderedDict(
            scale=ScalePixels(network.pixel_range, padding=2),  # (N, 28, 28) to (N, 1, 32, 32)
            conv1=nn.Conv2d(1, filters[0], kernel_size=5),
            pool1=nn.MaxPool2d(2),
            relu1=nn.ReLU(inplace=True),
            conv2=nn.Conv2d(*filters, kernel_size=5),
            pool2=nn.MaxPool2d(2),
            relu2=nn.ReLU(inplace=True),
            flatten=FlattenPixels(),  # (N, 16, 5, 5) to (N, 400)
            dense1=nn.Linear(filters[1] * 5 * 5, widths[0]),
            relu3=nn.ReLU(inplace=True),
            dense2=nn.Linear(*widths),
            relu4=nn.ReLU(inplace=True),
            dropout=nn.Dropout(network.dropout),
            head=nn.Linear(widths[1], network.num_classes),
        )
    )


def fashion_cnn(network: Network) -> nn.Sequential:
    """Two convolutions over 32x32 pixels: R3's third network, a Keras tutorial's for Fashion-MNIST."""
    filters, (width,) = network.filters, network.dense
    return nn.Sequential(
        OrderedDict(
            scale=ScalePixels(network.pixel_range, padding=2),  # (N, 28, 28) to (N, 1, 32, 32)
            conv1=nn.Conv2d(1, filters[0], kernel_size=3),
            pool1=nn.MaxPool2d(2),
            relu1=nn.ReLU(inplace=True),
            conv2=nn.Conv2d(*filters, kernel_size=3),
            pool2=nn.MaxPool2d(2),
            relu2=nn.ReLU(inplace=True),
            flatten=FlattenPixels(),  # (N, 64, 6, 6) to (N, 2304)
            dense1=nn.Linear(filters[1] * 6 * 6, width),
            relu3=nn.ReLU(inplace=True),
            dropout=nn.Dropout(network.dropout),
            head=nn.Linear(width, network.num_classes),
        )
    )


def fast(network: Network) -> nn.Sequential:
    """The network that tuomaso's train_mnist_fast brings to 99 % in under a second on a GPU."""
    filters, (width,) = network.filters, network.dense
    return nn.Sequential(
        OrderedDict(
            scale=ScalePixels(network.pixel_range),
            conv1=nn.Conv2d(1, filters[0], kernel_size=5),
            pool1=nn.MaxPool2d(2),
            relu1=nn.ReLU(inplace=True),
            conv2=nn.Conv2d(*filters, kernel_size=3),
            pool2=nn.MaxPool2d(2),
            relu2=nn.ReLU(inplace=True),
            flatten=FlattenPixels(),  # (N, 32, 5, 5) to (N, 800)
            dense1=nn.Linear(filters[1] * 5 * 5, width),
            relu3=nn.ReLU(inplace=True),
            dropout=nn.Dropout(network.dropout),
            head=nn.Linear(width, network.num_classes),
        )
    )


MODELS = {
    "cnn": cnn,
    "cnn-wide": cnn_wide,
    "mlp": mlp,
    "lenet5": lenet5,
    "fashion-cnn": fashion_cnn,
    "deep-cnn": deep_cnn,
    "vgg": vgg,
    "resnet": resnet,
    "vit": vit,
    "fast": fast,
}


def build_model(network: Network) -> nn.Sequential:
    """Return the network with fresh weights from PyTorch's global generator."""
    model = MODELS[network.model](network)
    model.network = network  # type: ignore[assignment]
    return model.to(memory_format=torch.channels_last)


def network_of(model: nn.Module) -> Network:
    """Return what build_model was given to build the model."""
    return model.network  # type: ignore[return-value]
