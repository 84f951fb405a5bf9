"""Every published accuracy: trains each row of docs/results.md in both frameworks, beside what its source reports.

    python benchmarks/reference_results.py                  # everything: hours on two cores
    python benchmarks/reference_results.py --rows mlp       # some rows
    python benchmarks/reference_results.py --write-only     # no training: the tables from the results that are there

Each row is a grid of run_experiment.py in outputs/experiments/, which continues where it was interrupted. The run.json
of its runs are copied to docs/results/, and the tables in docs/results.md and README.md are written from there.
"""

from __future__ import annotations

import json
import re
import shlex
import statistics
import sys
import textwrap
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from scipy import stats  # type: ignore[import-untyped]

from benchmarks.processes import ROOT
from mnist_twice.command_line import options_dataclass, parse
from mnist_twice.data import DATA_DIR
from mnist_twice.errors import run_script
from mnist_twice.experiments.options import GridOptions, Jobs, parse_command
from mnist_twice.experiments.run import run_grid
from mnist_twice.names import FRAMEWORKS
from mnist_twice.runs import find_runs

RESULTS = ROOT / "docs" / "results.md"
COPIES = RESULTS.with_suffix("")
README = ROOT / "README.md"
MARKS = r"(?s)(<!-- made by benchmarks/reference_results.py -->\n)(.*?)(<!-- end -->)"
MARGIN = 0.1  # points within which the frameworks' accuracies count as equivalent


DEEP = "--model deep-cnn --set early_stopping=0 reduce_on_plateau=0 keep_best=off precision=bfloat16 augment=on"
ONE_CYCLE = "learning_rate=0.003 schedule=one-cycle ema=0.999"
DEEP_MNIST = f"{DEEP} dropout=0.2 {ONE_CYCLE} validation_fraction=0 rotation=15 scale=0.15 elastic=0"
FASHION = "--dataset fashion-mnist"
SMOOTHED = "weight_decay=0.02 label_smoothing=0.1 validation_fraction=0.05"
BFLOAT16, THREE = "--set precision=bfloat16", "--seed 0 1 2"
ROWS = {
    "cnn": ("97 to 98 (project specification)", "--model cnn --seed 0 1 2 3 4"),
    "mlp": ("96.5 (Keras comparison)", f"--model mlp {THREE}"),
    "lenet5": ("98.6 (Keras comparison)", f"--model lenet5 {THREE}"),
    "cnn-wide": ("98.98 (Keras tutorial)", f"--model cnn-wide {THREE}"),
    "deep-cnn": ("99.53 (deep Keras project)", f"{DEEP_MNIST} epochs=30 {THREE}"),
    "deep-cnn-long": ("-", f"{DEEP_MNIST} epochs=60 {THREE}"),
    "vgg": ("-", f"--model vgg {BFLOAT16} {THREE}"),
    "resnet": ("-", f"--model resnet {BFLOAT16} epochs=8 {THREE}"),
    "vit": ("-", f"--model vit {BFLOAT16} epochs=12 {THREE}"),
    "fast": ("99.04 (train_mnist_fast)", f"--model fast {BFLOAT16} --seed {' '.join(map(str, range(20)))}"),
    "fashion-default": ("-", f"{FASHION} --model cnn --seed 0 1 2 3 4"),
    "fashion-resnet": ("-", f"{FASHION} --model resnet {BFLOAT16} epochs=8 --seed 0 1"),
    "fashion-cnn": ("92.0 (Keras comparison)", f"{FASHION} --model fashion-cnn {THREE}"),
    "fashion-deep-cnn-first": (
        "-",
        f"{FASHION} {DEEP} dropout=0.3 epochs=40 {ONE_CYCLE} {SMOOTHED} rotation=5 shear=0.05 elastic=0 flip=0.5",
    ),
    "fashion-deep-cnn": (
        "-",
        f"{FASHION} {DEEP} dropout=0.1 epochs=12 learning_rate=0.001 schedule=cosine {SMOOTHED} "
        "shift=1 rotation=0 scale=0 shear=0 elastic=0 flip=0.5 --init-from fashion-deep-cnn-first",
    ),
}
"""By experiment: its source's test accuracy in percent (docs/references.md), options of `run_experiment.py grid`."""


