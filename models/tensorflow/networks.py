"""The ten networks in TensorFlow/Keras, from the shortest to the deepest. models/pytorch/networks.py is the twin.

Both files have the same networks in the same order, with the same names of layers. Every network takes raw pixels,
uint8 0..255 (N, 28, 28), and returns logits, floating point (N, num_classes), from its last layer, `head`. `config`
says how large it is: `filters` of the convolutions, `dense`, the units of the dense layers before the last, `dropout`,
the fraction dropped, and `num_classes`; and by `pixel_range` what the raw pixels 0 and 255 become, 0 and 1 by
default. The numbers in docstrings and comments are the defaults (digits/training/default_recipes.py).

Where a pooling and a ReLU meet, pooling stands first: both orders give the same numbers, this one leaves ReLU a quarter
of the work. A convolution or dense layer before a normalisation has no bias, since that would take it away again.
docs/references.md says more of each source.
"""

import keras
from keras import layers

from digits.errors import UserError
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


def mlp(config: ModelConfig) -> keras.Sequential:
    """Three dense layers, 64, 64 and one a class, and no convolution: the first network of the Keras comparison.

    Rumelhart, Hinton and Williams (1986), 'Learning representations by back-propagating errors', Nature 323.
    """
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


def fast(config: ModelConfig) -> keras.Sequential:
    """Convolutions of 16 and 32 filters, dense 256: tuomaso's train_mnist_fast (GitHub), 99 % after one epoch.

    Its first convolution takes every second position, where the original computes all and keeps a quarter by pooling.
    Strides in place of pooling: Springenberg et al. (2015), 'Striving for simplicity', arXiv 1412.6806.
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


def cnn(config: ModelConfig) -> keras.Sequential:
    """Convolutions of 16 and 32 filters, a dense layer of 128: the network of the project specification, the default.

    Convolutions on digits: LeCun et al. (1989), 'Backpropagation applied to handwritten zip code recognition', Neural
    Computation 1; dropout: Srivastava et al. (2014), Journal of Machine Learning Research 15.
    """
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


def fashion_cnn(config: ModelConfig) -> keras.Sequential:
    """Convolutions of 32 and 64 filters over 32x32 pixels, dense 128: the third network of the Keras comparison.

    It is meant for Fashion-MNIST: Xiao, Rasul and Vollgraf (2017), arXiv 1708.07747.
    """
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


def cnn_wide(config: ModelConfig) -> keras.Sequential:
    """Convolutions of 32 and 64 filters, dense 128, dropout after each: the network of the Keras tutorial.

    Dropout: Srivastava et al. (2014), 'Dropout', Journal of Machine Learning Research 15. The tutorial does not say how
    its convolutions are padded; Keras's default, no padding, is used.
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


def lenet5(config: ModelConfig) -> keras.Sequential:
    """LeNet-5, convolutions of 6 and 16 filters, dense 120 and 84: the second network of the Keras comparison.

    LeCun, Bottou, Bengio and Haffner (1998), 'Gradient-based learning applied to document recognition', Proceedings of
    the IEEE 86. They had averages with a learned scale for pooling, scaled tanh, a second convolution not connected to
    all maps of the first, and radial basis functions at the end; here are max pooling, ReLU, full connections and a
    dense layer.
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


def vgg(config: ModelConfig) -> keras.Sequential:
    """Pairs of 3x3 convolutions, of 32, 64 and 128 filters, between poolings; dense 256.

    Simonyan and Zisserman (2015), 'Very deep convolutional networks for large-scale image recognition', arXiv
    1409.1556, made small for 28x28 pixels.
    """
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


def deep_cnn(config: ModelConfig) -> keras.Sequential:
    """Five convolutions of 32 to 128 filters, dense 256 and 128, all normalised: the deep Keras project's network.

    Batch normalisation: Ioffe and Szegedy (2015), arXiv 1502.03167. The project states 1.5 million parameters; its
    layers as it lists them, built here, have 0.47 million. Dropout after the convolutions is half of that after the
    dense layers, as there.
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


def resnet(config: ModelConfig) -> keras.Model:
    """Three residual blocks of two convolutions each, of 32, 64 and 128 filters.

    He, Zhang, Ren and Sun (2016), 'Deep residual learning for image recognition', arXiv 1512.03385, for 28x28 pixels.
    """
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
    """A vision transformer: four blocks over 7x7 patches of 4x4 pixels, tokens of 64 numbers, 128 hidden units.

    Dosovitskiy et al. (2021), 'An image is worth 16x16 words', arXiv 2010.11929. The head sees the mean of all tokens,
    not a class token as theirs. `config.dense` is the width of a token and that of the hidden layer in each block.
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


def build_model(config: ModelConfig) -> keras.Model:
    """Return the network `config.model` with fresh weights from Keras's global generator; UserError without one."""
    name = config.model.replace("-", "_")
    if name not in globals():
        raise UserError(
            f"there is no network {config.model} in TensorFlow: models/tensorflow/networks.py has no function "
            f"'{name}'; write it there, or train {config.model} with mnist_pytorch.py."
        )
    theirs = keras.config.image_data_format()
    keras.config.set_image_data_format("channels_last")  # whatever the program around has set
    try:
        model = globals()[name](config)
    finally:
        keras.config.set_image_data_format(theirs)
    model.name = config.model
    model.config = config
    return model


def config_of(model: keras.Model) -> ModelConfig:
    """Return what build_model was given to build the model."""
    config: ModelConfig = model.config
    return config
