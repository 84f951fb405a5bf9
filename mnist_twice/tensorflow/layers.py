"""Blocks of Keras's own layers. mnist_twice/pytorch/layers.py is the twin, in the same order.

There a layer of our own is a class, here a function, so that a saved model loads wherever Keras is installed.
"""

from collections.abc import Callable

import keras
import numpy as np
from keras import KerasTensor, layers, ops

from mnist_twice.recipes import HEADS

NORM_EPSILON = 1e-5  # added to every variance: PyTorch's default, where Keras's is 1e-3
NORM_MOMENTUM = 0.9
"""Weight of the earlier running statistics at each batch. PyTorch calls the complement momentum, by default 0.1."""
PATCH = 4  # side of a patch in pixels
POSITION = 0.3
"""Standard deviation of the initial position embeddings. With the usual 0.02 they are lost beside the pixels:
validation accuracy in PyTorch on mnist-sample after 20 epochs was then 86 %, and 92 % with 0.3 (n = 1)."""

Step = Callable[[KerasTensor], KerasTensor]  # a layer, or several in one function


def functional(images: KerasTensor, *steps: Step) -> keras.Model:
    """Return the model that takes the steps in turn, as keras.Sequential does, which takes layers but no functions."""
    values = images
    for step in steps:
        values = step(values)
    return keras.Model(images, values)


def scale_pixels(pixel_range: tuple[float, float], padding: int = 0) -> list[KerasTensor | layers.Layer]:
    """Scale pixels in the network itself, so that a saved network takes raw images.

    Raw pixels (N, 28, 28) to floating point (N, H, W, 1) in `pixel_range`, channels last as TensorFlow has them.
    `padding` is how many pixels of background, raw 0, are put around each image.
    """
    low, high = pixel_range
    return [
        keras.Input((28, 28), dtype="uint8", name="images"),
        layers.Reshape((28, 28, 1), name="channel"),
        *([layers.ZeroPadding2D(padding, name="pad")] if padding else []),
        # NumPy's numbers, because TensorFlow would take Python's for float32 on their way to float64.
        layers.Rescaling(np.float64((high - low) / 255), np.float64(low), name="scale"),
    ]


def batch_norm(name: str) -> layers.BatchNormalization:
    """Keras's batch normalisation over the last axis, with PyTorch's constants.

    What stays different: the running variance is a sum over n values divided by n - 1 in PyTorch, by n in Keras. With
    128 images that is 0.8 % in a dense layer, under 0.1 % in a convolution, and training never reads it.
    """
    return layers.BatchNormalization(momentum=NORM_MOMENTUM, epsilon=NORM_EPSILON, name=name)


def residual_block(inputs: int, filters: int, stride: int, name: str) -> Step:
    """The basic block of He et al. (2016), which Keras lacks: two convolutions, their input added to their output.

    Where the input has another number of filters or is to be halved in size, a 1x1 convolution makes it fit.
    """

    def block(maps: KerasTensor) -> KerasTensor:
        # Not padding="same": with a stride that pads an even side below and to the right only.
        padded = layers.ZeroPadding2D(1, name=f"{name}.pad")(maps)
        changed = layers.Conv2D(filters, 3, strides=stride, use_bias=False, name=f"{name}.conv1")(padded)
        changed = layers.ReLU(name=f"{name}.relu1")(batch_norm(f"{name}.norm1")(changed))
        changed = layers.Conv2D(filters, 3, padding="same", use_bias=False, name=f"{name}.conv2")(changed)
        changed = batch_norm(f"{name}.norm2")(changed)
        if (inputs, 1) != (filters, stride):
            maps = layers.Conv2D(filters, 1, strides=stride, use_bias=False, name=f"{name}.conv3")(maps)
            maps = batch_norm(f"{name}.norm3")(maps)
        return layers.ReLU(name=f"{name}.relu2")(layers.Add(name=f"{name}.add")([changed, maps]))

    return block


def patch_embedding(width: int, name: str) -> Step:
    """Pixels (N, 28, 28, 1) to a token for each patch, (N, 49, width), for which Keras has no layer.

    A token is the patch's pixels times `kernel`, plus `bias`. Each position has a bias of its own, (49, width): the
    learned position embedding of Dosovitskiy et al. (2021).
    """

    def tokens(pixels: KerasTensor) -> KerasTensor:
        rows = layers.Reshape((7, PATCH, 7, PATCH), name="rows")(pixels)
        patches = layers.Permute((1, 3, 2, 4), name="patches")(rows)  # row of patches, column of patches, row, column
        return layers.EinsumDense(
            "npi,io->npo",
            (49, width),
            bias_axes="po",
            bias_initializer=keras.initializers.RandomNormal(stddev=POSITION),
            name=name,
        )(layers.Reshape((49, PATCH * PATCH), name="flat_patches")(patches))

    return tokens


def transformer_block(width: int, hidden: int, dropout: float, name: str) -> Step:
    """Has weights and dropout as its PyTorch twin has them; keras.layers has no such block.

    Attention between tokens and then two dense layers for each token; both normalise their input first, and are added
    to it.
    """

    def block(tokens: KerasTensor) -> KerasTensor:
        normed = layers.LayerNormalization(epsilon=NORM_EPSILON, name=f"{name}.norm1")(tokens)
        qkv = layers.Dense(3 * width, name=f"{name}.qkv")(normed)
        qkv = layers.Reshape((49, 3, HEADS, width // HEADS), name=f"{name}.heads")(qkv)
        query, key, value = ops.unstack(qkv, axis=2)  # each (N, 49, heads, width of a head)
        attended = ops.dot_product_attention(query, key, value, scale=(width // HEADS) ** -0.5)
        mixed = layers.Reshape((49, width), name=f"{name}.attended")(attended)
        mixed = layers.Dense(width, name=f"{name}.mix")(mixed)
        tokens = layers.Add(name=f"{name}.add1")([tokens, layers.Dropout(dropout, name=f"{name}.drop1")(mixed)])
        normed = layers.LayerNormalization(epsilon=NORM_EPSILON, name=f"{name}.norm2")(tokens)
        changed = layers.Dense(hidden, name=f"{name}.dense1")(normed)
        changed = 0.5 * changed * (1 + ops.erf(changed * 0.5**0.5))  # exact GELU; tf2onnx knows no op of Keras's own
        changed = layers.Dense(width, name=f"{name}.dense2")(changed)
        return layers.Add(name=f"{name}.add2")([tokens, layers.Dropout(dropout, name=f"{name}.drop2")(changed)])

    return block
