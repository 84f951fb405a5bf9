"""Show what the trainings found: pictures of each run and of all side by side, tables, and outputs/report.html.

    python visualize_results.py                                     # every run in outputs/
    python visualize_results.py mnist-cnn-pytorch                   # one of them, by name or by folder
    python visualize_results.py --only confusion_matrix --format svg,pdf
    python visualize_results.py --ensemble mnist-cnn-pytorch mnist-cnn-tensorflow

A run's pictures land in its folder, those of a dataset in outputs/<dataset>/. Only what changed is drawn again. A run
that is damaged is named and left out.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from digits.data import DATA_DIR
from digits.errors import UserError, run_script
from digits.evaluation import Evaluation, evaluate_run, write_ensemble
from digits.evaluation.tables import classes_as_text, plain, run_rows, runs_as_text
from digits.runs import Run, find_runs, read_run

if TYPE_CHECKING:
    from digits.figures import Rendering

FORMATS = ("png", "svg", "pdf")
FIGURES = (
    *("training_curves", "confusion_matrix", "per_class_accuracy", "calibration"),
    *("incorrect_predictions", "correct_predictions"),
    *("class_distribution", "sample_images", "augmentation"),
    *("comparison", "parity", "agreement", "disagreements", "both_wrong", "confusion_matrices"),
)
REPORT = "report"


@dataclass(frozen=True)
class Options:
    """Draw, compare and report the runs that the training scripts left."""

    runs: Annotated[tyro.conf.Positional[tuple[str, ...]], tyro.conf.arg(metavar="[RUN ...]")] = ()
    """Names of runs in the outputs folder, or folders of runs; every run in the outputs folder if none is named."""

    outputs: Path = Path("outputs")
    """The folder that the training scripts write runs into."""

    data_dir: Path = DATA_DIR
    """Where download_mnist.py keeps the datasets; figures that show images need them."""

    only: Annotated[str, tyro.conf.arg(metavar="NAME,...")] = ""
    """Names of figures to draw, such as confusion_matrix,calibration; all of them and the report if none is named."""

    format: Annotated[str, tyro.conf.arg(metavar="png,svg,pdf")] = "png"
    """Kinds of files to draw; the report needs png, and adds it."""

    show: bool = False
    """Open the figures in windows too, those of one run at a time; needs a display."""

    ensemble: Annotated[tuple[str, ...], tyro.conf.arg(metavar="RUN RUN ...")] = ()
    """First average the probabilities of these runs into a run of its own."""

    ensemble_name: str | None = None
    """The name of that run, if it is not to be <dataset>-<model>-ensemble."""


def main() -> int:
    options = tyro.cli(Options, description=__doc__)
    formats = split_list(options.format, FORMATS, "--format")
    asked = split_list(options.only, (*FIGURES, REPORT), "--only")
    only = asked
    if not asked or REPORT in asked:
        only = [*FIGURES, REPORT]
        formats = ["png", *(ending for ending in formats if ending != "png")]
    named = find_named(options.runs, options.outputs)
    if options.ensemble:
        members = [read_run(path) for path in find_named(options.ensemble, options.outputs)]
        path = write_ensemble(members, options.outputs, options.ensemble_name)
        print(f"ensemble of {len(members)} runs: {plain(path)}\n")
        named += [path] if named else []
    runs, faults = read_runs(named or find_all(options.outputs))
    if runs:
        evaluations = [evaluate_run(run) for run in runs]
        print(runs_as_text(run_rows(evaluations)), end="")
        if named:
            for evaluation in evaluations:
                print(f"\n{plain(evaluation.run.name)}\n{classes_as_text(evaluation)}", end="")
        faults += draw(evaluations, options, asked, only, formats, faults)
    sys.stdout.flush()  # the errors are to stand below the table also where both go into one file
    for fault in faults:
        print(f"error: {plain(fault)}", file=sys.stderr)
    return 1 if faults else 0


def split_list(text: str, known: Sequence[str], option: str) -> list[str]:
    """Return the words of a list with commas, each once; a word that is not known ends the script with status 2."""
    words = list(dict.fromkeys(word.strip() for word in text.split(",") if word.strip()))
    for word in words:
        if word not in known:
            print(f"error: {option} '{plain(word)}': choose from {', '.join(known)}.", file=sys.stderr)
            raise SystemExit(2)
    return words


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


def draw(
    evaluations: Sequence[Evaluation],
    options: Options,
    asked: Sequence[str],
    only: Sequence[str],
    formats: Sequence[str],
    left_out: Sequence[str],
) -> list[str]:
    """Draw the figures named in `only`, write the report, say what there is and what of `asked` there is not.

    Return a sentence for each thing that failed.
    """
    # Imported only now, since they take seconds and a wrong name should be told at once.
    if not options.show:
        os.environ["MPLBACKEND"] = "Agg"  # whatever the user has set: then no window is ever opened
    from digits.figures import render_all, write_report
    from digits.figures.show import check_display, show_figures

    if options.show:
        check_display()
    drawing = render_all(
        evaluations,
        options.outputs,
        options.data_dir,
        only=only,
        formats=formats,
        display=show_figures if options.show else None,
    )
    if not drawing.faults:
        drawing.notes += [
            f"--only {name}: there is nothing to draw it from; outputs/README.md says what it shows, and of which runs."
            for name in asked
            if name not in {*drawing.names, REPORT}
        ]
    print_outcome(drawing)
    if REPORT in only:
        path = options.outputs / "report.html"
        try:
            write_report(drawing, path, [*left_out, *drawing.faults])
            print(f"\nreport: {plain(path)}")
        except OSError as error:
            drawing.faults.append(
                f"cannot write '{path}' ({error.strerror or error}); free the place, then run this again."
            )
    return drawing.faults


def print_outcome(drawing: Rendering) -> None:
    """Print which pictures there are, a line for each folder, and what was left out."""
    folders: dict[Path, list[str]] = {}
    for path in drawing.pictures:
        folders.setdefault(path.parent, []).append(path.name)
    print(f"\npictures: {len(drawing.pictures)}, of which {drawing.new} drawn now, the others unchanged")
    for folder, names in folders.items():
        print(f"  {plain(folder)}/: {', '.join(map(plain, names))}")
    for note in drawing.notes:
        print(f"note: {plain(note)}")


if __name__ == "__main__":
    sys.exit(run_script(main))
