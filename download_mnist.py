"""Download MNIST, or a dataset of its form, into mnist_data/, and verify every byte of it.

    python download_mnist.py                                    # MNIST
    python download_mnist.py --dataset fashion-mnist
    python download_mnist.py --dataset mnist-sample             # 5,000 real digits, no network needed
    python download_mnist.py --mirror /media/stick/datasets     # from a folder or another server
    python download_mnist.py --from-images pngs --name mine     # a dataset of your own, from PNG files
    python download_mnist.py --from-images scans --convert --name mine    # from pictures of any size and colour
    python download_mnist.py --from-csv train.csv --name mine   # from a table: label, 784 pixels
    python download_mnist.py --to-images pngs --to-csv tables   # the dataset as PNG files, and as tables

Run it again to fix what was damaged. A complete dataset is left alone, and needs no network.
"""

import os
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from digits.command_line import options_dataclass, parse, refuse
from digits.data import CATALOGUE, DATA_DIR, Entry, find_dataset, load_dataset
from digits.data.download import download_dataset, download_writers
from digits.data.form import Changes, look_at
from digits.data.own import FROM_IMAGES, check_name, write_own
from digits.errors import UserError, run_script
from digits.names import plain

Choice = Literal[*CATALOGUE, "all"]  # type: ignore[valid-type]


@options_dataclass
class Options:
    dataset: Choice = "mnist"
    """dataset to download, or all of them"""
    data_dir: Path = DATA_DIR
    """folder of datasets"""
    mirror: Annotated[str, Field(title="URL_OR_PATH")] = os.environ.get("MNIST_MIRROR", "")
    """server or folder to try first, with DATASET/FILE.gz in it; $MNIST_MIRROR where not given"""
    force: bool = False
    """download again what is complete and correct"""
    from_images: Path | None = None
    """make a dataset from this folder of 28x28 PNG files instead: LABEL_INDEX.png or a folder for each class, in train/
    and test/ or all together; 0 is background, 255 is ink; needs --name"""
    convert: bool = False
    """with --from-images: take pictures of any format, size and colour, and find the digit in each as predict_digit.py
    does"""
    from_csv: Annotated[tuple[Path, ...], Field(title="TRAIN [TEST]")] = ()
    """make a dataset from one or two CSV tables instead, a label and 784 pixels in each row, with or without a header,
    as those of Kaggle's Digit Recognizer and of Fashion-MNIST; needs --name"""
    scale: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    """with --from-images or --from-csv: the value of full ink where that is not 255, such as 1 or 16"""
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
    if options.name and (options.force or options.dataset != Options().dataset):
        refuse("--name is for a dataset of your own; leave --dataset and --force out.")
    if options.name and not (options.from_images or options.from_csv or options.to_images or options.to_csv):
        refuse("--name must go with --from-images, --from-csv, --to-images or --to-csv.")
    if options.from_images and options.from_csv:
        refuse("--from-images and --from-csv cannot go together; choose one.")
    if (options.scale or options.invert or options.transpose) and not (options.from_images or options.from_csv):
        refuse("--scale, --invert and --transpose must go with --from-images or --from-csv.")
    if options.convert and options.invert:
        refuse("--convert finds light ink and dark ink by itself; leave --invert out.")
    if len(options.from_csv) > 2:
        refuse("--from-csv takes one table, or two: TRAIN and TEST.")
    if options.name:
        handle_own(options)
        return 0
    entries = list(CATALOGUE.values()) if options.dataset == "all" else [CATALOGUE[options.dataset]]
    status = 0
    for entry in entries:
        # One that fails does not keep the others from being tried; Ctrl-C (130) does.
        status = max(status, run_script(partial(download, entry, options.data_dir, options.mirror, options.force)))
        if status > 1:
            break
        for write, place in ((write_images, options.to_images), (write_tables, options.to_csv)):
            if place is not None and status == 0:
                # Of several datasets, each gets a folder of its own.
                own = place / entry.name if options.dataset == "all" else place
                status = run_script(partial(write, entry.name, options.data_dir, own))
    return status


