"""Draw what the trainings found: a confusion matrix for each run, and one picture of all runs side by side.

    python visualize_results.py                          # every run in outputs/
    python visualize_results.py mnist-cnn-pytorch        # one of them, by name or by folder

Each run's picture lands in its folder, the common one in outputs/. A run that is damaged is named and left out.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from digits.errors import UserError, run_script
from digits.metrics import wilson_interval
from digits.runs import Run, find_runs, read_run


@dataclass(frozen=True)
class Options:
    """Draw confusion matrices of the runs that the training scripts left."""

    runs: Annotated[tyro.conf.Positional[tuple[str, ...]], tyro.conf.arg(metavar="[RUN ...]")] = ()
    """Names of runs in the outputs folder, or folders of runs; every run in the outputs folder if none is named."""

    outputs: Path = Path("outputs")
    """The folder that the training scripts write runs into."""


def main() -> int:
    options = tyro.cli(Options, description=__doc__)
    runs, faults = read_runs(find_named(options.runs, options.outputs) or find_all(options.outputs))
    pictures = []
    if runs:
        print_table(runs)
        pictures, more_faults = draw(runs, options.outputs)
        faults += more_faults
    if pictures:
        print("\npictures:")
        for picture in pictures:
            print(f"  {plain(picture)}")
    sys.stdout.flush()  # the errors are to stand below the table also where both go into one file
    for fault in faults:
        print(f"error: {plain(fault)}", file=sys.stderr)
    return 1 if faults else 0


def find_named(names: Sequence[str], outputs: Path) -> list[Path]:
    """Return each named run's folder once: the name as a path where that is a folder, else the name in `outputs`."""
    paths = [Path(name) if os.path.isdir(name) else outputs / name for name in names]
    return list({path.resolve(): path for path in paths}.values())


def find_all(outputs: Path) -> list[Path]:
    """Return every run's folder in `outputs`. Raises UserError where there is none."""
    paths = find_runs(outputs)
    if not paths:
        raise UserError(
            f"there are no runs in '{outputs}'; make one with 'python mnist_pytorch.py', then run this again."
        )
    return paths


def read_runs(paths: Sequence[Path]) -> tuple[list[Run], list[str]]:
    """Return the runs that can be read, and a sentence for each that cannot."""
    runs, faults = [], []
    for path in paths:
        try:
            runs.append(read_run(path))
        except UserError as error:
            faults.append(str(error))
    return runs, faults


def draw(runs: Sequence[Run], outputs: Path) -> tuple[list[Path], list[str]]:
    """Draw each run into its folder and all of them into `outputs`; return the pictures, and a sentence for each
    that could not be written."""
    # Imported only now, since they take seconds and a wrong name should be told at once. No window is ever opened.
    os.environ["MPLBACKEND"] = "Agg"
    from digits.confusion_figures import draw_confusion, draw_confusions
    from digits.figures import save_figure

    pictures, faults = [], []
    jobs = [(run.path / "confusion_matrix.png", [run]) for run in runs]
    for path, shown in [*jobs, (outputs / "confusion_matrices.png", list(runs))]:
        figure = draw_confusion(shown[0]) if path.name == "confusion_matrix.png" else draw_confusions(shown)
        try:
            outputs.mkdir(parents=True, exist_ok=True)  # missing where all runs were named by their folders
            save_figure(figure, path)
        except OSError as error:
            faults.append(f"cannot write '{path}' ({error.strerror or error}); free the place, then run this again.")
        else:
            pictures.append(path)
    return pictures, faults


def print_table(runs: Sequence[Run]) -> None:
    """Print each run's name, accuracy with its 95 % interval (Wilson), and the number of test images."""
    names = [plain(run.name) for run in runs]
    width = max(map(len, ["run", *names]))
    print(f"{'run':<{width}}  accuracy       95 % interval       n")
    for name, run in zip(names, runs, strict=True):
        n = len(run.labels)
        low, high = (f"{100 * end:.2f}" for end in wilson_interval(round(run.accuracy * n), n))
        print(f"{name:<{width}}  {100 * run.accuracy:6.2f} %  {low:>6} to {high:>6} %  {n:>6,}")


def plain(text: object) -> str:
    """Return the text with '?' for what a terminal would obey or cannot show: a folder's name may hold anything."""
    return "".join(character if character.isprintable() else "?" for character in str(text))


if __name__ == "__main__":
    sys.exit(run_script(main))
