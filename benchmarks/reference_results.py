"""Every published accuracy: trains each row of docs/results.md in both frameworks, beside what its source reports.

    python benchmarks/reference_results.py                  # everything: hours on two cores
    python benchmarks/reference_results.py --rows mlp       # some rows
    python benchmarks/reference_results.py --write-only     # no training: the table from the results that are there

Each row is a grid of run_experiment.py in outputs/experiments/, which continues where it was interrupted.
docs/results.md is written from the run.json of its runs, which are copied to docs/results/; where a run is not in
outputs/, its earlier copy counts. Recipes were fixed before the test set was looked at, except where the table's notes
say so.
"""

from __future__ import annotations

import json
import shlex
import statistics
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from benchmarks.processes import ROOT
from mnist_twice.command_line import options_dataclass, parse
from mnist_twice.data import DATA_DIR, FASHION_MNIST, MNIST, fingerprint
from mnist_twice.errors import run_script
from mnist_twice.experiments.commands import run_grid, runs_of
from mnist_twice.experiments.definition import grid_definition, recipe_of
from mnist_twice.experiments.options import GridOptions, Jobs, parse_command
from mnist_twice.names import FRAMEWORKS
from mnist_twice.recipes import complete_record, recipe_record

RESULTS = ROOT / "docs" / "results.md"
COPIES = RESULTS.with_suffix("")
FINGERPRINTS = {entry.name: fingerprint(entry.sha256) for entry in (MNIST, FASHION_MNIST)}


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    name: str  # of the experiment
    reference: str  # test accuracy in percent that the source reports: docs/references.md
    goal: float | None  # mean test accuracy in percent
    words: str  # options of `run_experiment.py grid`
    first: str = ""  # options of a first grid, with whose weights the trainings of `words` start


DEEP = "--model deep-cnn --set early_stopping=0 reduce_on_plateau=0 keep_best=off precision=bfloat16 augment=on"
ONE_CYCLE = "learning_rate=0.003 schedule=one-cycle ema=0.999"
DEEP_MNIST = f"{DEEP} dropout=0.2 {ONE_CYCLE} validation_fraction=0 rotation=15 scale=0.15 elastic=0"
DEEP_FASHION = f"--dataset fashion-mnist {DEEP}"
COSINE = "learning_rate=0.001 schedule=cosine"
SMOOTHED = "weight_decay=0.02 label_smoothing=0.1 validation_fraction=0.05"
BFLOAT16, THREE = "--set precision=bfloat16", "--seed 0 1 2"
ROWS = (
    Row("cnn", "97 to 98 (project specification)", None, "--model cnn --seed 0 1 2 3 4"),
    Row("mlp", "96.5 (Keras comparison)", 97.0, f"--model mlp {THREE}"),
    Row("lenet5", "98.6 (Keras comparison)", 99.0, f"--model lenet5 {THREE}"),
    Row("cnn-wide", "98.98 (Keras tutorial)", 99.2, f"--model cnn-wide {THREE}"),
    Row("deep-cnn", "99.53 (deep Keras project)", 99.65, f"{DEEP_MNIST} epochs=30 {THREE}"),
    Row("deep-cnn-long", "-", 99.7, f"{DEEP_MNIST} epochs=60 {THREE}"),
    Row("vgg", "-", None, f"--model vgg {BFLOAT16} {THREE}"),
    Row("resnet", "-", None, f"--model resnet {BFLOAT16} epochs=8 {THREE}"),
    Row("vit", "-", None, f"--model vit {BFLOAT16} epochs=12 {THREE}"),
    Row("fashion-default", "-", None, "--dataset fashion-mnist --model cnn --seed 0 1 2 3 4"),
    Row("fashion-resnet", "-", None, f"--dataset fashion-mnist --model resnet {BFLOAT16} epochs=8 --seed 0 1"),
    Row("fashion-cnn", "92.0 (Keras comparison)", 92.5, f"--dataset fashion-mnist --model fashion-cnn {THREE}"),
    Row(
        "fashion-deep-cnn",
        "-",
        94.5,
        f"{DEEP_FASHION} dropout=0.1 epochs=12 {COSINE} {SMOOTHED} "
        "shift=1 rotation=0 scale=0 shear=0 elastic=0 flip=0.5 --init-from fashion-deep-cnn-first",
        f"{DEEP_FASHION} dropout=0.3 epochs=40 {ONE_CYCLE} {SMOOTHED} rotation=5 shear=0.05 elastic=0 flip=0.5",
    ),
    # Its seconds: time_to_99.py.
    Row("fast", "99.04 (train_mnist_fast)", 99.0, f"--model fast {BFLOAT16} --seed {' '.join(map(str, range(20)))}"),
)
NAMES = tuple(row.name for row in ROWS)


@options_dataclass
class Options:
    rows: tuple[Literal[NAMES], ...] = NAMES  # type: ignore[valid-type]
    """the rows to train; the table shows whatever is there"""
    write_only: bool = False
    """train nothing, write the table from the results that are there"""
    jobs: Jobs = 1
    """trainings at a time"""
    data_dir: Path = DATA_DIR
    """where download_mnist.py keeps MNIST and Fashion-MNIST"""
    output_dir: Path = Path("outputs")
    """folder of outputs"""


