"""Layers of our own in PyTorch, and blocks of layers. mnist_twice/tensorflow/layers.py is the twin, in this order."""

from typing import Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mnist_twice.recipes import HEADS

NORM_EPSILON = 1e-5  # added to every variance: PyTorch's default, where Keras's is 1e-3
NORM_MOMENTUM = 0.1
"""Weight of each batch in the running statistics: PyTorch's default. Keras calls the complement momentum, 0.9."""
PATCH = 4  # side of a patch in pixels
POSITION = 0.3
"""Standard deviation of the initial position embeddings. With the usual 0.02 they are lost beside the pixels:
validation accuracy in PyTorch on mnist-sample after 20 epochs was then 86 %, and 92 % with 0.3 (n = 1)."""


class ScalePixels(nn.Module):
    """Scales pixels in the network itself, so that a saved network takes raw images; torch.nn has no layer for it.

    Raw pixels (N, 28, 28) to floating point (N, 1, H, W) in `pixel_range`, channels last in memory. `padding` is how
    many pixels of background, raw 0, are put around each image.
    """

    def __init__(self, pixel_range: tuple[float, float], padding: int = 0) -> None:
        super().__init__()
        low, high = pixel_range
        self.scale, self.offset, self.padding = (high - low) / 255, low, padding

    def forward(self, images: Tensor) -> Tensor:
        pixels = images.unsqueeze(1)
        if self.padding:
            pixels = F.pad(pixels, [self.padding] * 4)
        pixels = pixels.to(torch.get_default_dtype()) * self.scale + self.offset
        # The layout in which convolutions and pools are fastest; it changes no number and no shape.
        return pixels.contiguous(memory_format=torch.channels_last)


class FlattenPixels(nn.Module):
    """nn.Flatten in TensorFlow's order, pixel by pixel, so that dense weights mean the same in both frameworks.

    Feature maps (N, C, H, W) to (N, H * W * C). With channels last in memory this copies nothing; nn.Flatten, which
    goes channel by channel, would.
    """

    def forward(self, maps: Tensor) -> Tensor:
        return maps.permute(0, 2, 3, 1).flatten(1)


class Head(nn.Linear):
    """nn.Linear that computes in its weights' precision under autocast too: bfloat16 is too coarse for logits.

    Features (N, C) to logits (N, classes). In Keras a layer's `dtype` says the same.
    """

    def forward(self, features: Tensor) -> Tensor:
        with torch.autocast(features.device.type, enabled=False):
            return super().forward(features.to(self.weight.dtype))


class Average(nn.Module):
    """The mean over `axes`, all pixels of a feature map or all tokens; torch.nn has no one layer for both."""

    def __init__(self, *axes: int) -> None:
        super().__init__()
        self.axes = axes

    def forward(self, values: Tensor) -> Tensor:
        return values.mean(self.axes)


