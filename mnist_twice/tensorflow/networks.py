"""The ten networks in TensorFlow/Keras, from the shortest to the deepest. mnist_twice/pytorch/networks.py is the twin.

Both files have the same networks in the same order, with the same names of layers. Every network takes raw pixels,
uint8 0..255 (N, 28, 28), and returns logits, floating point (N, num_classes), from its last layer, `head`. Its `config`
says how large it is, in these fields:

    filters      filters of the convolutions, stage by stage
    dense        units of the dense layers before `head`
    dropout      fraction of the units that training drops at random
    num_classes  units of `head`
    pixel_range  what the raw pixels 0 and 255 become: -1 and 1 in PyTorch, 0 and 1 in TensorFlow, as is usual in
                 each; 0 and 1 in both with --parity, which makes both frameworks compute the same numbers

The numbers in docstrings and comments are the defaults (mnist_twice/recipes/default_recipes.py), for ten classes. Where
pooling and ReLU follow each other, pooling comes first: the result is the same, and ReLU has a quarter of the work.
A convolution or dense layer before a normalisation has no bias: the normalisation would remove it.
`head` has a dtype so that its logits are float32 even if the layers before it compute in bfloat16.
docs/references.md describes the sources, also those without a paper, such as 'the Keras comparison'.
"""

import re
from collections.abc import Callable

import keras
from keras import layers

from mnist_twice.errors import UserError
from mnist_twice.tensorflow.layers import (
    NORM_EPSILON,
    batch_norm,
    functional,
    patch_embedding,
    residual_block,
    scale_pixels,
    transformer_block,
)
from mnist_twice.training import ModelConfig


def mlp(config: ModelConfig) -> keras.Sequential:
    """Dense layers of 64, 64 and 10 units, no convolution; dropout 0.5.

    Rumelhart, Hinton and Williams (1986), 'Learning representations by back-propagating errors', Nature 323. Its sizes
    are those of the first network in 'the Keras comparison', a tutorial.
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
    """Two convolutions of 16 and 32 filters, dense 256, dropout 0: 99 % on MNIST after one epoch.

    From https://github.com/tuomaso/train_mnist_fast. There the first convolution has a stride of 1, with pooling after
    it; here a stride of 2. Strides in place of pooling: Springenberg et al. (2015), 'Striving for simplicity', arXiv
    1412.6806.
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
    """Two convolutions of 16 and 32 filters, dense 128, dropout 0.25: the default network.

    It is the one that 'the project specification' asks for. Convolutions on digits: LeCun et al. (1989),
    'Backpropagation applied to handwritten zip code recognition', Neural Computation 1; dropout: Srivastava et al.
    (2014), Journal of Machine Learning Research 15.
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
    """Two convolutions of 32 and 64 filters over 32x32 pixels, dense 128, dropout 0.

    The third network in 'the Keras comparison', a tutorial, where it is for Fashion-MNIST: Xiao, Rasul and Vollgraf
    (2017), arXiv 1708.07747.
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
    """Two convolutions of 32 and 64 filters, dense 128, dropout 0.25 after each of these layers.

    From 'the Keras tutorial', which does not say how its convolutions are padded; Keras's default, no padding, is used.
    Dropout: Srivastava et al. (2014), 'Dropout', Journal of Machine Learning Research 15.
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
    """LeNet-5: two convolutions of 6 and 16 filters, dense 120 and 84, dropout 0.

    LeCun, Bottou, Bengio and Haffner (1998), 'Gradient-based learning applied to document recognition', Proceedings of
    the IEEE 86. The original pools by averages with a learned scale, and has scaled tanh, a second convolution that is
    not connected to all maps of the first, and radial basis functions at the end. Here are max pooling, ReLU, full
    connections and a dense layer, as in 'the Keras comparison', a tutorial.
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
    """Three pairs of 3x3 convolutions, of 32, 64 and 128 filters, pooling after each pair; dense 256, dropout 0.5.

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
    """Five convolutions of 32 to 128 filters, dense 256 and 128, all batch-normalised; dropout 0.25, then 0.5.

    From 'the deep Keras project', which claims 1.5 million parameters; the layers that it lists have 0.47 million
    when built. As there, dropout after the convolutions is half of that after the dense layers. Batch normalisation:
    Ioffe and Szegedy (2015), arXiv 1502.03167.
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
    """Three residual blocks of two convolutions each, of 32, 64 and 128 filters; dropout 0.

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
    """A vision transformer: four blocks on 7x7 patches of 4x4 pixels, a token of 64 numbers each; dropout 0.1.

    Dosovitskiy et al. (2021), 'An image is worth 16x16 words', arXiv 2010.11929. The head gets the mean of all tokens;
    theirs gets a class token. `config.dense` is the width of a token, 64, and that of each block's hidden layer, 128.
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


NETWORKS: dict[str, Callable[[ModelConfig], keras.Model]] = {
    "mlp": mlp,
    "fast": fast,
    "cnn": cnn,
    "fashion-cnn": fashion_cnn,
    "cnn-wide": cnn_wide,
    "lenet5": lenet5,
    "vgg": vgg,
    "deep-cnn": deep_cnn,
    "resnet": resnet,
    "vit": vit,
}


def build_model(config: ModelConfig) -> keras.Model:
    """Return the network `config.model` with random weights from Keras's global generator.

    Raises UserError if NETWORKS does not have it.
    """
    if config.model not in NETWORKS:
        raise UserError(
            f"there is no network {config.model} in TensorFlow: NETWORKS in mnist_twice/tensorflow/networks.py lacks "
            f"it; add it there, or train {config.model} with mnist_pytorch.py."
        )
    previous_format = keras.config.image_data_format()
    keras.config.set_image_data_format("channels_last")  # whatever the program around has set
    try:
        model = NETWORKS[config.model](config)
    except ValueError as error:
        words = " ".join(str(error).split())  # in colours, and with more than is of use
        reason = re.sub(r"\x1b\[\d*m|Exception encountered when calling |Arguments received.*", "", words).strip(" .")
        raise UserError(
            f"the layers of {config.model} do not fit together ({reason}); correct mnist_twice/tensorflow/networks.py."
        ) from None
    finally:
        keras.config.set_image_data_format(previous_format)
    if model.output_shape != (None, config.num_classes):
        shape = ", ".join(map(str, model.output_shape[1:]))
        raise UserError(
            f"the layers of {config.model} give (N, {shape}), not (N, {config.num_classes}), a number for each class; "
            "correct mnist_twice/tensorflow/networks.py."
        )
    model.name = config.model
    model.config = config
    return model


def config_of(model: keras.Model) -> ModelConfig:
    """Return the config from which build_model built the model."""
    config: ModelConfig = model.config
    return config