def main() -> int:
    options = parse(Options(), __doc__)
    status = 0
    asked = [] if options.write_only else [row for row in ROWS if row.name in options.rows]
    for grid in (grid for row in asked for grid in grids(row)):
        place = replace(grid, jobs=options.jobs, data_dir=options.data_dir, output_dir=options.output_dir)
        status = max(status, run_grid(place))
        if status == 130:  # Ctrl-C
            return status
    write_results(options.output_dir)
    print(f"{RESULTS.relative_to(ROOT)} is written.")
    return status


def grids(row: Row) -> list[GridOptions]:
    """Return the row's grids, one after the other; the runs of the last one are the row's."""
    words = {f"{row.name}-first": row.first, row.name: row.words}
    return [
        parse_command(GridOptions(), "grid", "", [name, *shlex.split(text)]) for name, text in words.items() if text
    ]


def write_results(output_dir: Path) -> None:
    """Write the table and the grids behind it into docs/results.md, and copy the run.json files of the runs."""
    COPIES.mkdir(exist_ok=True)
    text = RESULTS.read_text(encoding="utf-8")
    lines = [text[: text.index("\n| row |")]]
    lines += ["| row | source | goal | framework | n | mean | sd | range | over writers | epochs | training, s |"]
    lines += ["|---|---|---|---|---|---|---|---|---|---|---|"]
    for row in ROWS:
        for framework in FRAMEWORKS:
            goal = "-" if row.goal is None else f"{row.goal:g}"
            numbers = _numbers(trainings(row, framework, output_dir))
            lines.append(f"| {row.name} | {row.reference} | {goal} | {FRAMEWORKS[framework]} | {numbers} |")
    lines += ["", "The [experiment](experiments.md) behind each row, for `python run_experiment.py`:", ""]
    for row in ROWS:
        lines += [f"- `grid {row.name}-first {row.first}`"] if row.first else []
        lines += [f"- `grid {row.name} {row.words}`"]
    RESULTS.write_text("\n".join([*lines, text[text.index("\n## Notes") :]]), encoding="utf-8")


def trainings(row: Row, framework: str, output_dir: Path) -> list[list[dict[str, Any]]]:
    """Return for each seed of the row that is done the run.json of each of its trainings, and copy these files."""
    done = []
    for seed in grids(row)[-1].seed:
        found = {grid.experiment: find_info(grid, framework, seed, output_dir) for grid in grids(row)}
        infos = {name: info for name, info in found.items() if info}
        if len(infos) == len(found):
            done.append([*infos.values()])
            for name, info in infos.items():
                copy_of(name, framework, seed).write_text(json.dumps(info, indent=2) + "\n", encoding="utf-8")
    return done


def copy_of(name: str, framework: str, seed: int) -> Path:
    return COPIES / f"{name}-{framework}-s{seed}.json"


def find_info(grid: GridOptions, framework: str, seed: int, output_dir: Path) -> dict[str, Any] | None:
    """Return the run.json of a training of the grid as it is defined now, on the dataset as it is; None without one."""
    definition, _ = grid_definition(grid, FINGERPRINTS[grid.dataset])
    values = {"framework": framework, "model": grid.model[0], "seed": seed}
    values |= {name: alternatives[0] for name, alternatives in definition.varied.items()}
    wanted = recipe_record(recipe_of(definition, values)), definition.dataset_fingerprint, bool(grid.init_from)
    runs = runs_of(replace(grid, output_dir=output_dir))
    for path in [*(run / "run.json" for run in runs), copy_of(grid.experiment, framework, seed)]:
        try:
            info: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        found = complete_record(info["recipe"]), info["dataset_fingerprint"], bool(info["init_from"])
        if info["framework"] == framework and found == wanted:
            return info
    return None


def _numbers(seeds: list[list[dict[str, Any]]]) -> str:
    """Return the cells from n on; epochs and seconds count both trainings where there are two."""
    if not seeds:
        return "0 | - | - | - | - | - | -"
    accuracies = [100 * infos[-1]["test"]["accuracy"] for infos in seeds]
    deviation = f"{statistics.stdev(accuracies):.2f}" if len(accuracies) > 1 else "-"
    spread = f"{min(accuracies):.2f} to {max(accuracies):.2f}" if len(accuracies) > 1 else "-"
    intervals = [infos[-1]["test"].get("writer_interval_95") for infos in seeds]
    bounds = [f"{100 * statistics.mean(ends):.2f}" for ends in zip(*intervals, strict=True)] if all(intervals) else []
    writers = " to ".join(bounds) or "-"
    seconds = statistics.median(sum(info["seconds"]["training"] for info in infos) for infos in seeds)
    epochs = " + ".join(str(info["recipe"]["epochs"]) for info in seeds[0])
    mean = f"{statistics.mean(accuracies):.3f}"
    return f"{len(seeds)} | {mean} | {deviation} | {spread} | {writers} | {epochs} | {seconds:,.0f}"


if __name__ == "__main__":
    sys.exit(run_script(main))
