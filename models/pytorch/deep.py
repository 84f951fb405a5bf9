"""The deeper networks in PyTorch. models/tensorflow/deep.py is the twin: same names, same order, same layers."""

from collections import OrderedDict

from torch import nn

from digits.training import ModelConfig
from models.pytorch.layers import (
    NORM_EPSILON,
    Average,
    BatchNorm1d,
    BatchNorm2d,
    FlattenPixels,
    PatchEmbedding,
    ResidualBlock,
    ScalePixels,
    TransformerBlock,
)


def deep_cnn(config: ModelConfig) -> nn.Sequential:
    """Five convolutions and three dense layers, all normalised (Ioffe and Szegedy 2015): the deep Keras project's.

    The project states 1.5 million parameters; its layers as it lists them, built here, have 0.47 million. Dropout after
    the convolutions is half of that after the dense layers, as there.
    """
    filters, widths, light = config.filters, config.dense, config.dropout / 2
    return nn.Sequential(
        OrderedDict(
            scale=ScalePixels(config.pixel_range),
            conv1=nn.Conv2d(1, filters[0], kernel_size=3, padding=1, bias=False),
            norm1=BatchNorm2d(filters[0]),
            relu1=nn.ReLU(inplace=True),
            conv2=nn.Conv2d(filters[0], filters[0], kernel_size=3, padding=1, bias=False),
            norm2=BatchNorm2d(filters[0]),
            pool1=nn.MaxPool2d(2),
            relu2=nn.ReLU(inplace=True),
            drop1=nn.Dropout(light),
            conv3=nn.Conv2d(filters[0], filters[1], kernel_size=3, padding=1, bias=False),
            norm3=BatchNorm2d(filters[1]),
            relu3=nn.ReLU(inplace=True),
            conv4=nn.Conv2d(filters[1], filters[1], kernel_size=3, padding=1, bias=False),
            norm4=BatchNorm2d(filters[1]),
            pool2=nn.MaxPool2d(2),
            relu4=nn.ReLU(inplace=True),
            drop2=nn.Dropout(light),
            conv5=nn.Conv2d(filters[1], filters[2], kernel_size=3, padding=1, bias=False),
            norm5=BatchNorm2d(filters[2]),
            pool3=nn.MaxPool2d(2),
            relu5=nn.ReLU(inplace=True),
            drop3=nn.Dropout(light),
            flatten=FlattenPixels(),  # (N, 128, 3, 3) to (N, 1152)
            dense1=nn.Linear(filters[2] * 3 * 3, widths[0], bias=False),
            norm6=BatchNorm1d(widths[0]),
            relu6=nn.ReLU(inplace=True),
            drop4=nn.Dropout(config.dropout),
            dense2=nn.Linear(widths[0], widths[1], bias=False),
            norm7=BatchNorm1d(widths[1]),
            relu7=nn.ReLU(inplace=True),
            drop5=nn.Dropout(config.dropout),
            head=nn.Linear(widths[1], config.num_classes),
        )
    )


def vgg(config: ModelConfig) -> nn.Sequential:
    """Pairs of 3x3 convolutions between poolings, after Simonyan and Zisserman (2015), small for 28x28 pixels."""
    filters, (width,) = config.filters, config.dense
    return nn.Sequential(
        OrderedDict(
            scale=ScalePixels(config.pixel_range),
            conv1=nn.Conv2d(1, filters[0], kernel_size=3, padding=1),
            relu1=nn.ReLU(inplace=True),
            conv2=nn.Conv2d(filters[0], filters[0], kernel_size=3, padding=1),
            pool1=nn.MaxPool2d(2),
            relu2=nn.ReLU(inplace=True),
            conv3=nn.Conv2d(filters[0], filters[1], kernel_size=3, padding=1),
            relu3=nn.ReLU(inplace=True),
            conv4=nn.Conv2d(filters[1], filters[1], kernel_size=3, padding=1),
            pool2=nn.MaxPool2d(2),
            relu4=nn.ReLU(inplace=True),
            conv5=nn.Conv2d(filters[1], filters[2], kernel_size=3, padding=1),
            relu5=nn.ReLU(inplace=True),
            conv6=nn.Conv2d(filters[2], filters[2], kernel_size=3, padding=1),
            pool3=nn.MaxPool2d(2),
            relu6=nn.ReLU(inplace=True),
            flatten=FlattenPixels(),  # (N, 128, 3, 3) to (N, 1152)
            dense1=nn.Linear(filters[2] * 3 * 3, width),
            relu7=nn.ReLU(inplace=True),
            dropout=nn.Dropout(config.dropout),
            head=nn.Linear(width, config.num_classes),
        )
    )


def resnet(config: ModelConfig) -> nn.Sequential:
    """Three residual blocks of two convolutions each, after He, Zhang, Ren and Sun (2016), for 28x28 pixels."""
    filters = config.filters
    return nn.Sequential(
        OrderedDict(
            scale=ScalePixels(config.pixel_range),
            conv=nn.Conv2d(1, filters[0], kernel_size=3, padding=1, bias=False),
            norm=BatchNorm2d(filters[0]),
            relu=nn.ReLU(inplace=True),
            block1=ResidualBlock(filters[0], filters[0], stride=1),
            block2=ResidualBlock(filters[0], filters[1], stride=2),  # to 14x14
            block3=ResidualBlock(filters[1], filters[2], stride=2),  # to 7x7
            average=Average(2, 3),  # (N, 128, 7, 7) to (N, 128)
            dropout=nn.Dropout(config.dropout),
            head=nn.Linear(filters[2], config.num_classes),
        )
    )


def vit(config: ModelConfig) -> nn.Sequential:
    """A vision transformer, after Dosovitskiy et al. (2021), of four blocks over 7x7 patches of 4x4 pixels.

    The head sees the mean of all tokens, not a class token as theirs. `dense` is the width of a token and that of the
    hidden layer in each block.
    """
    width, hidden = config.dense
    return nn.Sequential(
        OrderedDict(
            scale=ScalePixels(config.pixel_range),
            tokens=PatchEmbedding(width),  # (N, 1, 28, 28) to (N, 49, 64)
            dropout=nn.Dropout(config.dropout),
            block1=TransformerBlock(width, hidden, config.dropout),
            block2=TransformerBlock(width, hidden, config.dropout),
            block3=TransformerBlock(width, hidden, config.dropout),
            block4=TransformerBlock(width, hidden, config.dropout),
            norm=nn.LayerNorm(width, NORM_EPSILON),
            average=Average(1),
            head=nn.Linear(width, config.num_classes),
        )
    )
