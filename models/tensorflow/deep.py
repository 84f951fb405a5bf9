"""The deeper networks in TensorFlow/Keras. models/pytorch/deep.py is the twin: same names, same order, same layers."""

import keras
from keras import layers

from digits.training import ModelConfig
from models.tensorflow.layers import (
    NORM_EPSILON,
    batch_norm,
    functional,
    patch_embedding,
    residual_block,
    scale_pixels,
    transformer_block,
)


def deep_cnn(config: ModelConfig) -> keras.Sequential:
    """Five convolutions and three dense layers, all normalised (Ioffe and Szegedy 2015): the deep Keras project's.

    The project states 1.5 million parameters; its layers as it lists them, built here, have 0.47 million. Dropout after
    the convolutions is half of that after the dense layers, as there.
    """
    filters, widths, light = config.filters, config.dense, config.dropout / 2
    return keras.Sequential(
        [
            *scale_pixels(config.pixel_range),
            layers.Conv2D(filters[0], kernel_size=3, padding="same", use_bias=False, name="conv1"),
            batch_norm("norm1"),
            layers.ReLU(name="relu1"),
            layers.Conv2D(filters[0], kernel_size=3, padding="same", use_bias=False, name="conv2"),
            batch_norm("norm2"),
            layers.MaxPooling2D(2, name="pool1"),
            layers.ReLU(name="relu2"),
            layers.Dropout(light, name="drop1"),
            layers.Conv2D(filters[1], kernel_size=3, padding="same", use_bias=False, name="conv3"),
            batch_norm("norm3"),
            layers.ReLU(name="relu3"),
            layers.Conv2D(filters[1], kernel_size=3, padding="same", use_bias=False, name="conv4"),
            batch_norm("norm4"),
            layers.MaxPooling2D(2, name="pool2"),
            layers.ReLU(name="relu4"),
            layers.Dropout(light, name="drop2"),
            layers.Conv2D(filters[2], kernel_size=3, padding="same", use_bias=False, name="conv5"),
            batch_norm("norm5"),
            layers.MaxPooling2D(2, name="pool3"),
            layers.ReLU(name="relu5"),
            layers.Dropout(light, name="drop3"),
            layers.Flatten(name="flatten"),  # (N, 3, 3, 128) to (N, 1152)
            layers.Dense(widths[0], use_bias=False, name="dense1"),
            batch_norm("norm6"),
            layers.ReLU(name="relu6"),
            layers.Dropout(config.dropout, name="drop4"),
            layers.Dense(widths[1], use_bias=False, name="dense2"),
            batch_norm("norm7"),
            layers.ReLU(name="relu7"),
            layers.Dropout(config.dropout, name="drop5"),
            layers.Dense(config.num_classes, dtype=keras.config.floatx(), name="head"),
        ]
    )


def vgg(config: ModelConfig) -> keras.Sequential:
    """Pairs of 3x3 convolutions between poolings, after Simonyan and Zisserman (2015), small for 28x28 pixels."""
    filters, (width,) = config.filters, config.dense
    return keras.Sequential(
        [
            *scale_pixels(config.pixel_range),
            layers.Conv2D(filters[0], kernel_size=3, padding="same", name="conv1"),
            layers.ReLU(name="relu1"),
            layers.Conv2D(filters[0], kernel_size=3, padding="same", name="conv2"),
            layers.MaxPooling2D(2, name="pool1"),
            layers.ReLU(name="relu2"),
            layers.Conv2D(filters[1], kernel_size=3, padding="same", name="conv3"),
            layers.ReLU(name="relu3"),
            layers.Conv2D(filters[1], kernel_size=3, padding="same", name="conv4"),
            layers.MaxPooling2D(2, name="pool2"),
            layers.ReLU(name="relu4"),
            layers.Conv2D(filters[2], kernel_size=3, padding="same", name="conv5"),
            layers.ReLU(name="relu5"),
            layers.Conv2D(filters[2], kernel_size=3, padding="same", name="conv6"),
            layers.MaxPooling2D(2, name="pool3"),
            layers.ReLU(name="relu6"),
            layers.Flatten(name="flatten"),  # (N, 3, 3, 128) to (N, 1152)
            layers.Dense(width, name="dense1"),
            layers.ReLU(name="relu7"),
            layers.Dropout(config.dropout, name="dropout"),
            layers.Dense(config.num_classes, dtype=keras.config.floatx(), name="head"),
        ]
    )


def resnet(config: ModelConfig) -> keras.Model:
    """Three residual blocks of two convolutions each, after He, Zhang, Ren and Sun (2016), for 28x28 pixels."""
    filters = config.filters
    return functional(
        *scale_pixels(config.pixel_range),
        layers.Conv2D(filters[0], kernel_size=3, padding="same", use_bias=False, name="conv"),
        batch_norm("norm"),
        layers.ReLU(name="relu"),
        residual_block(filters[0], filters[0], stride=1, name="block1"),
        residual_block(filters[0], filters[1], stride=2, name="block2"),  # to 14x14
        residual_block(filters[1], filters[2], stride=2, name="block3"),  # to 7x7
        layers.GlobalAveragePooling2D(name="average"),  # (N, 7, 7, 128) to (N, 128)
        layers.Dropout(config.dropout, name="dropout"),
        layers.Dense(config.num_classes, dtype=keras.config.floatx(), name="head"),
    )


def vit(config: ModelConfig) -> keras.Model:
    """A vision transformer, after Dosovitskiy et al. (2021), of four blocks over 7x7 patches of 4x4 pixels.

    The head sees the mean of all tokens, not a class token as theirs. `dense` is the width of a token and that of the
    hidden layer in each block.
    """
    width, hidden = config.dense
    return functional(
        *scale_pixels(config.pixel_range),
        patch_embedding(width, name="tokens"),  # (N, 28, 28, 1) to (N, 49, 64)
        layers.Dropout(config.dropout, name="dropout"),
        transformer_block(width, hidden, config.dropout, name="block1"),
        transformer_block(width, hidden, config.dropout, name="block2"),
        transformer_block(width, hidden, config.dropout, name="block3"),
        transformer_block(width, hidden, config.dropout, name="block4"),
        layers.LayerNormalization(epsilon=NORM_EPSILON, name="norm"),
        layers.GlobalAveragePooling1D(name="average"),
        layers.Dense(config.num_classes, dtype=keras.config.floatx(), name="head"),
    )
