"""The networks in PyTorch. models/tensorflow.py is this file's twin: same names, same order, same layers.

Every network takes raw pixels, uint8 0..255 (N, 28, 28), and returns logits, float32 (N, num_classes).
"""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor, nn

from digits.weights import Network

PIXEL_RANGE = (-1.0, 1.0)
"""What the raw pixels 0 and 255 become by default: R0's choice in PyTorch, ToTensor and Normalize(0.5, 0.5)."""


class ScalePixels(nn.Module):
    """Raw pixels (N, 28, 28) to float32 (N, 1, 28, 28) in `pixel_range`, channels last in memory."""

    def __init__(self, pixel_range: tuple[float, float]) -> None:
        super().__init__()
        low, high = pixel_range
        self.scale, self.offset = (high - low) / 255, low

    def forward(self, images: Tensor) -> Tensor:
        pixels = images.unsqueeze(1).to(torch.float32) * self.scale + self.offset
        # The layout in which convolutions and pools are fastest; it changes no number and no shape.
        return pixels.contiguous(memory_format=torch.channels_last)


class FlattenPixels(nn.Module):
    """Feature maps (N, C, H, W) to (N, H * W * C), pixel by pixel as TensorFlow flattens them.

    With channels last in memory this copies nothing, where nn.Flatten's channel by channel would; and dense weights
    mean the same in both frameworks.
    """

    def forward(self, maps: Tensor) -> Tensor:
        return maps.permute(0, 2, 3, 1).flatten(1)


def cnn(num_classes: int, pixel_range: tuple[float, float]) -> nn.Sequential:
    """Two convolutions and two dense layers: the network R0 that this project is specified with.

    Pooling stands before ReLU: both orders give the same numbers, this one leaves ReLU a quarter of the work.
    """
    return nn.Sequential(
        OrderedDict(
            scale=ScalePixels(pixel_range),
            conv1=nn.Conv2d(1, 16, kernel_size=3, padding=1),
            pool1=nn.MaxPool2d(2),
            relu1=nn.ReLU(inplace=True),
            conv2=nn.Conv2d(16, 32, kernel_size=3, padding=1),
            pool2=nn.MaxPool2d(2),
            relu2=nn.ReLU(inplace=True),
            flatten=FlattenPixels(),  # (N, 32, 7, 7) to (N, 1568)
            dense1=nn.Linear(32 * 7 * 7, 128),
            relu3=nn.ReLU(inplace=True),
            dropout=nn.Dropout(0.25),
            dense2=nn.Linear(128, num_classes),
        )
    )


MODELS = {"cnn": cnn}


def build_model(network: Network) -> nn.Sequential:
    """Return the network with fresh weights from PyTorch's global generator."""
    model = MODELS[network.model](network.num_classes, network.pixel_range)
    model.network = network  # type: ignore[assignment]
    return model.to(memory_format=torch.channels_last)


def network_of(model: nn.Module) -> Network:
    """Return what build_model was given to build the model."""
    return model.network  # type: ignore[return-value]
