"""Every published accuracy: trains each row of docs/results.md in both frameworks, beside what its source reports.

    python benchmarks/reference_results.py                  # everything: hours on two cores
    python benchmarks/reference_results.py --rows mlp       # some rows
    python benchmarks/reference_results.py --write-only     # no training: the table from the runs that are there

Each run goes to outputs/reference/; one that is there with the row's recipe, on this dataset, is not trained again, and
a training that was killed goes on after its last epoch. docs/results.md is written from the runs' run.json, which are
copied to docs/results/; for a run that is not in outputs/reference/, its earlier copy is used. Recipes were
fixed before the test set was looked at, except where the table's notes say so.
"""

import json
import shlex
import statistics
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.processes import ROOT, run_python
from digits.command_line import options_dataclass, parse
from digits.data import DATA_DIR, FASHION_MNIST, MNIST, fingerprint
from digits.errors import UserError, run_script
from digits.names import FRAMEWORKS
from digits.runs import run_name
from digits.training import Options as TrainingOptions
from digits.training import complete_record, parse_options, recipe_record, run_path

OUTPUTS = Path("outputs/reference")
RESULTS = ROOT / "docs" / "results.md"
FINGERPRINTS = {entry.name: fingerprint([file.sha256 for file in entry.files]) for entry in (MNIST, FASHION_MNIST)}


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    name: str
    words: str  # options of the training scripts
    seeds: int
    reference: str  # test accuracy in percent that the source reports: docs/references.md
    goal: float  # mean test accuracy in percent
    first: str = ""  # options of a first training, with whose weights the one of `words` starts


DEEP = "--model deep-cnn --early-stopping 0 --reduce-on-plateau 0 --no-keep-best --precision bfloat16 --augment"
ONE_CYCLE = "--learning-rate 0.003 --schedule one-cycle --ema 0.999"
COSINE = "--learning-rate 0.001 --schedule cosine"
ROWS = (
    Row("mlp", "--model mlp", 3, "96.5 (Keras comparison)", 97.0),
    Row("lenet5", "--model lenet5", 3, "98.6 (Keras comparison)", 99.0),
    Row("cnn-wide", "--model cnn-wide", 3, "98.98 (Keras tutorial)", 99.2),
    Row(
        "deep-cnn",
        f"{DEEP} --dropout 0.2 --epochs 10 {COSINE} --validation-fraction 0 --shift 1 --rotation 5 --scale 0.05 "
        "--shear 0 --elastic 0",
        2,
        "99.53 (deep Keras project)",
        99.65,
        first=f"{DEEP} --epochs 30 {ONE_CYCLE} --validation-fraction 0",
    ),
    Row("fashion-cnn", "--dataset fashion-mnist --model fashion-cnn", 3, "92.0 (Keras comparison)", 92.5),
    Row(
        "fashion-deep-cnn",
        f"--dataset fashion-mnist {DEEP} --dropout 0.1 --epochs 12 {COSINE} --weight-decay 0.02 --label-smoothing 0.1 "
        "--validation-fraction 0.05 --shift 1 --rotation 0 --scale 0 --shear 0 --elastic 0 --flip 0.5",
        1,
        "-",
        94.5,
        first=f"--dataset fashion-mnist {DEEP} --dropout 0.3 --epochs 40 {ONE_CYCLE} --weight-decay 0.02 "
        "--label-smoothing 0.1 --validation-fraction 0.05 --rotation 5 --shear 0.05 --elastic 0 --flip 0.5",
    ),
    Row("fast", "--model fast --precision bfloat16", 20, "99.04 (train_mnist_fast)", 99.0),  # seconds: time_to_99.py
)


@options_dataclass
class Options:
    rows: tuple[str, ...] = tuple(row.name for row in ROWS)
    """the rows to train; the table shows whatever is there"""
    write_only: bool = False
    """train nothing, write the table from the runs that are there"""
    data_dir: Path = DATA_DIR
    """where download_mnist.py keeps MNIST and Fashion-MNIST"""


def main() -> None:
    options = parse(Options(), __doc__)
    unknown = set(options.rows) - {row.name for row in ROWS}
    if unknown:
        raise UserError(
            f"--rows: there is no {', '.join(sorted(unknown))}; there are {', '.join(r.name for r in ROWS)}."
        )
    for row in ROWS if not options.write_only else ():
        for seed in range(row.seeds) if row.name in options.rows else ():
            for framework in FRAMEWORKS:
                for stage in stages(row, framework, seed):
                    if stage.info(stage.run / "run.json") is None:
                        print(f"\n{row.name}, {FRAMEWORKS[framework]}, seed {seed}", flush=True)
                        folders = ["--data-dir", str(options.data_dir.resolve())]
                        run_python([f"mnist_{framework}.py", *stage.words, *folders, "--resume"], show=True)
    write_results({(row, framework): runs_of(row, framework) for row in ROWS for framework in FRAMEWORKS})
    print(f"{RESULTS.relative_to(ROOT)} is written.")