@options_dataclass
class Options:
    rows: tuple[Literal[tuple(ROWS)], ...] = tuple(ROWS)  # type: ignore[valid-type]
    """the rows to train; the tables show all"""
    write_only: bool = False
    """train nothing; copy the existing runs and write the tables"""
    jobs: Jobs = 1
    """trainings at a time"""
    data_dir: Path = DATA_DIR
    """where download_mnist.py keeps MNIST and Fashion-MNIST"""
    output_dir: Path = Path("outputs")
    """folder of outputs"""


def main() -> int:
    options = parse(Options(), __doc__)
    status = 0
    for name in options.rows:
        place = replace(grid(name), jobs=options.jobs, data_dir=options.data_dir, output_dir=options.output_dir)
        if not options.write_only:
            status = max(status, run_grid(place))
        for run in find_runs(place.folder / "runs"):
            info = json.loads((run / "run.json").read_text(encoding="utf-8"))
            copy = COPIES / f"{name}-{info['framework']}-s{info['seed']}.json"
            copy.write_text(json.dumps(info, indent=2) + "\n", encoding="utf-8")
        if status == 130:  # Ctrl-C
            return status
    write_results()
    print(f"{RESULTS.relative_to(ROOT)} and {README.name} are written.")
    return status


def grid(name: str) -> GridOptions:
    return parse_command(GridOptions(), "grid", "", [name, *shlex.split(ROWS[name][1])])


def trainings(name: str, framework: str) -> list[dict[str, Any]]:
    """Return the run.json of each seed of the row that is done."""
    paths = [COPIES / f"{name}-{framework}-s{seed}.json" for seed in grid(name).seed]
    return [json.loads(path.read_text(encoding="utf-8")) for path in paths if path.exists()]


def accuracies(infos: list[dict[str, Any]]) -> list[float]:
    """Return the test accuracies in percent."""
    return [100 * info["test"]["accuracy"] for info in infos]


def write_results() -> None:
    """Write tables and sentences between the marks in docs/results.md and README.md."""
    readme = ["| row | source | PyTorch | TensorFlow | n |", "|---|---|---|---|---|"]
    cells = "row | source | framework | n | mean | 95 % interval | sd | range | epochs | threads | training, s"
    table = [f"| {cells} | PyTorch - TensorFlow |", "|---" * 12 + "|"]
    pairs = []  # of the accuracies in both frameworks
    for name, (reference, _) in ROWS.items():
        both = [trainings(name, framework) for framework in FRAMEWORKS]
        if not all(both):  # not trained yet
            continue
        difference = "-"
        if min(map(len, both)) > 1:
            pairs.append([*map(accuracies, both)])
            low, high = stats.ttest_ind(*pairs[-1]).confidence_interval()
            difference = f"{(low + high) / 2:+.2f} ({low:.2f} to {high:.2f})"
        for framework, infos, cell in zip(FRAMEWORKS.values(), both, ("", difference), strict=True):
            table += [f"| {name} | {reference} | {framework} | {numbers(infos)} | {cell} |"]
        means = " | ".join(f"{statistics.mean(accuracies(infos)):.2f}" for infos in both)
        counts = " and ".join(dict.fromkeys(str(len(infos)) for infos in both))
        readme += [f"| {name} | {reference} | {means} | {counts} |"]
    sentences = ["", *textwrap.wrap(compared(pairs), 120)]
    table += [*sentences, "", "The [experiment](experiments.md) behind each row, for `python run_experiment.py`:", ""]
    table += [f"- `grid {name} {words}`" for name, (_, words) in ROWS.items()]
    for page, lines in ((RESULTS, table), (README, readme + sentences)):
        before, start, _, end, after = re.split(MARKS, page.read_text(encoding="utf-8"))
        page.write_text("\n".join([before + start, *lines, end + after]), encoding="utf-8")


