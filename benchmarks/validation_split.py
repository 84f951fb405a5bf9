"""Which validation set predicts the test accuracy: random images, or all images of writers who were not trained on.

    python benchmarks/validation_split.py                      # 5 seeds, both frameworks, both splits: 20 trainings
    python benchmarks/validation_split.py --seeds 2 --model mlp

For each training, the validation accuracy after the last epoch minus the test accuracy, in percentage points. The
seed also decides which images or writers are held out. Each test accuracy is reported once, and chooses nothing.
"""

import math
import sys
from pathlib import Path
from statistics import mean, stdev
from typing import Annotated

from pydantic import Field

from benchmarks.processes import run_of
from digits.command_line import options_dataclass, parse
from digits.data import DATA_DIR
from digits.errors import run_script
from digits.machine import hardware
from digits.names import FRAMEWORKS

SPLITS = ("random", "writers")


@options_dataclass
class Options:
    model: str = "cnn"
    """the network, with its default recipe"""
    seeds: Annotated[int, Field(ge=2)] = 5
    """how many seeds, from 0"""
    data_dir: Path = DATA_DIR
    """where download_mnist.py keeps MNIST"""


def main() -> None:
    options = parse(Options(), __doc__)
    machine = hardware("cpu")
    print(f"{options.model} on MNIST; {machine['processor']}, {machine['cores']} cores\n")
    print("| framework | split | n | validation, % | test, % | validation - test | sd | mean distance |")
    print("|---|---|---|---|---|---|---|---|", flush=True)
    both: dict[str, list[float]] = {split: [] for split in SPLITS}
    for framework, title in FRAMEWORKS.items():
        for split in SPLITS:
            scores = [train(framework, split, seed, options) for seed in range(options.seeds)]
            print(table_row(title, split, scores), flush=True)
            both[split] += [validation - test for validation, test in scores]
    for split in SPLITS:
        error = stdev(both[split]) / math.sqrt(len(both[split]))
        print(f"\n{split}: {mean(both[split]):+.3f} points, standard error {error:.3f}, n = {len(both[split])}")


def train(framework: str, split: str, seed: int, options: Options) -> tuple[float, float]:
    """Return a training's validation and test accuracy, in percent."""
    words = ["--model", options.model, "--split", split, "--seed", str(seed)]
    run = run_of(framework, words, options.data_dir)
    validation = run.info["validation"]
    assert validation is not None
    print(f"{framework} {split} {seed}: {validation} {run.score}", file=sys.stderr, flush=True)
    return 100 * validation["accuracy"], 100 * run.score["accuracy"]


def table_row(title: str, split: str, scores: list[tuple[float, float]]) -> str:
    """Return the Markdown row of a framework's trainings with one split."""
    gaps = [validation - test for validation, test in scores]
    validation, test = (mean(column) for column in zip(*scores, strict=True))
    return (
        f"| {title} | {split} | {len(gaps)} | {validation:.2f} | {test:.2f} | {mean(gaps):+.2f} | {stdev(gaps):.2f} | "
        f"{mean(map(abs, gaps)):.2f} |"
    )


if __name__ == "__main__":
    sys.exit(run_script(main))
