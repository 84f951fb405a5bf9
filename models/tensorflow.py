"""The networks in TensorFlow/Keras. models/pytorch.py is this file's twin: same names, same order, same layers.

Every network takes raw pixels, uint8 0..255 (N, 28, 28), and returns logits, float32 (N, num_classes).
"""

from __future__ import annotations

import keras
from keras import layers

from digits.weights import Network

PIXEL_RANGE = (0.0, 1.0)
"""What the raw pixels 0 and 255 become by default: R0's choice in TensorFlow, a division by 255."""


def scale_pixels(pixel_range: tuple[float, float]) -> list[layers.Layer]:
    """Raw pixels (N, 28, 28) to float32 (N, 28, 28, 1) in `pixel_range`, channels last as TensorFlow has them."""
    low, high = pixel_range
    return [
        keras.Input((28, 28), dtype="uint8", name="images"),
        layers.Rescaling((high - low) / 255, offset=low, name="scale"),
        layers.Reshape((28, 28, 1), name="channel"),
    ]


def cnn(num_classes: int, pixel_range: tuple[float, float]) -> keras.Sequential:
    """Two convolutions and two dense layers: the network R0 that this project is specified with.

    Pooling stands before ReLU: both orders give the same numbers, this one leaves ReLU a quarter of the work.
    """
    return keras.Sequential(
        [
            *scale_pixels(pixel_range),
            layers.Conv2D(16, kernel_size=3, padding="same", name="conv1"),
            layers.MaxPooling2D(2, name="pool1"),
            layers.ReLU(name="relu1"),
            layers.Conv2D(32, kernel_size=3, padding="same", name="conv2"),
            layers.MaxPooling2D(2, name="pool2"),
            layers.ReLU(name="relu2"),
            layers.Flatten(name="flatten"),  # (N, 7, 7, 32) to (N, 1568)
            layers.Dense(128, name="dense1"),
            layers.ReLU(name="relu3"),
            layers.Dropout(0.25, name="dropout"),
            layers.Dense(num_classes, dtype="float32", name="dense2"),
        ],
    )


MODELS = {"cnn": cnn}


def build_model(network: Network) -> keras.Sequential:
    """Return the network with fresh weights from Keras's global generator."""
    model = MODELS[network.model](network.num_classes, network.pixel_range)
    model.name = network.model
    return model


def network_of(model: keras.Sequential) -> Network:
    """Return what build_model was given to build the model."""
    scale = model.get_layer("scale")
    return Network(model.name, model.output_shape[-1], (scale.offset, scale.offset + 255 * scale.scale))
