"""How well digits are read from photographs: accuracy by strength, how many answers are sure, and their accuracy.

    python benchmarks/photo_accuracy.py                        # 1,000 photographs of each strength, the best run
    python benchmarks/photo_accuracy.py --run mnist-cnn-pytorch mnist-cnn-tensorflow

The photographs show MNIST's test digits (digits/photos/synthetic.py); digits/photos was tuned on training digits.
Needs MNIST in mnist_data/ and a trained run in outputs/.
"""

from __future__ import annotations

import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from digits.command_line import options_dataclass, parse
from digits.data import DATA_DIR, load_dataset
from digits.errors import run_script
from digits.inference import SURE, average, load_runs
from digits.machine import hardware
from digits.metrics import wilson_interval
from digits.photos import find_digit
from digits.photos.synthetic import STRENGTHS, photograph


@options_dataclass
class Options:
    run: tuple[str, ...] = ()
    """a run to read with, several are averaged; the best run for digits if none is named"""
    photos: int = 1000
    """photographs of each strength"""
    seed: int = 0
    """fixes the photographs; the digits are the first test digits in any case"""
    dataset: str = "mnist"
    """whose test digits are photographed"""
    data_dir: Path = DATA_DIR
    """where download_mnist.py keeps it"""
    output_dir: Path = Path("outputs")
    """the folder of runs"""


def main() -> None:
    options = parse(Options(), __doc__)
    cv2.setNumThreads(1)
    dataset = load_dataset(options.dataset, options.data_dir)
    runs = load_runs(options.run, options.output_dir)
    originals = dataset.test_images[: options.photos]
    labels = dataset.test_labels[: options.photos]
    as_they_are = float((average(runs, originals).argmax(axis=1) == labels).mean())
    machine = hardware("cpu")
    print(f"{machine['processor']}, {machine['cores']} cores; {', '.join(run.name for run in runs)}")
    print(f"the {len(labels)} digits as MNIST has them: {as_they_are:.2%}")
    print(
        f"{'strength':9}{'accuracy':>10}{'95 % interval':>20}{'no digit':>10}{'sure':>8}{'of these right':>16}{'ms':>7}"
    )
    for number, strength in enumerate(STRENGTHS):
        images, seconds = read_photographs(originals, strength, [options.seed, number])
        probabilities = average(runs, images)
        found = images.any(axis=(1, 2))
        right = (probabilities.argmax(axis=1) == labels) & found
        sure = (probabilities.max(axis=1) >= SURE) & found
        low, high = wilson_interval(int(right.sum()), len(right))
        print(
            f"{strength:9}{right.mean():10.2%}{f'{low:.2%} to {high:.2%}':>20}{np.sum(~found):10}{sure.mean():8.1%}"
            f"{right[sure].mean():16.2%}{1000 * seconds:7.1f}"
        )


def read_photographs(digits: NDArray[np.uint8], strength: str, seed: list[int]) -> tuple[NDArray[np.uint8], float]:
    """Return what find_digit makes of a photograph of each digit (N, 28, 28), black where it finds none, and the
    seconds that it took for one."""

    def read(i: int) -> tuple[NDArray[np.uint8], float]:
        photo = photograph([[digits[i]]], strength, np.random.default_rng([*seed, i]))
        started = time.perf_counter()
        digit = find_digit(photo)
        seconds = time.perf_counter() - started
        return digit.image if digit else np.zeros((28, 28), np.uint8), seconds

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        images, seconds = zip(*pool.map(read, range(len(digits))), strict=True)
    return np.stack(images), float(np.median(seconds))


if __name__ == "__main__":
    sys.exit(run_script(main))
