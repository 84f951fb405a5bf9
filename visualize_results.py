"""Evaluate and compare the trained runs: figures of each run and of all side by side, tables, outputs/report.html.

    python visualize_results.py                                     # every run in outputs/
    python visualize_results.py mnist-cnn-pytorch                   # one of them, by name or by folder
    python visualize_results.py --only confusion_matrix --format svg,pdf
    python visualize_results.py --ensemble mnist-cnn-pytorch mnist-cnn-tensorflow

A run's figures are written into its folder, those of a dataset into outputs/<dataset>/. Only figures whose runs changed
are rendered again. A damaged run is left out, with a message that names it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from digits.data import DATA_DIR
from digits.errors import UserError, run_script
from digits.evaluation import Evaluation, evaluate_run, write_ensemble
from digits.evaluation.tables import classes_as_text, run_rows, runs_as_text
from digits.names import plain
from digits.runs import Run, find_runs, read_run, run_folder

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
    """Evaluate and compare the runs that the training scripts wrote."""

    runs: Annotated[tyro.conf.Positional[tuple[str, ...]], tyro.conf.arg(metavar="[RUN ...]")] = ()
    """Names of runs in the outputs folder, or folders of runs; without any, every run in the outputs folder."""

    outputs: Path = Path("outputs")
    """The folder that the training scripts write runs into."""

    data_dir: Path = DATA_DIR
    """Where download_mnist.py keeps the datasets; figures that show images need them."""

    only: Annotated[str, tyro.conf.arg(metavar="NAME,...")] = ""
    """Names of figures to render, such as confusion_matrix,calibration; without any, all figures and the report."""

    format: Annotated[str, tyro.conf.arg(metavar="png,svg,pdf")] = "png"
    """File formats of the figures; the report needs png, and adds it."""

    show: bool = False
    """Also open the figures in windows, those of one run at a time; needs a display."""

    ensemble: Annotated[tuple[str, ...], tyro.conf.arg(metavar="RUN RUN ...")] = ()
    """First write a run of its own that averages the probabilities of these runs."""

    ensemble_name: str | None = None
    """The name of that run; <dataset>-<model>-ensemble by default."""


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
    paths = named or find_runs(options.outputs)
    if not paths:
        raise UserError(
            f"there are no runs in '{options.outputs}'; train one with 'python mnist_pytorch.py', then run this again."
        )
    runs, faults = read_runs(paths)
    if runs:
        evaluations = [evaluate_run(run) for run in runs]
        print(runs_as_text(run_rows(evaluations)), end="")
        if named:
            for evaluation in evaluations:
                print(f"\n{plain(evaluation.run.name)}\n{classes_as_text(evaluation)}", end="")
        faults += render(evaluations, options, asked, only, formats, faults)
    sys.stdout.flush()  # so that errors follow the table where both go into one file
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
    """Return each named run's folder once."""
    paths = [run_folder(name, outputs) for name in names]
    return list({path.resolve(): path for path in paths}.values())


def read_runs(paths: Sequence[Path]) -> tuple[list[Run], list[str]]:
    """Return the runs that can be read, and a sentence for each that cannot."""
    runs, faults = [], []
    for path in paths:
        try:
            runs.append(read_run(path))
        except UserError as error:
            faults.append(str(error))
    return runs, faults


def render(
    evaluations: Sequence[Evaluation],
    options: Options,
    asked: Sequence[str],
    only: Sequence[str],
    formats: Sequence[str],
    left_out: Sequence[str],
) -> list[str]:
    """Render the figures named in `only`, write the report, print what there is and what of `asked` is missing.

    Return a sentence for each thing that failed.
    """
    # Imported only now, since they take seconds and a wrong name should be reported at once.
    if not options.show:
        os.environ["MPLBACKEND"] = "Agg"  # whatever the user has set: then no window is ever opened
    from digits.figures import render_all, write_report
    from digits.figures.show import check_display, show_figures

    if options.show:
        check_display()
    display = show_figures if options.show else None
    rendering = render_all(evaluations, options.outputs, options.data_dir, only=only, formats=formats, display=display)
    if not rendering.faults:
        rendering.notes += [
            f"--only {name}: no run here has what this figure shows; outputs/README.md says what it needs."
            for name in asked
            if name not in {*rendering.names, REPORT}
        ]
    folders: dict[Path, list[str]] = {}
    for path in rendering.files:
        folders.setdefault(path.parent, []).append(path.name)
    print(f"\nfigures: {len(rendering.files)}, of which {rendering.new} rendered now, the others unchanged")
    for folder, names in folders.items():
        print(f"  {plain(folder)}/: {', '.join(map(plain, names))}")
    for note in rendering.notes:
        print(f"note: {plain(note)}")
    if REPORT in only:
        path = options.outputs / "report.html"
        try:
            write_report(rendering, path, [*left_out, *rendering.faults])
            print(f"\nreport: {plain(path)}")
        except OSError as error:
            rendering.cannot_write(path, error)
    return rendering.faults


if __name__ == "__main__":
    sys.exit(run_script(main))