def handle_own(options: Options) -> None:
    """Make a dataset from image files or tables and say in two lines what is where; or write it out; or both."""
    changes = Changes(options.scale, options.invert, options.transpose)
    if options.from_images is not None:
        make_from_images(options, options.from_images, changes)
    if options.from_csv:
        from digits.data.csv_read import import_csv

        train, *test = options.from_csv
        made = import_csv(options.name, train, test[0] if test else None, options.data_dir, report, changes)
        announce(options.name, *made)
    if options.to_images is not None:
        write_images(options.name, options.data_dir, options.to_images)
    if options.to_csv is not None:
        write_tables(options.name, options.data_dir, options.to_csv)


def make_from_images(options: Options, images: Path, changes: Changes) -> None:
    """Make a dataset from a folder of image files."""
    # Here, because Pillow is only needed for images.
    from digits.data.png_folder import count_leaks, read_png_folder

    name, data_dir = options.name, options.data_dir
    check_name(name, data_dir)  # before the reading, which may take a minute

    def leave_out(fault: str) -> None:
        print(f"note: left out: {fault}", file=sys.stderr)

    convert = leave_out if options.convert else None
    arrays, class_names = read_png_folder(images, convert, say, changes, options.allow_lost)
    made_by = FROM_IMAGES + " --convert" * options.convert + " --allow-lost" * options.allow_lost + str(changes)
    folder = write_own(name, arrays, class_names, data_dir, made_by)
    sizes = len(arrays[0]), len(arrays[2])
    announce(name, folder, sizes, class_names, count_leaks(arrays), look_at(arrays, class_names, changes))


def say(note: str) -> None:
    print(f"note: {note}", file=sys.stderr)


def report(fault: str) -> None:
    print(f"error: {fault}", file=sys.stderr)


def announce(
    name: str, folder: Path, sizes: tuple[int, int], class_names: tuple[str, ...], leaks: int, warnings: Sequence[str]
) -> None:
    """Say what a dataset of the user's own has, and what seems to be wrong with it."""
    print(f"{name}: {sizes[0]:,} training and {sizes[1]:,} test images in '{folder}', complete and verified.")
    print(f"  {len(class_names)} classes: {', '.join(class_names)}. Train with --dataset {name}.")
    if leaks:
        print(f"  note: {leaks:,} of the test images are training images too, which flatters the test accuracy.")
    for warning in warnings:
        print(f"warning: {warning}", file=sys.stderr)


def write_images(name: str, data_dir: Path, folder: Path) -> None:
    """Write a dataset that is in data_dir as PNG files."""
    from digits.data.png_folder import write_png_folder

    write_png_folder(load_dataset(name, data_dir), folder)
    print(f"  {name} as PNG files in '{folder}'.")


def write_tables(name: str, data_dir: Path, folder: Path) -> None:
    """Write a dataset that is in data_dir as CSV tables."""
    from digits.data.csv_write import write_csv_folder

    entry = find_dataset(name, data_dir)
    named = write_csv_folder(entry, data_dir, folder)
    print(f"  {name} as tables in '{folder}'.")
    if not named:
        numbers = ", ".join(f"{number} is {plain(name)}" for number, name in enumerate(entry.class_names))
        print(f"  Their labels are numbers: {numbers}.")


def download(entry: Entry, data_dir: Path, mirror: str, force: bool) -> None:
    """Download or fix one dataset, and say in two or three lines what is where."""
    folder = data_dir / entry.folder
    fixing = folder.exists() and not force
    renewed = download_dataset(entry, data_dir, mirror, force)
    if not renewed:
        state = "already complete"
    elif fixing:
        state = f"fixed ({', '.join(renewed)})"
    else:
        state = "complete and verified"
    train, test = entry.files[0].shape[0], entry.files[2].shape[0]
    print(f"{entry.name}: {train:,} training and {test:,} test images in '{folder}', {state}.")
    print(f"  {entry.title}. Licence: {entry.licence}.")
    if entry.writers is not None:
        try:
            download_writers(entry, data_dir, mirror, force)
            print(f"  Who wrote each image: {entry.writers.credit}.")
        except UserError as error:
            print(f"  note: who wrote each image is not known, so no intervals by writers, no --split writers: {error}")


if __name__ == "__main__":
    sys.exit(run_script(main))