def compared(pairs: list[list[list[float]]]) -> str:
    """Return what the accuracies in percent, of each recipe's seeds in both frameworks, say of the frameworks.

    They are equivalent within MARGIN at the 5 % level where the 90 % interval of the mean difference over recipes lies
    within it: two one-sided t tests (Schuirmann 1987, Journal of Pharmacokinetics and Biopharmaceutics 15). Holm's
    method finds a difference only if the smallest p, times the number of tests, is below 0.05. The difference that a t
    test shows with 80 % power is its standard error times the sum of the t quantiles of 0.975 and 0.8.
    """
    tests = [stats.ttest_ind(*pair) for pair in pairs]
    means = [statistics.mean(a) - statistics.mean(b) for a, b in pairs]
    low, high = stats.ttest_1samp(means, 0).confidence_interval(0.9)
    shown: dict[int, list[float]] = {}
    for (a, _), test in zip(pairs, tests, strict=True):
        ends, (t80, t975) = test.confidence_interval(), stats.t.ppf([0.8, 0.975], test.df)
        shown.setdefault(len(a), []).append((ends.high - ends.low) / 2 * (1 + t80 / t975))
    ranges = {n: dict.fromkeys(f"{end:.2f}" for end in (min(found), max(found))) for n, found in shown.items()}
    power = ", ".join(f"{' to '.join(ranges[n])} (n = {n})" for n in sorted(ranges))
    equivalent = "are" if max(-low, high) < MARGIN else "have not been shown to be"
    smallest = min(1, len(tests) * min(test.pvalue for test in tests))
    which = "No single recipe differs" if smallest >= 0.05 else "At least one recipe differs"
    return (
        f"Over the {len(pairs)} recipes with several seeds in both, the frameworks {equivalent} equivalent within "
        f"{MARGIN} points of accuracy: the mean difference, PyTorch minus TensorFlow, is {statistics.mean(means):+.2f} "
        f"(90 % interval {low:.2f} to {high:.2f}; two one-sided t tests). {which} (t tests, smallest p by Holm's "
        f"method {smallest:.2f}). The smallest difference in one recipe that n seeds in each framework detect with 80 "
        f"% power: {power}."
    )


def numbers(infos: list[dict[str, Any]]) -> str:
    """Return the cells from n on.

    The interval of the mean m adds up what two intervals leave open, that of the seeds, m +- t sd / sqrt(n), and that
    of the test images, the mean [l, h] of the trainings' own intervals (over writers, or Wilson's where these are
    unknown): m - sqrt((t sd)^2 / n + (m - l)^2) to m + sqrt((t sd)^2 / n + (h - m)^2), as in Zou and Donner (2008),
    'Construction of confidence limits about effect measures', Statistics in Medicine 27. With n = 1 the seeds' is left
    out.
    """
    found, n = accuracies(infos), len(infos)
    mean = statistics.mean(found)
    tests = [info["test"] for info in infos]
    ends = 100 * np.mean([test.get("writer_interval_95") or test["interval_95"] for test in tests], axis=0)
    of_seeds, spread = 0.0, "- | -"
    if n > 1:
        deviation = statistics.stdev(found)
        of_seeds = stats.t.ppf(0.975, n - 1) * deviation / n**0.5
        spread = f"{deviation:.2f} | {min(found):.2f} to {max(found):.2f}"
    low, high = mean + np.hypot(of_seeds, ends - mean) * [-1, 1]
    threads = ", ".join(sorted({str(info["hardware"].get("threads", "-")) for info in infos}))
    seconds = statistics.median(info["seconds"]["training"] for info in infos)
    interval, epochs = f"{low:.2f} to {high:.2f}", infos[0]["recipe"]["epochs"]
    return f"{n} | {mean:.3f} | {interval} | {spread} | {epochs} | {threads} | {seconds:,.0f}"


if __name__ == "__main__":
    sys.exit(run_script(main))
