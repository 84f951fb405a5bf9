"""The ten networks in PyTorch, from the shortest to the deepest. mnist_twice/tensorflow/networks.py is the twin.

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
docs/references.md describes the sources, also those without a paper, such as 'the Keras comparison'.
"""

from collections import OrderedDict
from collections.abc import Callable

import torch
from torch import nn

from mnist_twice.errors import UserError
from mnist_twice.pytorch.layers import (
    NORM_EPSILON,
    Average,
    BatchNorm1d,
    BatchNorm2d,
    FlattenPixels,
    Head,
    PatchEmbedding,
    ResidualBlock,
    ScalePixels,
    TransformerBlock,
)
from mnist_twice.training import ModelConfig


def mlp(config: ModelConfig) -> nn.Sequential:
    """Dense layers of 64, 64 and 10 units, no convolution; dropout 0.5.

    Rumelhart, Hinton and Williams (1986), 'Learning representations by back-propagating errors', Nature 323. Its sizes
    are those of the first network in 'the Keras comparison', a tutorial.
    """
    widths = config.dense
    return nn.Sequential(
        OrderedDict(
            scale=ScalePixels(config.pixel_range),
            flatten=FlattenPixels(),
            dense1=nn.Linear(28 * 28, widths[0]),
            relu1=nn.ReLU(inplace=True),
            dense2=nn.Linear(widths[0], widths[1]),
            relu2=nn.ReLU(inplace=True),
            dropout=nn.Dropout(config.dropout),
            head=Head(widths[1], config.num_classes),
        )
    )


def fast(config: ModelConfig) -> nn.Sequential:
    """Two convolutions of 16 and 32 filters, dense 256, dropout 0: 99 % on MNIST after one epoch.

    From https://github.com/tuomaso/train_mnist_fast. There the first convolution has a stride of 1, with pooling after
    it; here a stride of 2. Strides in place of pooling: Springenberg et al. (2015), 'Striving for simplicity', arXiv
    1412.6806.
    """
    filters, (width,) = config.filters, config.dense
    return nn.Sequential(
        OrderedDict(
            scale=ScalePixels(config.pixel_range),
            conv1=nn.Conv2d(1, filters[0], kernel_size=5, stride=2),
            relu1=nn.ReLU(inplace=True),
            conv2=nn.Conv2d(filters[0], filters[1], kernel_size=3),
            pool2=nn.MaxPool2d(2),
            relu2=nn.ReLU(inplace=True),
            flatten=FlattenPixels(),  # (N, 32, 5, 5) to (N, 800)
            dense1=nn.Linear(filters[1] * 5 * 5, width),
            relu3=nn.ReLU(inplace=True),
            dropout=nn.Dropout(config.dropout),
            head=Head(width, config.num_classes),
        )
    )


def cnn(config: ModelConfig) -> nn.Sequential:
    """Two convolutions of 16 and 32 filters, dense 128, dropout 0.25: the default network.

    It is the one that 'the project specification' asks for. Convolutions on digits: LeCun et al. (1989),
    'Backpropagation applied to handwritten zip code recognition', Neural Computation 1; dropout: Srivastava et al.
    (2014), Journal of Machine Learning Research 15.
    """
    filters, (width,) = config.filters, config.dense
    return nn.Sequential(
        OrderedDict(
            scale=ScalePixels(config.pixel_range),
            conv1=nn.Conv2d(1, filters[0], kernel_size=3, padding=1),
            pool1=nn.MaxPool2d(2),
            relu1=nn.ReLU(inplace=True),
            conv2=nn.Conv2d(filters[0], filters[1], kernel_size=3, padding=1),
            pool2=nn.MaxPool2d(2),
            relu2=nn.ReLU(inplace=True),
            flatten=FlattenPixels(),  # (N, 32, 7, 7) to (N, 1568)
            dense1=nn.Linear(filters[1] * 7 * 7, width),
            relu3=nn.ReLU(inplace=True),
            dropout=nn.Dropout(config.dropout),
            head=Head(width, config.num_classes),
        )
    )


