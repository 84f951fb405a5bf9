"""Download MNIST, or a dataset of its form, into mnist_data/, and verify every byte of it.

    python download_mnist.py                                    # MNIST
    python download_mnist.py --dataset fashion-mnist
    python download_mnist.py --dataset mnist-sample             # 5,000 real digits, no network needed
    python download_mnist.py --mirror /media/stick/datasets     # from a folder or another server
    python download_mnist.py --from-images pngs --name mine     # a dataset of your own, from pictures
    python download_mnist.py --from-images scans --convert --name mine    # from photographs of digits
    python download_mnist.py --from-csv train.csv --name mine   # from a table: label, 784 pixels
    python download_mnist.py --to-images pngs --to-csv tables   # the dataset as PNG files, and as tables

Run it again to fix what was damaged. A complete dataset is left alone, and needs no network.
"""

import os
import sys
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

from mnist_twice.command_line import Field, options_dataclass, parse, refuse
from mnist_twice.data import CATALOGUE, DATA_DIR, Entry, load_dataset
from mnist_twice.data.datasets import FROM_IMAGES, check_name, write_own
from mnist_twice.data.download import download_dataset, download_writers
from mnist_twice.data.form import Changes, look_at
from mnist_twice.data.image_folder import read_image_folder, write_image_folder
from mnist_twice.data.tables import read_tables, write_tables
from mnist_twice.errors import UserError, run_script
from mnist_twice.files import MANIFEST

Choice = Literal[*CATALOGUE, "all"]  # type: ignore[valid-type]


@options_dataclass
class Options:
    dataset: Choice = "mnist"
    """dataset to download, or all of them"""
    data_dir: Path = DATA_DIR
    """folder of datasets"""
    mirror: Annotated[str, Field(title="URL_OR_PATH")] = os.environ.get("MNIST_MIRROR", "")
    """server or folder to try first, with DATASET/FILE.gz in it, or Keras's mnist.npz; if not given, $MNIST_MIRROR"""
    force: bool = False
    """download again even if all is complete and correct"""
    from_images: Path | None = None
    """make a dataset from this folder of pictures instead: LABEL_INDEX.png or a folder for each class, in train/ and
    test/ or all together; each becomes an image of 28x28 pixels in shades of grey; needs --name"""
    convert: bool = False
    """with --from-images: the pictures are photographs of digits; find the digit in each as predict_digit.py does"""
    from_csv: Annotated[tuple[Path, ...], Field(title="TRAIN [TEST]")] = ()
    """make a dataset from one or two CSV tables instead, a label and 784 pixels in each row, with or without a header,
    such as those of Kaggle's Digit Recognizer and of Fashion-MNIST; needs --name"""
    scale: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    """with --from-images or --from-csv: the pixel value of full ink if that is not 255, such as 1 or 16"""
    invert: bool = False
    """with --from-images or --from-csv: exchange light and dark, for dark ink on white"""
    transpose: bool = False
    """with --from-images or --from-csv: exchange rows and columns, for EMNIST's images"""
    allow_lost: bool = False
    """with --convert: make the dataset even if more than 3 % of the pictures cannot be converted"""
    name: str = ""
    """name of your own dataset, to make with --from-images or --from-csv, or to write with --to-images or --to-csv"""
    to_images: Path | None = None
    """also write the dataset (or your own, with --name) as PNG files, train/LABEL_INDEX.png and test/LABEL_INDEX.png,
    into this new folder"""
    to_csv: Path | None = None
    """also write the dataset (or your own, with --name) as tables, train.csv and test.csv, into this new folder"""


NEEDS = {"from_images": "name", "from_csv": "name", "convert": "from_images", "allow_lost": "convert"}


