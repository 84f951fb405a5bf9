"""Datasets: which there are, how they are downloaded and verified, and how they become four NumPy arrays.

Downloading (`download`) and the files of datasets of the user's own (`image_folder`, `tables`, `form`) are
imported by module, since only download_mnist.py needs them.
"""

from mnist_twice.data.catalogue import CATALOGUE, FASHION_MNIST, MNIST, SERIES, Entry
from mnist_twice.data.datasets import DATA_DIR, Dataset, fingerprint, load_dataset
from mnist_twice.data.split import split_indices, split_writers