def fashion_cnn(config: ModelConfig) -> nn.Sequential:
    """Two convolutions of 32 and 64 filters over 32x32 pixels, dense 128, dropout 0.

    The third network in 'the Keras comparison', a tutorial, where it is for Fashion-MNIST: Xiao, Rasul and Vollgraf
    (2017), arXiv 1708.07747.
    """
    filters, (width,) = config.filters, config.dense
    return nn.Sequential(
        OrderedDict(
            scale=ScalePixels(config.pixel_range, padding=2),  # (N, 28, 28) to (N, 1, 32, 32)
            conv1=nn.Conv2d(1, filters[0], kernel_size=3),
            pool1=nn.MaxPool2d(2),
            relu1=nn.ReLU(inplace=True),
            conv2=nn.Conv2d(filters[0], filters[1], kernel_size=3),
            pool2=nn.MaxPool2d(2),
            relu2=nn.ReLU(inplace=True),
            flatten=FlattenPixels(),  # (N, 64, 6, 6) to (N, 2304)
            dense1=nn.Linear(filters[1] * 6 * 6, width),
            relu3=nn.ReLU(inplace=True),
            dropout=nn.Dropout(config.dropout),
            head=Head(width, config.num_classes),
        )
    )


def cnn_wide(config: ModelConfig) -> nn.Sequential:
    """Two convolutions of 32 and 64 filters, dense 128, dropout 0.25 after each of these layers.

    From 'the Keras tutorial', which does not say how its convolutions are padded; Keras's default, no padding, is used.
    Dropout: Srivastava et al. (2014), 'Dropout', Journal of Machine Learning Research 15.
    """
    filters, (width,) = config.filters, config.dense
    return nn.Sequential(
        OrderedDict(
            scale=ScalePixels(config.pixel_range),
            conv1=nn.Conv2d(1, filters[0], kernel_size=5),
            pool1=nn.MaxPool2d(2),
            relu1=nn.ReLU(inplace=True),
            drop1=nn.Dropout(config.dropout),
            conv2=nn.Conv2d(filters[0], filters[1], kernel_size=3),
            pool2=nn.MaxPool2d(2),
            relu2=nn.ReLU(inplace=True),
            drop2=nn.Dropout(config.dropout),
            flatten=FlattenPixels(),  # (N, 64, 5, 5) to (N, 1600)
            dense1=nn.Linear(filters[1] * 5 * 5, width),
            relu3=nn.ReLU(inplace=True),
            drop3=nn.Dropout(config.dropout),
            head=Head(width, config.num_classes),
        )
    )


def lenet5(config: ModelConfig) -> nn.Sequential:
    """LeNet-5: two convolutions of 6 and 16 filters, dense 120 and 84, dropout 0.

    LeCun, Bottou, Bengio and Haffner (1998), 'Gradient-based learning applied to document recognition', Proceedings of
    the IEEE 86. The original pools by averages with a learned scale, and has scaled tanh, a second convolution that is
    not connected to all maps of the first, and radial basis functions at the end. Here are max pooling, ReLU, full
    connections and a dense layer, as in 'the Keras comparison', a tutorial.
    """
    filters, widths = config.filters, config.dense
    return nn.Sequential(
        OrderedDict(
            scale=ScalePixels(config.pixel_range, padding=2),  # (N, 28, 28) to (N, 1, 32, 32)
            conv1=nn.Conv2d(1, filters[0], kernel_size=5),
            pool1=nn.MaxPool2d(2),
            relu1=nn.ReLU(inplace=True),
            conv2=nn.Conv2d(filters[0], filters[1], kernel_size=5),
            pool2=nn.MaxPool2d(2),
            relu2=nn.ReLU(inplace=True),
            flatten=FlattenPixels(),  # (N, 16, 5, 5) to (N, 400)
            dense1=nn.Linear(filters[1] * 5 * 5, widths[0]),
            relu3=nn.ReLU(inplace=True),
            dense2=nn.Linear(widths[0], widths[1]),
            relu4=nn.ReLU(inplace=True),
            dropout=nn.Dropout(config.dropout),
            head=Head(widths[1], config.num_classes),
        )
    )


