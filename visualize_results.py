"""Evaluate and compare the trained runs: figures of each run and of all side by side, tables, outputs/report.html.

    python visualize_results.py                                     # every run in outputs/
    python visualize_results.py mnist-cnn-pytorch                   # one of them, by name or by folder
    python visualize_results.py --only confusion_matrix calibration --format svg pdf
    python visualize_results.py --compare mnist-cnn-pytorch mnist-mlp-pytorch
    python visualize_results.py --ensemble mnist-cnn-pytorch mnist-cnn-tensorflow
    python visualize_results.py --robustness mnist-cnn-pytorch mnist-cnn-tensorflow

A run's figures are written into its folder, those of a dataset into outputs/<dataset>/. What shows the named runs alone
goes to outputs/reports/<their names>/. Only figures whose runs changed are rendered again. A damaged run is left out,
with a message that names it.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field
from tqdm import tqdm

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
from digits.evaluation.tables import classes_as_text, pair_as_text, runs_as_text
from digits.names import plain, safe_name
from digits.runs import Run, find_run, find_runs, is_current, read_run

if TYPE_CHECKING:
    from digits.figures import Rendering

REPORT = "report"
ATTEMPTS = 3
"""How often a run is read that trainings replace while it is shown."""


@options_dataclass
class Options:
    runs: Annotated[tuple[str, ...], Field(title="RUN")] = ()
    """runs to show, by name or folder; all in the folder of runs if none is given"""
    output_dir: Path = Path("outputs")
    """folder of runs"""
    data_dir: Path = DATA_DIR
    """folder of datasets; figures that show images need them"""
    only: Annotated[tuple[str, ...], Field(title="FIGURE")] = ()
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
    if not options.show:
        os.environ["MPLBACKEND"] = "Agg"  # whatever the user has set: then no window is ever opened
    formats: list[str] = list(dict.fromkeys(options.format))
    asked = list(dict.fromkeys(options.only))
    only = known_figures(asked)
    if REPORT in only:
        formats = ["png", *(ending for ending in formats if ending != "png")]
    named = find_named(options.runs, options.output_dir)
    compared = find_pair(options.compare, options.output_dir) if options.compare else []
    if compared:
        read_pair(compared)  # before anything that takes long
    if options.ensemble:
        members = [read_run(path) for path in find_named(options.ensemble, options.output_dir)]
        path = write_ensemble(members, options.output_dir, options.ensemble_name or None)
        print(f"ensemble of {len(members)} runs: {plain(path)}\n")
        named += [path] if named else []
    if options.robustness:
        from digits.evaluation.robustness import measure_robustness, robustness_as_text

        measured = [read_run(path) for path in find_named(options.robustness, options.output_dir)]
        print(robustness_as_text(measure_robustness(measured, options.data_dir)))
    others = [path for path in named if path.resolve() not in {one.resolve() for one in compared}]
    paths = [*compared, *others] if named or compared else find_runs(options.output_dir)
    if not paths:
        raise UserError(
            f"there are no runs in '{options.output_dir}'; train one with 'python mnist_pytorch.py', then try again."
        )
    shared = selection_folder(paths, options.output_dir) if named or compared else options.output_dir
    attempts: Counter[Path] = Counter()
    left_out: list[str] = []
    while True:  # until no run was replaced or deleted while it was shown
        chosen = read_pair(compared) if compared else None
        runs, faults, gone = read_others(paths[len(compared) :], bool(named))
        runs = [*(chosen or ()), *runs]
        rendering = None
        if not runs:
            break
        evaluations = [evaluate_run(run) for run in tqdm(runs, "runs evaluated", leave=False, disable=None, delay=2)]
        print(runs_as_text(evaluations), end="")
        if options.runs:
            for evaluation in evaluations:
                print(f"\n{plain(evaluation.run.name)}\n{classes_as_text(evaluation)}", end="")
        if chosen:
            print(f"\n{pair_as_text(compare_pair(*chosen))}", end="")
        rendering = render(evaluations, options, chosen, only, formats, shared)
        changed = [run.path for run in runs if not is_current(run)]
        if not changed:
            rendering.notes += [*gone, *left_out]
            tell(rendering, asked, only, shared / "report.html", faults)
            faults += rendering.faults
            break
        print(f"\nnote: {', '.join(map(plain, changed))}: replaced or deleted meanwhile; all runs are read again.\n")
        attempts.update(changed)
        for path in changed:
            if attempts[path] == ATTEMPTS:
                sentence = f"'{path}' is being replaced again and again"
                if path in compared:
                    raise UserError(f"{sentence}; wait until its trainings have ended, then run this again.")
                left_out.append(f"{sentence}, and is left out.")
                paths.remove(path)
    sys.stdout.flush()  # so that errors follow the table where both go into one file
    for fault in faults or ([] if rendering else [*gone, *left_out]):
        print(f"error: {plain(fault)}", file=sys.stderr)
    return 0 if rendering and not faults else 1


def known_figures(asked: Sequence[str]) -> list[str]:
    """Return the figures to render, the report among them unless only others were asked for."""
    from digits.figures import FIGURES  # takes a second

    for name in asked:
        if name not in (*FIGURES, REPORT):
            refuse(f"--only {name} must be one of {', '.join((*FIGURES, REPORT))}.")
    return [*FIGURES, REPORT] if not asked or REPORT in asked else list(asked)


def find_named(names: Sequence[str], outputs: Path) -> list[Path]:
    """Return each named run's folder once."""
    paths = [find_run(name, outputs) for name in names]
    return list({path.resolve(): path for path in paths}.values())


