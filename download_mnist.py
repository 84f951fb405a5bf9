"""Download MNIST, or a dataset of its form, into mnist_data/, and verify every byte of it.

    python download_mnist.py                                    # MNIST
    python download_mnist.py --dataset fashion-mnist
    python download_mnist.py --dataset mnist-sample             # 5,000 real digits, no network needed
    python download_mnist.py --mirror /media/stick/datasets     # from a folder or another server

Run it again to mend what was damaged. A complete dataset is left alone, without a look at the network.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import tyro

from digits.catalogue import CATALOGUE, Entry
from digits.datasets import DATA_DIR
from digits.download import download_dataset
from digits.errors import run_script

Choice = Literal[*CATALOGUE, "all"]  # type: ignore[valid-type]


@dataclass(frozen=True)
class Options:
    dataset: Choice = "mnist"
    """Which dataset, or all of them."""
    data_dir: Path = DATA_DIR
    """The folder to keep datasets in."""
    mirror: str = os.environ.get("MNIST_MIRROR", "")
    """An address or folder to try first, with DATASET/FILE.gz in it. The default is $MNIST_MIRROR."""
    force: bool = False
    """Download again what is there and right."""


def main() -> int:
    options = tyro.cli(Options, description=__doc__, config=(tyro.conf.FlagCreatePairsOff,))
    entries = list(CATALOGUE.values()) if options.dataset == "all" else [CATALOGUE[options.dataset]]
    status = 0
    for entry in entries:
        # One that fails does not keep the others from being tried; Ctrl-C (130) does.
        status = max(status, run_script(partial(download, entry, options.data_dir, options.mirror, options.force)))
        if status > 1:
            break
    return status


def download(entry: Entry, data_dir: Path, mirror: str, force: bool) -> None:
    """Download or mend one dataset, and say in two lines what is where."""
    folder = data_dir / entry.folder
    mending = folder.exists() and not force
    renewed = download_dataset(entry, data_dir, mirror, force)
    if not renewed:
        state = "already complete"
    elif mending:
        state = f"mended ({', '.join(renewed)})"
    else:
        state = "complete and verified"
    train, test = entry.files[0].shape[0], entry.files[2].shape[0]
    print(f"{entry.name}: {train:,} training and {test:,} test images in '{folder}', {state}.")
    print(f"  {entry.title}. Licence: {entry.licence}.")


if __name__ == "__main__":
    sys.exit(run_script(main))