@dataclass(frozen=True)
class Stage:
    """One training of a row."""

    words: list[str]  # the script's options
    wanted: TrainingOptions  # what they mean
    run: Path  # the folder that it writes
    copy: Path  # where its run.json is kept in docs/results/

    def info(self, path: Path) -> dict[str, Any] | None:
        """Return the run.json at `path` if it is there and of such a training, on the dataset as it is."""
        try:
            info: dict[str, Any] = json.loads(path.read_text())
        except (OSError, ValueError):
            return None
        same = (
            complete_record(info["recipe"]) == recipe_record(self.wanted.recipe)
            and info["dataset_fingerprint"] == FINGERPRINTS[self.wanted.dataset]
            and bool(info["init_from"]) == bool(self.wanted.init_from)
        )
        return info if same else None


def stages(row: Row, framework: str, seed: int) -> list[Stage]:
    """Return the row's trainings with this seed, one after the other; the last one gives the row's run."""

    def stage(options: str, outputs: Path, ending: str, *more: str) -> Stage:
        words = [*shlex.split(options), "--seed", str(seed), "--output-dir", str(outputs), *more]
        plain = parse_options("", words)
        # Rows differ in their folders or models, so that a row's run needs no name that says its options.
        words += ["--name", run_name(plain.dataset, plain.recipe.model, framework, seed)]
        wanted = parse_options("", words)
        run = ROOT / run_path(wanted, framework)
        return Stage(words, wanted, run, RESULTS.with_suffix("") / f"{run.name}{ending}.json")

    if not row.first:
        return [stage(row.words, OUTPUTS, "")]
    first = stage(row.first, OUTPUTS / "first", "-first")
    return [first, stage(row.words, OUTPUTS, "", "--init-from", str(first.run.relative_to(ROOT)))]


def runs_of(row: Row, framework: str) -> list[dict[Path, dict[str, Any]]]:
    """Return for each seed of the row that is done the run.json of each of its trainings, by where it is kept."""
    done = []
    for seed in range(row.seeds):
        found = {
            stage.copy: stage.info(stage.run / "run.json") or stage.info(stage.copy)
            for stage in stages(row, framework, seed)
        }
        if all(found.values()):
            done.append({copy: info for copy, info in found.items() if info})
    return done


def write_results(found: dict[tuple[Row, str], list[dict[Path, dict[str, Any]]]]) -> None:
    """Write docs/results.md and the run.json files behind it."""
    RESULTS.with_suffix("").mkdir(exist_ok=True)
    lines = [
        "# Results",
        "",
        "Test accuracy in percent, beside what the [source](references.md) of each network reports. Written by",
        "`python benchmarks/reference_results.py` from the `run.json` files in [results/](results/): each has the",
        "recipe, the command that repeats it, versions, hardware and the dataset's fingerprint. The test set was",
        "used once in each training, at its end.",
        "",
        "| row | source | goal | framework | n | mean | sd | range | epochs | training, s |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for (row, framework), seeds in found.items():
        numbers = _numbers([list(trainings.values()) for trainings in seeds])
        lines.append(f"| {row.name} | {row.reference} | {row.goal:g} | {FRAMEWORKS[framework]} | {numbers} |")
        for copy, info in (kept for trainings in seeds for kept in trainings.items()):
            copy.write_text(json.dumps(info, indent=2) + "\n", encoding="utf-8")
    lines += ["", "The options of each row, for either script:", ""]
    for row in ROWS:
        lines += [f"- {row.name}, {row.seeds} seed{'s' if row.seeds > 1 else ''}: `{row.words}`"]
        lines += [f"  - starting (`--init-from`) from a run of `{row.first}`"] if row.first else []
    notes = RESULTS.with_name("results_notes.md")
    lines += ["", notes.read_text(encoding="utf-8").strip()] if notes.exists() else []
    RESULTS.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _numbers(seeds: list[list[dict[str, Any]]]) -> str:
    """Return the cells from n on; epochs and seconds count both trainings where there are two."""
    if not seeds:
        return "0 | - | - | - | - | -"
    accuracies = [100 * infos[-1]["test"]["accuracy"] for infos in seeds]
    deviation = f"{statistics.stdev(accuracies):.2f}" if len(accuracies) > 1 else "-"
    spread = f"{min(accuracies):.2f} to {max(accuracies):.2f}" if len(accuracies) > 1 else "-"
    seconds = statistics.median(sum(info["seconds"]["training"] for info in infos) for infos in seeds)
    epochs = " + ".join(str(info["recipe"]["epochs"]) for info in seeds[0])
    return f"{len(seeds)} | {statistics.mean(accuracies):.3f} | {deviation} | {spread} | {epochs} | {seconds:,.0f}"


if __name__ == "__main__":
    sys.exit(run_script(main))