def find_pair(names: Sequence[str], outputs: Path) -> list[Path]:
    """Return the folders of the two named runs."""
    folders = find_named(names, outputs)
    if len(folders) != 2:
        refuse(f"--compare must name two runs, not {len(folders)}.")
    return folders


def read_pair(folders: Sequence[Path]) -> tuple[Run, Run]:
    """Return the two runs; UserError where one cannot be read, or they were not evaluated on the same images."""
    a, b = map(read_run, folders)
    compare_runs([a, b], (a, b))
    return a, b


def read_others(paths: Sequence[Path], named: bool) -> tuple[list[Run], list[str], list[str]]:
    """Return the runs that can be read, a sentence for each that cannot, and one for each that has just gone.

    named: whether the user has named them, and so expects them there.
    """
    runs, faults, gone = [], [], []
    for path in tqdm(paths, "runs read", leave=False, disable=None, delay=2):
        try:
            runs.append(read_run(path))
        except UserError as error:
            if named or path.exists():
                faults.append(str(error))
            else:
                gone.append(f"'{path}' was deleted meanwhile, and is left out.")
    return runs, faults, gone


def selection_folder(paths: Sequence[Path], outputs: Path) -> Path:
    """Return the folder for what shows these runs alone, so that what shows all of them stays."""
    names = [safe_name(path.resolve().name) for path in paths]
    name = "-and-".join(names)
    if len(names) > 2:
        others = hashlib.sha256(" ".join(names).encode()).hexdigest()[:8]
        name = f"{names[0]}-and-{len(names) - 1}-more-{others}"
    is_taken = (outputs / "reports" / "run.json").exists()  # by a run of that name, which a training may replace
    return outputs / ("reports-2" if is_taken else "reports") / name


def render(
    evaluations: Sequence[Evaluation],
    options: Options,
    chosen: tuple[Run, Run] | None,
    only: Sequence[str],
    formats: Sequence[str],
    shared: Path,
) -> Rendering:
    """Render the figures named in `only`; shared: the folder for those of several runs."""
    from digits.figures import render_all
    from digits.figures.page import check_display, show_figures

    if options.show:
        check_display()
    display = show_figures if options.show else None
    where = (options.output_dir, options.data_dir)
    rendering = render_all(
        evaluations, *where, only=only, formats=formats, display=display, chosen=chosen, shared=shared
    )
    rendering.notes += missing_writers([one.run for one in evaluations])
    return rendering


def tell(rendering: Rendering, asked: Sequence[str], only: Sequence[str], path: Path, left_out: Sequence[str]) -> None:
    """Print what was rendered and what of `asked` is missing, and write the report to `path` if it is in `only`.

    left_out: a sentence on each run that cannot be read. What fails is added to the rendering's faults.
    """
    from digits.figures import write_report

    if not rendering.faults:
        rendering.notes += [
            f"--only {name}: no run here has what this figure shows; outputs/README.md says what it needs."
            for name in asked
            if name not in {*rendering.names, REPORT}
        ]
    folders: dict[Path, list[str]] = {}
    for file in rendering.files:
        folders.setdefault(file.parent, []).append(file.name)
    print(f"\nfigures: {len(rendering.files)}, of which {rendering.new} rendered now, the others unchanged")
    for folder, names in folders.items():
        print(f"  {plain(folder)}/: {', '.join(map(plain, names))}")
    for note in rendering.notes:
        print(f"note: {plain(note)}")
    if REPORT in only:
        try:
            write_report(rendering, path, [*left_out, *rendering.faults])
            print(f"\nreport: {plain(path)}")
        except OSError as error:
            rendering.cannot_write(path, error)


if __name__ == "__main__":
    sys.exit(run_script(main))
