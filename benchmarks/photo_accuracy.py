"""How well digits are read from photographs: accuracy, how many answers are sure, and how many of these are wrong.

    python benchmarks/photo_accuracy.py                        # 1,000 photographs of each kind, the best run
    python benchmarks/photo_accuracy.py --run mnist-cnn-pytorch mnist-cnn-tensorflow
    python benchmarks/photo_accuracy.py --real FOLDER          # labelled photographs of your own as well

The made photographs show MNIST's test digits (synthetic_photos.py); digits/photos was tuned on training digits.
Of real ones, `kept` marks the sheets that were kept aside while digits/photos was written. On a page, a digit is right
where the best alignment of what was read with what is written has it in its place, and each one too many takes one
off. Needs MNIST in mnist_data/ and a trained run in outputs/.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from benchmarks.photo_sets import Photo, enlarged, made, real
from benchmarks.synthetic_photos import STRENGTHS
from digits.command_line import options_dataclass, parse
from digits.data import DATA_DIR, load_dataset
from digits.errors import run_script
from digits.machine import hardware
from digits.metrics import wilson_interval
from digits.photos import find_digit, find_digits
from digits.prediction import SURE, TrainedRun, average, choose, images_of, load_runs, whole_and_cut


@options_dataclass
class Options:
    run: tuple[str, ...] = ()
    """a run to read with, several are averaged; the best run for digits if none is named"""
    photos: int = 1000
    """made photographs of each strength, and enlarged digits of each colour"""
    seed: int = 0
    """fixes the photographs; the digits are the first test digits in any case"""
    real: Path = Path("../shared/photos")
    """folder of labelled photographs; left out where it is not there"""
    dataset: str = "mnist"
    """whose test digits are photographed"""
    data_dir: Path = DATA_DIR
    """where download_mnist.py keeps it"""
    output_dir: Path = Path("outputs")
    """the folder of runs"""


@dataclass
class Score:
    """What became of the digits of one set of photographs."""

    digits: int = 0
    right: int = 0
    sure: int = 0
    sure_but_wrong: int = 0
    photos: int = 0
    seconds: float = 0.0

    def __add__(self, other: Score) -> Score:
        return Score(*(ours + theirs for ours, theirs in zip(vars(self).values(), vars(other).values(), strict=True)))

    def row(self, name: str) -> str:
        low, high = wilson_interval(self.right, self.digits)
        return (
            f"{name:22}{self.digits:8,}{self.right / self.digits:9.2%}{f'{low:.1%} to {high:.1%}':>18}"
            f"{self.sure / self.digits:8.1%}{self.sure_but_wrong:6} ({self.sure_but_wrong / max(self.sure, 1):.2%})"
            f"{1000 * self.seconds / self.photos:9.1f}"
        )


def main() -> None:
    options = parse(Options(), __doc__)
    cv2.setNumThreads(1)
    dataset = load_dataset(options.dataset, options.data_dir)
    runs = load_runs(options.run, options.output_dir)
    machine = hardware("cpu")
    print(f"{machine['processor']}, {machine['cores']} cores; {', '.join(run.name for run in runs)}")
    originals, labels = dataset.test_images[: options.photos], dataset.test_labels[: options.photos]
    as_they_are = float((average(runs, originals).argmax(axis=1) == labels).mean())
    print(f"the {len(labels)} digits as MNIST has them: {as_they_are:.2%}\n")
    print(f"{'photographs':22}{'digits':>8}{'right':>9}{'95 % interval':>18}{'sure':>8}{'of these wrong':>15}{'ms':>8}")
    for number, strength in enumerate(STRENGTHS):
        photos = made(dataset, options.photos, strength, [options.seed, number])
        print(score(photos, runs).row(f"made, {strength}"), flush=True)
    for inverted in (False, True):
        name = f"enlarged, {'white on black' if inverted else 'black on white'}"
        print(score(enlarged(dataset, options.photos, inverted), runs).row(name), flush=True)
    total: dict[bool, Score] = {}
    for (name, aside), photographs in real(options.real).items():
        one = score(photographs, runs)
        total[aside] = total.get(aside, Score()) + one
        print(one.row(f"{name}{', kept' if aside else ''}"), flush=True)
    for aside, one in total.items():
        print(one.row(f"all real{', kept' if aside else ''}"))


def score(photos: Iterable[Photo], runs: list[TrainedRun]) -> Score:
    """Return how well the runs read the photographs; the seconds are those of finding and reading."""
    total = Score()
    for photo in photos:
        started = time.perf_counter()
        answers = read(photo, runs)
        seconds = time.perf_counter() - started
        right = aligned("".join(digit for digit, _ in answers), photo.label)
        extra = max(0, len(answers) - len(photo.label))
        sure = [probability >= SURE for _, probability in answers]
        wrong = sum(is_sure and not is_right for is_sure, is_right in zip(sure, right, strict=True))
        total += Score(len(photo.label), max(0, sum(right) - extra), sum(sure), wrong, 1, seconds)
    return total


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
    probabilities = average(runs, np.stack(images_of(groups)))
    chosen = choose(groups, iter(probabilities))
    answers = [(str(row.argmax()), float(row.max())) for group in chosen for _, row in group]
    if photo.is_page:
        return answers
    several = max(map(len, chosen)) > 1 or not groups[0][0].alone
    return [(answers[0][0], 0.0 if several else answers[0][1])]


def aligned(text: str, truth: str) -> list[bool]:
    """Return for each character read whether it is right: in the alignment with the fewest changes (Levenshtein)."""
    costs = np.zeros((len(text) + 1, len(truth) + 1), np.int64)
    costs[:, 0], costs[0] = np.arange(len(text) + 1), np.arange(len(truth) + 1)
    for i, character in enumerate(text, 1):
        for j, wanted in enumerate(truth, 1):
            changed = costs[i - 1, j - 1] + (character != wanted)
            costs[i, j] = min(changed, costs[i - 1, j] + 1, costs[i, j - 1] + 1)
    right, i, j = [False] * len(text), len(text), len(truth)
    while i and j:
        if costs[i, j] == costs[i - 1, j - 1] + (text[i - 1] != truth[j - 1]):
            i, j = i - 1, j - 1
            right[i] = text[i] == truth[j]
        elif costs[i, j] == costs[i - 1, j] + 1:
            i -= 1
        else:
            j -= 1
    return right


if __name__ == "__main__":
    sys.exit(run_script(main))