def main() -> int:
    options = parse(Options(), __doc__, needs=NEEDS)
    makes = options.from_images or options.from_csv
    if options.name and (options.force or options.dataset != Options().dataset):
        refuse("--name is for a dataset of your own; leave --dataset and --force out.")
    if options.name and not (makes or options.to_images or options.to_csv):
        refuse("--name needs --from-images, --from-csv, --to-images or --to-csv.")
    if options.from_images and options.from_csv:
        refuse("--from-images and --from-csv cannot go together; choose one.")
    if (options.scale or options.invert or options.transpose) and not makes:
        refuse("--scale, --invert and --transpose need --from-images or --from-csv.")
    if options.convert and options.invert:
        refuse("--convert finds light ink and dark ink by itself; leave --invert out.")
    if len(options.from_csv) > 2:
        refuse("--from-csv takes one table, or two: TRAIN and TEST.")
    names = list(CATALOGUE) if options.dataset == "all" else [options.name or options.dataset]
    status = 0
    for name in names:
        # One that fails does not keep the others from being tried; Ctrl-C (130) does.
        status = max(status, run_script(partial(handle, name, options)))
        if status > 1:
            break
    return status


def handle(name: str, options: Options) -> None:
    """Download the dataset, or make one of the user's own; then write it out where that is asked for."""
    if not options.name:
        download(CATALOGUE[name], options.data_dir, options.mirror, options.force)
    elif options.from_images or options.from_csv:
        make_own(options)
    below = name if options.dataset == "all" else ""  # of several datasets, each gets a folder of its own
    if options.to_images is not None:
        write_image_folder(load_dataset(name, options.data_dir), options.to_images / below)
        print(f"  {name} as PNG files in '{options.to_images / below}'.")
    if options.to_csv is not None:
        dataset = load_dataset(name, options.data_dir)
        is_named = write_tables(dataset, options.to_csv / below)
        print(f"  {name} as tables in '{options.to_csv / below}'.")
        if not is_named:
            numbers = ", ".join(f"{number} is {label}" for number, label in enumerate(dataset.class_names))
            print(f"  Their labels are numbers: {numbers}.")


def make_own(options: Options) -> None:
    """Make a dataset from image files or tables, and say what it has and what seems to be wrong with it."""
    name, data_dir = options.name, options.data_dir
    check_name(name, data_dir)  # before the reading, which may take a minute
    changes = Changes(options.scale, options.invert, options.transpose)
    note = partial(say, "warning")
    if options.from_images is not None:
        arrays, class_names = read_image_folder(options.from_images, note, changes, options.convert, options.allow_lost)
        made_by = FROM_IMAGES + " --convert" * options.convert + " --allow-lost" * options.allow_lost
    else:
        arrays, class_names = read_tables(options.from_csv, partial(say, "error"), changes)
        made_by = "--from-csv TRAIN" + " TEST" * (len(options.from_csv) - 1)
    folder = write_own(name, arrays, class_names, data_dir, f"{made_by}{changes}")
    train, test = len(arrays[0]), len(arrays[2])
    print(f"{name}: {train:,} training and {test:,} test images in '{folder}', complete and verified.")
    print(f"  {len(class_names)} classes: {', '.join(class_names)}. Train with --dataset {name}.")
    for warning in look_at(arrays, class_names, changes):
        say("warning", warning)


def say(kind: str, sentence: str) -> None:
    print(f"{kind}: {sentence}", file=sys.stderr)


def download(entry: Entry, data_dir: Path, mirror: str, force: bool) -> None:
    """Download or fix one dataset, and say in two or three lines what is where."""
    folder = data_dir / entry.folder
    fixing = (folder / MANIFEST).exists() and not force
    renewed = download_dataset(entry, data_dir, mirror, force)
    state = f"fixed ({', '.join(renewed)})" if fixing else "complete and verified"
    state = state if renewed else "already complete"
    train, test = entry.sizes
    print(f"{entry.name}: {train:,} training and {test:,} test images in '{folder}', {state}.")
    print(f"  {entry.title}. Licence: {entry.licence}.")
    if entry.writers is not None:
        try:
            download_writers(entry, data_dir, mirror, force)
            print(f"  Who wrote each image: {entry.writers.title}. Licence: {entry.writers.licence}.")
        except UserError as error:
            print(f"  note: who wrote each image is not known; writers' intervals and --split writers need it: {error}")


if __name__ == "__main__":
    sys.exit(run_script(main))
