"""Every published accuracy: trains each row of docs/results.md, reference beside ours, in both frameworks.

    python benchmarks/reference_results.py                  # everything: hours on two cores
    python benchmarks/reference_results.py --rows mlp       # some rows
    python benchmarks/reference_results.py --write-only     # no training: the table from the runs that are there

Each run goes to outputs/reference/; one that is there with the row's recipe, on this dataset, is not trained again, and
a training that was killed goes on after its last epoch. docs/results.md is written from the runs' run.json, which are
copied to docs/results/. Recipes were fixed before the test set was looked at, except where the table's notes say so.
"""

from __future__ import annotations

import json
import shlex
import statistics
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from digits.datasets import DATA_DIR, load_dataset
from digits.errors import UserError, run_script
from digits.options import parse_options
from digits.results import recipe_record, run_path

FRAMEWORKS = {"pytorch": "PyTorch", "tensorflow": "TensorFlow"}
OUTPUTS = Path("outputs/reference")
RESULTS = ROOT / "docs" / "results.md"


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    name: str
    words: str  # options of the training scripts
    seeds: int
    reference: str  # test accuracy of the system that is reproduced, in percent
    goal: float  # mean test accuracy in percent


STEADY = (
    "--early-stopping 0 --reduce-on-plateau 0 --no-keep-best --learning-rate 0.003 --schedule one-cycle --ema 0.999"
)
ROWS = (
    Row("mlp", "--model mlp", 3, "96.5 (R3 a)", 97.0),
    Row("lenet5", "--model lenet5", 3, "98.6 (R3 b)", 99.0),
    Row("cnn-wide", "--model cnn-wide", 3, "98.98 (R2)", 99.2),
    Row(
        "deep-cnn",
        f"--model deep-cnn {STEADY} --dropout 0.3 --epochs 25 --validation-fraction 0.05 --augment --shear 0.05 "
        "--elastic 12 --precision bfloat16",
        1,
        "99.53 (R4)",
        99.65,
    ),
    Row("fashion-cnn", "--dataset fashion-mnist --model fashion-cnn", 3, "92.0 (R3 c)", 92.5),
    Row(
        "fashion-deep-cnn",
        f"--dataset fashion-mnist --model deep-cnn {STEADY} --dropout 0.3 --epochs 40 --validation-fraction 0.05 "
        "--weight-decay 0.02 --label-smoothing 0.1 --augment --rotation 5 --shear 0.05 --elastic 0 --flip 0.5 "
        "--precision bfloat16",
        1,
        "-",
        94.5,
    ),
)
# `fast` has a benchmark of its own: time_to_99.py.


@dataclass(frozen=True)
class Options:
    rows: tuple[str, ...] = tuple(row.name for row in ROWS)
    """the rows to train; the table shows whatever is there"""
    write_only: bool = False
    """train nothing, write the table from the runs that are there"""
    data_dir: Path = DATA_DIR
    """where download_mnist.py keeps MNIST and Fashion-MNIST"""


def main() -> None:
    options = tyro.cli(Options, description=__doc__.split("\n\n")[0])
    unknown = set(options.rows) - {row.name for row in ROWS}
    if unknown:
        raise UserError(
            f"--rows: there is no {', '.join(sorted(unknown))}; there are {', '.join(r.name for r in ROWS)}."
        )
    fingerprints = {name: load_dataset(name, options.data_dir).fingerprint for name in ("mnist", "fashion-mnist")}
    for row in ROWS if not options.write_only else ():
        for seed in range(row.seeds) if row.name in options.rows else ():
            for framework in FRAMEWORKS:
                if find_run(row, framework, seed, fingerprints) is None:
                    train(row, framework, seed, options.data_dir)
    write_results({(row, framework): runs_of(row, framework, fingerprints) for row in ROWS for framework in FRAMEWORKS})
    print(f"{RESULTS.relative_to(ROOT)} is written.")


def words_of(row: Row, seed: int) -> list[str]:
    """Return the options of a training script for the row and seed."""
    return [*shlex.split(row.words), "--seed", str(seed), "--output-dir", str(OUTPUTS)]


def find_run(row: Row, framework: str, seed: int, fingerprints: dict[str, str]) -> dict[str, Any] | None:
    """Return the run.json of this row and seed if it is there, with the row's recipe and the dataset as it is."""
    wanted = parse_options("", words_of(row, seed))
    try:
        info: dict[str, Any] = json.loads((ROOT / run_path(wanted, framework) / "run.json").read_text())
    except (OSError, ValueError):
        return None
    same = (
        info["recipe"] == recipe_record(wanted.recipe) and info["dataset_fingerprint"] == fingerprints[wanted.dataset]
    )
    return info if same else None


def runs_of(row: Row, framework: str, fingerprints: dict[str, str]) -> list[dict[str, Any]]:
    """Return the run.json of every seed of the row that is there."""
    return [info for seed in range(row.seeds) if (info := find_run(row, framework, seed, fingerprints))]


def train(row: Row, framework: str, seed: int, data_dir: Path) -> None:
    """Run the framework's script; UserError where it fails, after its own words."""
    command = [f"mnist_{framework}.py", *words_of(row, seed), "--data-dir", str(data_dir.resolve())]
    print(f"\n{row.name}, {FRAMEWORKS[framework]}, seed {seed}", flush=True)
    done = subprocess.run([sys.executable, *command, "--resume"], cwd=ROOT, check=False)
    if done.returncode:
        raise UserError(f"'{shlex.join(command)}' failed; mend that and run again: finished rows are kept.")


def write_results(found: dict[tuple[Row, str], list[dict[str, Any]]]) -> None:
    """Write docs/results.md and the run.json files behind it."""
    folder = RESULTS.with_suffix("")
    folder.mkdir(exist_ok=True)
    lines = [
        "# Results",
        "",
        "Test accuracy in percent. Written by `python benchmarks/reference_results.py` from the `run.json` files in",
        "[results/](results/): each holds the recipe, the command that repeats it, versions, hardware and the",
        "dataset's fingerprint. The test set was used once a run, after training.",
        "",
        "| row | reference | goal | framework | n | mean | sd | range | epochs | training, s |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for (row, framework), infos in found.items():
        lines.append(f"| {row.name} | {row.reference} | {row.goal:g} | {FRAMEWORKS[framework]} | {_numbers(infos)} |")
        for info in infos:
            text = json.dumps(info, indent=2) + "\n"
            (folder / f"{info['name']}.json").write_text(text, encoding="utf-8")
    lines += ["", "The options of each row, for either script:", ""]
    lines += [f"- {row.name}: `{row.words}`, seeds 0 to {row.seeds - 1}" for row in ROWS]
    notes = RESULTS.with_name("results_notes.md")
    lines += ["", notes.read_text(encoding="utf-8").strip()] if notes.exists() else []
    RESULTS.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _numbers(infos: list[dict[str, Any]]) -> str:
    """Return the cells from n on."""
    if not infos:
        return "0 | - | - | - | - | -"
    accuracies = [100 * info["test"]["accuracy"] for info in infos]
    deviation = f"{statistics.stdev(accuracies):.2f}" if len(accuracies) > 1 else "-"
    spread = f"{min(accuracies):.2f} to {max(accuracies):.2f}" if len(accuracies) > 1 else "-"
    seconds = statistics.median(info["seconds"]["training"] for info in infos)
    epochs = infos[0]["recipe"]["epochs"]
    return f"{len(infos)} | {statistics.mean(accuracies):.2f} | {deviation} | {spread} | {epochs} | {seconds:,.0f}"


if __name__ == "__main__":
    sys.exit(run_script(main))
