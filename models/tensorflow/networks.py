"""The networks in TensorFlow/Keras. models/pytorch/networks.py is the twin: same names, same order, same layers.

Every network takes raw pixels, uint8 0..255 (N, 28, 28), and returns logits, floating point (N, num_classes), from its
last layer, `head`. Where a pooling and a ReLU meet, pooling stands first: both orders give the same numbers, this one
leaves ReLU a quarter of the work. A convolution or dense layer before a normalisation has no bias, since that would
take it away again. The deeper networks are in models/tensorflow/deep.py. docs/references.md says where each comes from.
"""

import keras
from keras import layers

from digits.training import ModelConfig, network_function
from models.tensorflow import deep
from models.tensorflow.layers import scale_pixels

PIXEL_RANGE = (0.0, 1.0)
"""What the raw pixels 0 and 255 become by default: as specified for TensorFlow, a division by 255."""


def cnn(config: ModelConfig) -> keras.Sequential:
    """Two convolutions and two dense layers: the network of the project specification."""
    filters, (width,) = config.filters, config.dense
    return keras.Sequential(
        [
            *scale_pixels(config.pixel_range),
            layers.Conv2D(filters[0], kernel_size=3, padding="same", name="conv1"),
            layers.MaxPooling2D(2, name="pool1"),
            layers.ReLU(name="relu1"),
            layers.Conv2D(filters[1], kernel_size=3, padding="same", name="conv2"),
            layers.MaxPooling2D(2, name="pool2"),
            layers.ReLU(name="relu2"),
            layers.Flatten(name="flatten"),  # (N, 7, 7, 32) to (N, 1568)
            layers.Dense(width, name="dense1"),
            layers.ReLU(name="relu3"),
            layers.Dropout(config.dropout, name="dropout"),
            layers.Dense(config.num_classes, dtype=keras.config.floatx(), name="head"),
        ]
    )


def cnn_wide(config: ModelConfig) -> keras.Sequential:
    """A wider cnn with dropout after every block: the network of the Keras tutorial.

    The tutorial does not say how its convolutions are padded; Keras's default, no padding, is used.
    """
    filters, (width,) = config.filters, config.dense
    return keras.Sequential(
        [
            *scale_pixels(config.pixel_range),
            layers.Conv2D(filters[0], kernel_size=5, name="conv1"),
            layers.MaxPooling2D(2, name="pool1"),
            layers.ReLU(name="relu1"),
            layers.Dropout(config.dropout, name="drop1"),
            layers.Conv2D(filters[1], kernel_size=3, name="conv2"),
            layers.MaxPooling2D(2, name="pool2"),
            layers.ReLU(name="relu2"),
            layers.Dropout(config.dropout, name="drop2"),
            layers.Flatten(name="flatten"),  # (N, 5, 5, 64) to (N, 1600)
            layers.Dense(width, name="dense1"),
            layers.ReLU(name="relu3"),
            layers.Dropout(config.dropout, name="drop3"),
            layers.Dense(config.num_classes, dtype=keras.config.floatx(), name="head"),
        ]
    )


def mlp(config: ModelConfig) -> keras.Sequential:
    """Three dense layers and no convolution: the first network of the Keras comparison."""
    widths = config.dense
    return keras.Sequential(
        [
            *scale_pixels(config.pixel_range),
            layers.Flatten(name="flatten"),
            layers.Dense(widths[0], name="dense1"),
            layers.ReLU(name="relu1"),
            layers.Dense(widths[1], name="dense2"),
            layers.ReLU(name="relu2"),
            layers.Dropout(config.dropout, name="dropout"),
            layers.Dense(config.num_classes, dtype=keras.config.floatx(), name="head"),
        ]
    )


