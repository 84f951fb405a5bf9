"""Evaluate and compare the trained runs: figures of each run and of all side by side, tables, outputs/report.html.

    python visualize_results.py                                     # every run in outputs/
    python visualize_results.py mnist-cnn-pytorch                   # one of them, by name or by folder
    python visualize_results.py --only confusion_matrix calibration --format svg pdf
    python visualize_results.py --compare mnist-cnn-pytorch mnist-mlp-pytorch
    python visualize_results.py --ensemble mnist-cnn-pytorch mnist-cnn-tensorflow
    python visualize_results.py --robustness mnist-cnn-pytorch mnist-cnn-tensorflow

A run's figures are written into its folder, those of a dataset into outputs/<dataset>/. Only figures whose runs changed
are rendered again. A damaged run is left out, with a message that names it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from digits.command_line import options_dataclass, parse, refuse
from digits.data import DATA_DIR
from digits.errors import UserError, run_script
from digits.evaluation import (
    Evaluation,
    compare_pair,
    compare_runs,
    evaluate_run,
    missing_writers,
    write_ensemble,
)
from digits.evaluation.tables import classes_as_text, pair_as_text, run_rows, runs_as_text
from digits.names import plain
from digits.runs import Run, find_run, find_runs, read_run, read_runs

FIGURES = (
    *("training_curves", "confusion_matrix", "per_class_accuracy", "calibration"),
    *("incorrect_predictions", "correct_predictions", "writers"),
    *("class_distribution", "sample_images", "augmentation"),
    *(
        "comparison",
        "robustness",
        "corruptions",
        "parity",
        "agreement",
        "disagreements",
        "both_wrong",
        "confusion_matrices",
    ),
)
REPORT = "report"


Figure = Literal[*FIGURES, REPORT]  # type: ignore[valid-type]


@options_dataclass
class Options:
    runs: Annotated[tuple[str, ...], Field(title="RUN")] = ()
    """runs to show, by name or folder; all in the folder of runs if none is given"""
    output_dir: Path = Path("outputs")
    """folder of runs"""
    data_dir: Path = DATA_DIR
    """folder of datasets; figures that show images need them"""
    only: Annotated[tuple[Figure, ...], Field(title="FIGURE")] = ()
    """figures to render, by the names that outputs/README.md lists, or report; all of them if none is given"""
    format: tuple[Literal["png", "svg", "pdf"], ...] = ("png",)
    """kinds of files; the report needs png, and adds it"""
    show: bool = False
    """open the figures in windows too, those of one run at a time; needs a display"""
    compare: Annotated[tuple[str, ...], Field(title="RUN")] = ()
    """two runs to compare image by image, by name or folder: networks, seeds, before and after a change"""
    ensemble: Annotated[tuple[str, ...], Field(title="RUN")] = ()
    """runs whose probabilities are averaged first, into a run of its own"""
    ensemble_name: str = ""
    """with --ensemble: name of that run; DATASET-MODEL-ensemble if not given"""
    robustness: Annotated[tuple[str, ...], Field(title="RUN")] = ()
    """runs to measure first on images corrupted in 15 ways, which takes minutes; the results stay in their folders"""


def main() -> int:
    options = parse(Options(), __doc__, positional="runs", needs={"ensemble_name": "ensemble"})
    formats: list[str] = list(dict.fromkeys(options.format))
    asked = list(dict.fromkeys(options.only))
    only = asked
    if not asked or REPORT in asked:
        only = [*FIGURES, REPORT]
        formats = ["png", *(ending for ending in formats if ending != "png")]
    named = find_named(options.runs, options.output_dir)
    chosen = read_pair(options.compare, options.output_dir) if options.compare else None
    if options.ensemble:
        members = [read_run(path) for path in find_named(options.ensemble, options.output_dir)]
        path = write_ensemble(members, options.output_dir, options.ensemble_name or None)
        print(f"ensemble of {len(members)} runs: {plain(path)}\n")
        named += [path] if named else []
    if options.robustness:
        from digits.robustness import measure_robustness, robustness_as_text

        measured = [read_run(path) for path in find_named(options.robustness, options.output_dir)]
        print(robustness_as_text(measure_robustness(measured, options.data_dir)))
    paths = named if named or chosen else find_runs(options.output_dir)
    if not (paths or chosen):
        raise UserError(
            f"there are no runs in '{options.output_dir}'; train one with 'python mnist_pytorch.py', then try again."
        )
    runs, faults = read_runs(paths)
    if chosen:
        folders = [run.path.resolve() for run in chosen]
        runs = [*chosen, *(run for run in runs if run.path.resolve() not in folders)]
    if runs:
        evaluations = [evaluate_run(run) for run in runs]
        print(runs_as_text(run_rows(evaluations)), end="")
        if options.runs:
            for evaluation in evaluations:
                print(f"\n{plain(evaluation.run.name)}\n{classes_as_text(evaluation)}", end="")
        if chosen:
            print(f"\n{pair_as_text(compare_pair(*chosen))}", end="")
        faults += render(evaluations, options, chosen, asked, only, formats, faults)
    sys.stdout.flush()  # so that errors follow the table where both go into one file
    for fault in faults:
        print(f"error: {plain(fault)}", file=sys.stderr)
    return 1 if faults else 0


def find_named(names: Sequence[str], outputs: Path) -> list[Path]:
    """Return each named run's folder once."""
    paths = [find_run(name, outputs) for name in names]
    return list({path.resolve(): path for path in paths}.values())


def read_pair(names: Sequence[str], outputs: Path) -> tuple[Run, Run]:
    """Return the two named runs; UserError where one cannot be read, or they were not evaluated on the same images."""
    folders = find_named(names, outputs)
    if len(folders) != 2:
        refuse(f"--compare must name two runs, not {len(folders)}.")
    a, b = map(read_run, folders)
    compare_runs([a, b], (a, b))
    return a, b


def render(
    evaluations: Sequence[Evaluation],
    options: Options,
    chosen: tuple[Run, Run] | None,
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
    where = (options.output_dir, options.data_dir)
    rendering = render_all(evaluations, *where, only=only, formats=formats, display=display, chosen=chosen)
    rendering.notes += missing_writers([one.run for one in evaluations])
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
        path = options.output_dir / "report.html"
        try:
            write_report(rendering, path, [*left_out, *rendering.faults])
            print(f"\nreport: {plain(path)}")
        except OSError as error:
            rendering.cannot_write(path, error)
    return rendering.faults


if __name__ == "__main__":
    sys.exit(run_script(main))
