"""How well digits are read from photographs: accuracy, how many answers are sure, and how many of these are wrong.

    python benchmarks/photo_accuracy.py                        # 1,000 photographs of each kind, the best run
    python benchmarks/photo_accuracy.py --run mnist-cnn-pytorch mnist-cnn-tensorflow
    python benchmarks/photo_accuracy.py --real FOLDER          # labelled photographs of your own as well

The photographs of synthetic_photos.py and 80 easy pictures of each kind (easy_pictures.py) show MNIST's test
digits; mnist_twice/photos was tuned on training digits. Of real ones, `kept` marks the sheets that were held out
while mnist_twice/photos was written. FOLDER/labels.csv has the columns file, label, page (1 for several digits) and
source. On a page, a digit is right where the best alignment of what was read with what is written has it in its place,
and each one too many takes one off; `whole` is the fraction of photographs without an error. Numbers on forms are made
too (synthetic_forms.py). Needs MNIST in mnist_data/ and a trained run in outputs/.
"""

import io
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import pandas as pd  # type: ignore[import-untyped]
from numpy.typing import NDArray

from benchmarks.easy_pictures import KINDS, Maker
from benchmarks.processes import machine_line
from benchmarks.synthetic_forms import number_on_form
from benchmarks.synthetic_photos import STRENGTHS, photograph
from mnist_twice.command_line import options_dataclass, parse
from mnist_twice.data import DATA_DIR, Dataset, load_dataset
from mnist_twice.errors import run_script
from mnist_twice.metrics import wilson_interval
from mnist_twice.photos import find_digit, find_digits, read_photo
from mnist_twice.prediction import SURE, TrainedRun, average, choose, images_of, load_runs, whole_and_cut

KEPT_ASIDE = ("image2003", "image2005", "Cases/7.jpg", "Cases/11.jpg")
"""Sheets among the real photographs that nothing was looked at, chosen or adjusted by. Of the exam's boxes, every
second one is."""


@options_dataclass
class Options:
    run: tuple[str, ...] = ()
    """runs to read with, whose probabilities are averaged; if none is named, the best run for digits"""
    photos: int = 1000
    """synthetic photographs of each strength; of each kind of easy pictures there are 80"""
    seed: int = 0
    """fixes the photographs; the digits are the first test digits in any case"""
    real: Path = Path("../shared/photos")
    """folder of labelled photographs; skipped if it does not exist"""
    data_dir: Path = DATA_DIR
    """where download_mnist.py keeps MNIST"""
    output_dir: Path = Path("outputs")
    """the folder of runs"""


class Photo(NamedTuple):
    """One photograph: pixels uint8 (H, W) or (H, W, 3), its digits in reading order, whether it is a page of them."""

    pixels: NDArray[Any]
    label: str
    is_page: bool = False


def main() -> None:
    options = parse(Options(), __doc__)
    cv2.setNumThreads(1)
    dataset = load_dataset("mnist", options.data_dir)
    runs = load_runs(options.run, options.output_dir)
    print(f"{machine_line()}; {', '.join(run.name for run in runs)}")
    originals, labels = dataset.test_images[: options.photos], dataset.test_labels[: options.photos]
    as_they_are = float((average(runs, originals).argmax(axis=1) == labels).mean())
    print(f"the {len(labels)} digits as MNIST has them: {as_they_are:.2%}\n")
    heading = f"{'photographs':22}{'digits':>8}{'right':>9}{'95 % interval':>18}{'sure':>8}{'of these wrong':>15}"
    print(f"{heading}{'whole':>8}{'ms':>8}")
    for number, strength in enumerate(STRENGTHS):
        photos = made(dataset, options.photos, strength, [options.seed, number])
        print_row(f"synthetic, {strength}", score(photos, runs))
    forms = numbers_on_forms(dataset, options.photos, [options.seed, len(STRENGTHS)])
    print_row("numbers on forms", score(forms, runs))
    for number, (kind, maker) in enumerate(KINDS.items()):
        print_row(kind, score(easy(dataset, maker, [options.seed, number]), runs))
    sets = {key: score(photos, runs) for key, photos in real(options.real).items()}
    for (name, kept), scores in sets.items():
        print_row(f"{name}{kept}", scores)
    for kept in dict.fromkeys(kept for _, kept in sets):
        print_row(f"all real{kept}", pd.concat(scores for (_, own), scores in sets.items() if own == kept))


def print_row(name: str, scores: pd.DataFrame) -> None:
    """Print what became of the digits of one set of photographs."""
    total = scores.sum()
    right, digits, sure, wrong = (int(total[name]) for name in ("right", "digits", "sure", "wrong"))
    low, high = wilson_interval(right, digits)
    print(
        f"{name:22}{digits:8,}{right / digits:9.2%}{f'{low:.1%} to {high:.1%}':>18}"
        f"{sure / digits:8.1%}{wrong:6} ({wrong / max(sure, 1):.2%})"
        f"{scores['whole'].mean():8.1%}{1000 * total['seconds'] / len(scores):8.1f}",
        flush=True,
    )