def lenet5(config: ModelConfig) -> keras.Sequential:
    """LeNet-5: the second network of the Keras comparison, after LeCun, Bottou, Bengio and Haffner (1998).

    They had averages with a learned scale for pooling, scaled tanh, a second convolution not connected to all maps of
    the first, and radial basis functions at the end; here are max pooling, ReLU, full connections and a dense layer.
    """
    filters, widths = config.filters, config.dense
    return keras.Sequential(
        [
            *scale_pixels(config.pixel_range, padding=2),  # (N, 28, 28) to (N, 32, 32, 1)
            layers.Conv2D(filters[0], kernel_size=5, name="conv1"),
            layers.MaxPooling2D(2, name="pool1"),
            layers.ReLU(name="relu1"),
            layers.Conv2D(filters[1], kernel_size=5, name="conv2"),
            layers.MaxPooling2D(2, name="pool2"),
            layers.ReLU(name="relu2"),
            layers.Flatten(name="flatten"),  # (N, 5, 5, 16) to (N, 400)
            layers.Dense(widths[0], name="dense1"),
            layers.ReLU(name="relu3"),
            layers.Dense(widths[1], name="dense2"),
            layers.ReLU(name="relu4"),
            layers.Dropout(config.dropout, name="dropout"),
            layers.Dense(config.num_classes, dtype=keras.config.floatx(), name="head"),
        ]
    )


def fashion_cnn(config: ModelConfig) -> keras.Sequential:
    """Two convolutions over 32x32 pixels: the third network of the Keras comparison, for Fashion-MNIST."""
    filters, (width,) = config.filters, config.dense
    return keras.Sequential(
        [
            *scale_pixels(config.pixel_range, padding=2),  # (N, 28, 28) to (N, 32, 32, 1)
            layers.Conv2D(filters[0], kernel_size=3, name="conv1"),
            layers.MaxPooling2D(2, name="pool1"),
            layers.ReLU(name="relu1"),
            layers.Conv2D(filters[1], kernel_size=3, name="conv2"),
            layers.MaxPooling2D(2, name="pool2"),
            layers.ReLU(name="relu2"),
            layers.Flatten(name="flatten"),  # (N, 6, 6, 64) to (N, 2304)
            layers.Dense(width, name="dense1"),
            layers.ReLU(name="relu3"),
            layers.Dropout(config.dropout, name="dropout"),
            layers.Dense(config.num_classes, dtype=keras.config.floatx(), name="head"),
        ]
    )


def fast(config: ModelConfig) -> keras.Sequential:
    """The network that tuomaso's train_mnist_fast brings to 99 % in under a second on a GPU, made for a processor.

    Its first convolution takes every second position, where the original computes all and keeps a quarter by pooling.
    """
    filters, (width,) = config.filters, config.dense
    return keras.Sequential(
        [
            *scale_pixels(config.pixel_range),
            layers.Conv2D(filters[0], kernel_size=5, strides=2, name="conv1"),
            layers.ReLU(name="relu1"),
            layers.Conv2D(filters[1], kernel_size=3, name="conv2"),
            layers.MaxPooling2D(2, name="pool2"),
            layers.ReLU(name="relu2"),
            layers.Flatten(name="flatten"),  # (N, 5, 5, 32) to (N, 800)
            layers.Dense(width, name="dense1"),
            layers.ReLU(name="relu3"),
            layers.Dropout(config.dropout, name="dropout"),
            layers.Dense(config.num_classes, dtype=keras.config.floatx(), name="head"),
        ]
    )


def build_model(config: ModelConfig) -> keras.Model:
    """Return the network with fresh weights from Keras's global generator; UserError where there is none."""
    build = network_function(config.model, vars(deep) | globals(), "tensorflow")
    theirs = keras.config.image_data_format()
    keras.config.set_image_data_format("channels_last")  # whatever the program around has set
    try:
        model = build(config)
    finally:
        keras.config.set_image_data_format(theirs)
    model.name = config.model
    model.config = config
    return model


def config_of(model: keras.Model) -> ModelConfig:
    """Return what build_model was given to build the model."""
    config: ModelConfig = model.config
    return config