def vgg(config: ModelConfig) -> nn.Sequential:
    """Three pairs of 3x3 convolutions, of 32, 64 and 128 filters, pooling after each pair; dense 256, dropout 0.5.

    Simonyan and Zisserman (2015), 'Very deep convolutional networks for large-scale image recognition', arXiv
    1409.1556, made small for 28x28 pixels.
    """
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
            head=Head(width, config.num_classes),
        )
    )


def deep_cnn(config: ModelConfig) -> nn.Sequential:
    """Five convolutions of 32 to 128 filters, dense 256 and 128, all batch-normalised; dropout 0.25, then 0.5.

    From 'the deep Keras project', which claims 1.5 million parameters; the layers that it lists have 0.47 million
    when built. As there, dropout after the convolutions is half of that after the dense layers. Batch normalisation:
    Ioffe and Szegedy (2015), arXiv 1502.03167.
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
            head=Head(widths[1], config.num_classes),
        )
    )


def resnet(config: ModelConfig) -> nn.Sequential:
    """Three residual blocks of two convolutions each, of 32, 64 and 128 filters; dropout 0.

    He, Zhang, Ren and Sun (2016), 'Deep residual learning for image recognition', arXiv 1512.03385, for 28x28 pixels.
    """
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
            head=Head(filters[2], config.num_classes),
        )
    )


def vit(config: ModelConfig) -> nn.Sequential:
    """A vision transformer: four blocks on 7x7 patches of 4x4 pixels, a token of 64 numbers each; dropout 0.1.

    Dosovitskiy et al. (2021), 'An image is worth 16x16 words', arXiv 2010.11929. The head gets the mean of all tokens;
    theirs gets a class token. `config.dense` is the width of a token, 64, and that of each block's hidden layer, 128.
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
            head=Head(width, config.num_classes),
        )
    )


CORRECT = "correct mnist_twice/pytorch/networks.py"

NETWORKS: dict[str, Callable[[ModelConfig], nn.Sequential]] = {
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


def build_model(config: ModelConfig) -> nn.Sequential:
    """Return the network `config.model` with random weights from PyTorch's global generator.

    Raises UserError if NETWORKS does not have it.
    """
    if config.model not in NETWORKS:
        raise UserError(
            f"there is no network {config.model} in PyTorch: NETWORKS in mnist_twice/pytorch/networks.py does not "
            f"have it; add it there, or train {config.model} with mnist_tensorflow.py."
        )
    model = NETWORKS[config.model](config)
    _check_shapes(model, config)
    model.config = config  # type: ignore[assignment]
    return model.to(memory_format=torch.channels_last)  # in which convolutions and pools are fastest


@torch.no_grad()
def _check_shapes(model: nn.Sequential, config: ModelConfig) -> None:
    """Raise UserError if a layer does not take what the one before it gives: the network was edited."""
    values = torch.zeros(2, 28, 28, dtype=torch.uint8)
    for name, layer in model.eval().named_children():
        try:
            values = layer(values)
        except (RuntimeError, ValueError) as error:
            reason = f"'{name}' is {' '.join(str(layer).split())[:150]}, but gets {_shape(values)} ({error})"
            raise UserError(f"the layers of {config.model} do not fit together: {reason}; {CORRECT}.") from None
    if values.shape != (2, config.num_classes):
        expected = f"(N, {config.num_classes}), a number for each class"
        raise UserError(f"the layers of {config.model} give {_shape(values)}, not {expected}; {CORRECT}.")
    model.train()


def _shape(values: torch.Tensor) -> str:
    return f"(N, {', '.join(map(str, values.shape[1:]))})"


def config_of(model: nn.Module) -> ModelConfig:
    """Return the config from which build_model built the model."""
    assert isinstance(model.config, ModelConfig)
    return model.config