class _BatchNorm(nn.modules.batchnorm._BatchNorm):
    """PyTorch's batch normalisation, except that it leaves its running statistics alone once frozen, as Keras's does.

    And with `biased`, as under --parity, its running variance is a sum over n values divided by n, where PyTorch's own
    divides by n - 1. With 128 images that is 0.8 % in a dense layer, under 0.1 % in a convolution; training never reads
    it.
    """

    biased = False

    def __init__(self, num_features: int) -> None:
        super().__init__(num_features, NORM_EPSILON, NORM_MOMENTUM)

    def train(self, mode: bool = True) -> Self:
        return super().train(mode and self.weight.requires_grad)

    def forward(self, values: Tensor) -> Tensor:
        if not (self.biased and self.training):
            return super().forward(values)
        assert self.running_var is not None
        kept = self.running_var * (1 - NORM_MOMENTUM)
        normalised = super().forward(values)
        # Not in place: the backward pass has kept the tensor.
        self.running_var = self.running_var - (self.running_var - kept) / (values.numel() // values.shape[1])
        return normalised


class BatchNorm1d(_BatchNorm, nn.BatchNorm1d):
    """nn.BatchNorm1d, of (N, C), for batches of one image too, with which PyTorch's own refuses to train.

    One image has no spread: it is normalised as in evaluation.
    """

    def forward(self, values: Tensor) -> Tensor:
        if self.training and len(values) == 1:
            return F.batch_norm(
                values, self.running_mean, self.running_var, self.weight, self.bias, training=False, eps=self.eps
            )
        return super().forward(values)


class BatchNorm2d(_BatchNorm, nn.BatchNorm2d):
    """nn.BatchNorm2d, of (N, C, H, W), except that it leaves its running statistics alone once frozen."""


def keep_biased_variances(model: nn.Module) -> None:
    """Have the model's normalisations keep the variances that Keras's keep."""
    for layer in model.modules():
        if isinstance(layer, _BatchNorm):
            layer.biased = True


class ResidualBlock(nn.Module):
    """The basic block of He et al. (2016), which torch.nn lacks: two convolutions, their input added to their output.

    Where the input has another number of filters or is to be halved in size, a 1x1 convolution makes it fit.
    """

    def __init__(self, inputs: int, filters: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, filters, kernel_size=3, padding=1, stride=stride, bias=False)
        self.norm1 = BatchNorm2d(filters)
        self.relu1 = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(filters, filters, kernel_size=3, padding=1, bias=False)
        self.norm2 = BatchNorm2d(filters)
        self.projects = (inputs, 1) != (filters, stride)
        if self.projects:
            self.conv3 = nn.Conv2d(inputs, filters, kernel_size=1, stride=stride, bias=False)
            self.norm3 = BatchNorm2d(filters)
        self.relu2 = nn.ReLU(inplace=True)

    def forward(self, maps: Tensor) -> Tensor:
        changed = self.relu1(self.norm1(self.conv1(maps)))
        changed = self.norm2(self.conv2(changed))
        if self.projects:
            maps = self.norm3(self.conv3(maps))
        added: Tensor = self.relu2(changed + maps)
        return added


class PatchEmbedding(nn.Linear):
    """Pixels (N, 1, 28, 28) to a token for each patch, (N, 49, width), for which torch.nn has no layer.

    A token is the patch's pixels times `weight`, plus `bias`. Each position has a bias of its own, (49, width): the
    learned position embedding of Dosovitskiy et al. (2021).
    """

    def __init__(self, width: int) -> None:
        super().__init__(PATCH * PATCH, width, bias=False)
        self.bias = nn.Parameter(torch.randn(49, width) * POSITION)

    def forward(self, pixels: Tensor) -> Tensor:
        rows = pixels.reshape(-1, 7, PATCH, 7, PATCH)  # N, row of patches, row, column of patches, column
        return F.linear(rows.permute(0, 1, 3, 2, 4).reshape(-1, 49, PATCH * PATCH), self.weight) + self.bias


class TransformerBlock(nn.Module):
    """Has weights and dropout as its Keras twin has them; nn.TransformerEncoderLayer drops out in more places.

    Attention between tokens and then two dense layers for each token; both normalise their input first, and are added
    to it.
    """

    def __init__(self, width: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, NORM_EPSILON)
        self.qkv = nn.Linear(width, 3 * width)
        self.mix = nn.Linear(width, width)
        self.drop1 = nn.Dropout(dropout)
        self.norm2 = nn.LayerNorm(width, NORM_EPSILON)
        self.dense1 = nn.Linear(width, hidden)
        self.dense2 = nn.Linear(hidden, width)
        self.drop2 = nn.Dropout(dropout)

    def forward(self, tokens: Tensor) -> Tensor:
        width = tokens.shape[-1]
        qkv = self.qkv(self.norm1(tokens)).reshape(-1, 49, 3, HEADS, width // HEADS)
        query, key, value = qkv.permute(2, 0, 3, 1, 4).unbind(0)  # each (N, heads, 49, width of a head)
        attended = attend(query, key, value)
        tokens = tokens + self.drop1(self.mix(attended.transpose(1, 2).reshape(-1, 49, width)))
        hidden = F.gelu(self.dense1(self.norm2(tokens)), approximate="none")
        transformed: Tensor = tokens + self.drop2(self.dense2(hidden))
        return transformed


def attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Return for each query the mean of the values, weighted by how well keys match; all (N, heads, tokens, C)."""
    if query.device.type == "cpu" and query.dtype == torch.bfloat16:
        # The backward pass of PyTorch's own kernel takes ten times as long as this here.
        scores: Tensor = query * query.shape[-1] ** -0.5 @ key.transpose(-2, -1)
        return scores.softmax(dim=-1) @ value
    return F.scaled_dot_product_attention(query, key, value)