def made(dataset: Dataset, count: int, strength: str, seed: list[int]) -> Iterator[Photo]:
    """Yield a photograph of each of the first test digits."""
    for i, digit in enumerate(dataset.test_images[:count]):
        pixels = photograph([[digit]], strength, np.random.default_rng([*seed, i]))
        yield Photo(pixels, str(dataset.test_labels[i]))


def easy(dataset: Dataset, maker: Maker, seed: list[int], of_each: int = 8) -> Iterator[Photo]:
    """Yield pictures of one kind, of the first test digits of each class."""
    for label in range(10):
        for i in np.flatnonzero(dataset.test_labels == label)[:of_each].tolist():
            file = io.BytesIO()
            image = maker(dataset.test_images[i], np.random.default_rng([*seed, i]))
            image.save(file, "TIFF" if image.mode == "F" else "PNG")
            yield Photo(read_photo(file, shrink=True).pixels, str(label))


def numbers_on_forms(dataset: Dataset, count: int, seed: list[int]) -> Iterator[Photo]:
    """Yield scans of numbers of 2 to 7 test digits, which may touch and overlap."""
    for i in range(count):
        rng = np.random.default_rng([*seed, i])
        chosen = rng.integers(len(dataset.test_images), size=rng.integers(2, 8))
        label = "".join(map(str, dataset.test_labels[chosen]))
        yield Photo(number_on_form(dataset.test_images[chosen], rng), label, is_page=True)


def real(folder: Path) -> dict[tuple[str, str], list[Photo]]:
    """Return the labelled photographs of the folder by set and ', kept' or ''; none without it."""
    sets: dict[tuple[str, str], list[Photo]] = {}
    if not (folder / "labels.csv").is_file():
        return sets
    for row in pd.read_csv(folder / "labels.csv", dtype=str).itertuples():
        name = f"{row.file.split('/')[0]}{' pages' if row.page == '1' else ''}"
        kept = ", kept" if any(sheet in row.source for sheet in KEPT_ASIDE) else ""
        photo = Photo(read_photo(folder / row.file, shrink=True).pixels, row.label, row.page == "1")
        sets.setdefault((name, kept), []).append(photo)
    if (folder / "nsysu-digits.npz").is_file():
        with np.load(folder / "nsysu-digits.npz") as arrays:
            photos = [Photo(image, str(label)) for image, label in zip(arrays["I"], arrays["y"], strict=True)]
        sets["exam boxes", ""], sets["exam boxes", ", kept"] = photos[::2], photos[1::2]
    return sets


def score(photos: Iterable[Photo], runs: list[TrainedRun]) -> pd.DataFrame:
    """Return a row for each photograph: how well the runs read it, and the seconds of finding and reading."""
    rows = []
    for photo in photos:
        started = time.perf_counter()
        answers = read(photo, runs)
        seconds = time.perf_counter() - started
        text = "".join(digit for digit, _ in answers)
        right = aligned(text, photo.label)
        extra = max(0, len(answers) - len(photo.label))
        sure = [probability >= SURE for _, probability in answers]
        wrong = sum(is_sure and not is_right for is_sure, is_right in zip(sure, right, strict=True))
        rows.append((len(photo.label), max(0, sum(right) - extra), sum(sure), wrong, text == photo.label, seconds))
    return pd.DataFrame(rows, columns=["digits", "right", "sure", "wrong", "whole", "seconds"])


def read(photo: Photo, runs: list[TrainedRun]) -> list[tuple[str, float]]:
    """Return the digits read and their probabilities, in reading order, as predict_digit.py answers.

    The answer for a photo of one digit has probability 0, so that it is not sure, where several are seen.
    """
    if photo.is_page:
        groups = find_digits(photo.pixels)
    else:
        digit = find_digit(photo.pixels)
        groups = whole_and_cut(digit) if digit else []
    if not groups:
        return []
    probabilities = average(runs, np.stack(images_of(groups)), pieces=True)
    chosen = choose(groups, iter(probabilities), one=not photo.is_page)
    answers = [(str(row.argmax()), float(row.max())) for group in chosen for _, row in group]
    if photo.is_page or not answers:
        return answers
    several = max(map(len, chosen)) > 1 or not groups[0][0].alone
    return [(answers[0][0], 0.0 if several else answers[0][1])]


def aligned(text: str, truth: str) -> list[bool]:
    """Return for each character read whether it is right: in the alignment with the fewest changes (Levenshtein)."""
    # For each start of the truth: the fewest changes of what has been read so far, and the answer.
    row: list[tuple[int, list[bool]]] = [(j, []) for j in range(len(truth) + 1)]
    for i, character in enumerate(text, start=1):
        before, row = row, [(i, [False] * i)]
        for j, wanted in enumerate(truth):
            is_right = character == wanted
            (changed, both), (added, read), (missed, same) = before[j], before[j + 1], row[j]
            ways = (changed + (not is_right), [*both, is_right]), (added + 1, [*read, False]), (missed + 1, same)
            row.append(min(ways, key=lambda way: way[0]))
    return row[-1][1]


if __name__ == "__main__":
    sys.exit(run_script(main))
