"""Evaluate and compare the trained runs: figures of each run and of all side by side, tables, outputs/report.html.

    python visualize_results.py                                     # every run in outputs/
    python visualize_results.py mnist-cnn-pytorch                   # one of them, by name or by folder
    python visualize_results.py --only confusion_matrix calibration --format svg pdf
    python visualize_results.py --compare mnist-cnn-pytorch mnist-mlp-pytorch
    python visualize_results.py --ensemble mnist-cnn-pytorch mnist-cnn-tensorflow
    python visualize_results.py --robustness mnist-cnn-pytorch mnist-cnn-tensorflow

A run's figures are written into its folder, those of a dataset into outputs/<dataset>/. A report on named runs only is
written into outputs/reports/<their names>/. Only figures whose runs changed are rendered again. A damaged run is left
out, with a message that names it.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from mnist_twice.command_line import Field, options_dataclass, parse, refuse
from mnist_twice.data import DATA_DIR
from mnist_twice.errors import UserError, run_script
from mnist_twice.evaluation import compare_pair, compare_runs, evaluate_run, write_ensemble
from mnist_twice.evaluation.tables import classes_as_text, pair_as_text, runs_as_text
from mnist_twice.names import plain, safe_name
from mnist_twice.runs import Run, find_run, find_runs, is_current, read_run, read_runs

if TYPE_CHECKING:
    from mnist_twice.figures import Rendering

REPORT = "report"
ATTEMPTS = 3
"""How often all runs are read where trainings replace some while they are shown."""


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
    """file formats; the report needs png, and adds it"""
    compare: Annotated[tuple[str, ...], Field(title="RUN")] = ()
    """two runs to compare image by image, by name or folder: networks, seeds, before and after a change"""
    ensemble: Annotated[tuple[str, ...], Field(title="RUN")] = ()
    """runs whose probabilities are first averaged; the result is saved as a new run"""
    ensemble_name: str = ""
    """with --ensemble: name of that run; DATASET-MODEL-ensemble if not given"""
    robustness: Annotated[tuple[str, ...], Field(title="RUN")] = ()
    """runs to measure first on images corrupted in 15 ways, which takes minutes; the results stay in their folders"""


def main() -> int:
    options = parse(Options(), __doc__, positional="runs", needs={"ensemble_name": "ensemble"})
    outputs = options.output_dir
    only = known_figures(options.only)
    names, compared = [*options.compare, *options.runs], find_named(options.compare, outputs)
    if options.compare:
        if len(compared) != 2:
            refuse("--compare needs two different runs.")
        read_pair(compared)  # before anything that takes long
    if options.ensemble:
        members = [read_run(path) for path in find_named(options.ensemble, outputs)]
        path = write_ensemble(members, outputs, options.ensemble_name or None)
        print(f"ensemble of {len(members)} runs: {plain(path)}\n")
        names += [str(path)] if options.runs else []
    if options.robustness:
        from mnist_twice.evaluation.robustness import measure_robustness, robustness_as_text

        measured = [read_run(path) for path in find_named(options.robustness, outputs)]
        print(robustness_as_text(measure_robustness(measured, options.data_dir)))
    chosen = find_named(names, outputs)
    shared = selection_folder(chosen, outputs) if chosen else outputs
    for _ in range(ATTEMPTS):
        paths = chosen or find_runs(outputs)
        if not paths:
            advice = "train one with 'python mnist_pytorch.py', then try again"
            raise UserError(f"there are no runs in '{outputs}'; {advice}.")
        pair = read_pair(compared) if compared else None
        runs, faults = read_runs(paths[len(compared) :])
        runs = [*(pair or ()), *runs]
        rendering = render(runs, options, pair, only, shared) if runs else None
        changed = [run.path for run in runs if not is_current(run)]
        if not changed:
            return tell(rendering, options.only, only, shared / "report.html", faults)
        print(f"\nnote: {', '.join(map(plain, changed))} replaced or deleted meanwhile; all runs are read again.\n")
    again = ", ".join(f"'{path}'" for path in changed)
    raise UserError(f"{again} changed again and again; wait until the trainings have ended, then run this again.")


def known_figures(asked: Sequence[str]) -> list[str]:
    """Return the figures to render, the report among them unless only others were asked for."""
    from mnist_twice.figures import FIGURES  # takes a second

    for name in asked:
        if name not in (*FIGURES, REPORT):
            refuse(f"--only {name} must be one of {', '.join((*FIGURES, REPORT))}.")
    return [*FIGURES, REPORT] if not asked or REPORT in asked else list(asked)


def find_named(names: Sequence[str], outputs: Path) -> list[Path]:
    """Return each named run's folder once."""
    return list({path.resolve(): path for path in (find_run(name, outputs) for name in names)}.values())


def read_pair(folders: Sequence[Path]) -> tuple[Run, Run]:
    """Return the two runs. Raises UserError if one cannot be read, or if they were evaluated on other images."""
    a, b = map(read_run, folders)
    compare_runs([a, b], (a, b))
    return a, b


def selection_folder(paths: Sequence[Path], outputs: Path) -> Path:
    """Return the folder for what shows these runs alone, so that what shows all of them stays."""
    names = [safe_name(path.resolve().name) for path in paths]
    name = "-and-".join(names)
    if len(names) > 2:
        others = hashlib.sha256(" ".join(names).encode()).hexdigest()[:8]
        name = f"{names[0]}-and-{len(names) - 1}-more-{others}"
    return outputs / "reports" / name


def render(
    runs: Sequence[Run], options: Options, pair: tuple[Run, Run] | None, only: Sequence[str], shared: Path
) -> Rendering:
    """Print the tables and render the figures named in `only`; shared: the folder for those of several runs."""
    from tqdm import tqdm

    from mnist_twice.figures import render_all

    evaluations = [evaluate_run(run) for run in tqdm(runs, "runs evaluated", leave=False, disable=None, delay=2)]
    print(runs_as_text(evaluations), end="")
    for evaluation in evaluations if options.runs else ():
        print(f"\n{plain(evaluation.run.name)}\n{classes_as_text(evaluation)}", end="")
    if pair:
        print(f"\n{pair_as_text(compare_pair(*pair))}", end="")
    return render_all(
        evaluations,
        options.output_dir,
        options.data_dir,
        only=only,
        formats=list(dict.fromkeys([*(["png"] if REPORT in only else []), *options.format])),
        chosen=pair,
        shared=shared,
    )


def tell(
    rendering: Rendering | None, asked: Sequence[str], only: Sequence[str], report: Path, faults: Sequence[str]
) -> int:
    """Print what was rendered, what of `asked` is missing and all faults, and write the report if it is in `only`.

    faults: a sentence on each run that cannot be read. Returns the exit status.
    """
    if rendering:
        from mnist_twice.figures import write_report

        if not rendering.faults:
            rendering.notes += [
                f"--only {name}: no run here has what this figure shows; outputs/README.md says what it needs."
                for name in dict.fromkeys(asked)
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
                write_report(rendering, report, [*faults, *rendering.faults])
                print(f"\nreport: {plain(report)}")
            except OSError as error:
                rendering.cannot_write(report, error)
        faults = [*faults, *rendering.faults]
    sys.stdout.flush()  # so that errors follow the table where both go into one file
    for fault in faults:
        print(f"error: {plain(fault)}", file=sys.stderr)
    return 0 if rendering and not faults else 1


if __name__ == "__main__":
    sys.exit(run_script(main))
