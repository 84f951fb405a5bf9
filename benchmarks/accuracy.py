"""Test accuracy of the default recipe over several seeds, in both frameworks.

    python benchmarks/accuracy.py                              # MNIST, seeds 0-4, a few minutes on two cores
    python benchmarks/accuracy.py --dataset fashion-mnist

Runs the training scripts themselves, into outputs/ (a seed that has a run there with this recipe, these versions and
this dataset is not trained again), and prints a Markdown table: n, mean, standard deviation, range, seconds.
"""

import statistics
import sys
from dataclasses import replace
from pathlib import Path

from benchmarks.processes import ROOT, run_python
from digits.command_line import options_dataclass, parse
from digits.data import DATA_DIR, Dataset, load_dataset
from digits.errors import UserError, run_script
from digits.machine import versions
from digits.names import FRAMEWORKS
from digits.runs import Run, read_run, run_name
from digits.training import RECIPES, complete_record, recipe_record


@options_dataclass
class Options:
    dataset: str = "mnist"
    """the dataset to train on"""
    model: str = "cnn"
    """the network, with its default recipe"""
    seeds: int = 5
    """how many seeds, from 0"""
    data_dir: Path = DATA_DIR
    """where download_mnist.py keeps the dataset"""
    output_dir: Path = Path("outputs")
    """where the runs go"""


def main() -> None:
    options = parse(Options(), __doc__)
    dataset = load_dataset(options.dataset, options.data_dir)
    runs: dict[str, list[Run]] = {framework: [] for framework in FRAMEWORKS}
    for seed in range(options.seeds):
        for framework in FRAMEWORKS:
            runs[framework].append(find_run(framework, seed, dataset, options) or train(framework, seed, options))
    print(f"\n{options.model} on {options.dataset}, {len(dataset.test_labels):,} test images")
    print("| framework | n | mean accuracy | standard deviation | lowest to highest | training, s |")
    print("|---|---|---|---|---|---|")
    for framework, title in FRAMEWORKS.items():
        print(table_row(title, runs[framework]))


def find_run(framework: str, seed: int, dataset: Dataset, options: Options) -> Run | None:
    """Return the run that is there already, if it is this recipe's on this dataset by these versions."""
    try:
        run = read_run(options.output_dir / run_name(dataset.name, options.model, framework, seed))
    except UserError:
        return None
    recipe = recipe_record(replace(RECIPES[options.model], seed=seed))
    packages = [package for package in run.info["versions"] if package != "python"]
    same = (
        complete_record(run.recipe) == recipe
        and run.info["dataset_fingerprint"] == dataset.fingerprint
        and run.info["versions"] == versions(packages)
    )
    return run if same else None


def train(framework: str, seed: int, options: Options) -> Run:
    """Return the run that the framework's script makes; UserError where it fails, after its own words."""
    what = ["--dataset", options.dataset, "--model", options.model, "--seed", str(seed)]
    where = ["--data-dir", str(options.data_dir), "--output-dir", str(options.output_dir)]
    run_python([ROOT / f"mnist_{framework}.py", *what, *where], cwd=Path.cwd(), show=True)
    return read_run(options.output_dir / run_name(options.dataset, options.model, framework, seed))


def table_row(title: str, runs: list[Run]) -> str:
    """Return the Markdown row of a framework's runs."""
    accuracies = [run.accuracy for run in runs]
    deviation = f"{100 * statistics.stdev(accuracies):.2f}" if len(runs) > 1 else "-"
    seconds = [run.info["seconds"]["training"] for run in runs]
    return (
        f"| {title} | {len(runs)} | {100 * statistics.mean(accuracies):.2f} % | {deviation} | "
        f"{100 * min(accuracies):.2f} to {100 * max(accuracies):.2f} % | {statistics.median(seconds):.0f} |"
    )


if __name__ == "__main__":
    sys.exit(run_script(main))
