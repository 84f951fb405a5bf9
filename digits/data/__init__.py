"""Datasets: which there are, how they are downloaded and verified, and how they become four NumPy arrays.

May import: files, and photos to read image files. Downloading (`download`, `fetch`, `folder`) and datasets of the
user's own (`own`, `png_folder`, `csv_read`, `csv_write`) are imported by module, since only download_mnist.py needs
them.
"""

from digits.data.catalogue import CATALOGUE, FASHION_MNIST, MNIST, Entry
from digits.data.datasets import DATA_DIR, Dataset, find_dataset, fingerprint, load_dataset
from digits.data.split import split_indices, split_writers
from digits.data.writers import SERIES
