"""Grids and searches from their options to their end."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from statistics import fmean
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from mnist_twice.data import load_dataset
from mnist_twice.experiments.definition import Definition, command_of, grid_definition, recipe_of, search_definition
from mnist_twice.experiments.options import GridOptions, SearchOptions, Work
from mnist_twice.experiments.parameters import values_of
from mnist_twice.experiments.run import Worker
from mnist_twice.experiments.study import TRAININGS, open_study
from mnist_twice.experiments.training import PROJECT, Workplace, script_of
from mnist_twice.experiments.values import count, values_text
from mnist_twice.files import write_whole
from mnist_twice.names import percent
from mnist_twice.recipes import recipe_record
from mnist_twice.runs import find_runs

Script = Callable[[str], Path]
BEST = "best.json"
"""The best recipe, in a search's folder; the training scripts take it with --recipe."""


def run_grid(options: GridOptions, script: Script = script_of) -> int:
    """Train every combination that has not been trained; return the exit status.

    script: gives the training script of a framework.
    """
    dataset = load_dataset(options.dataset, options.data_dir)
    definition, left_out = grid_definition(options, dataset.fingerprint)
    for sentence in left_out:
        print(f"left out: {sentence}", file=sys.stderr)
    return work_on(definition, options, command_of("grid", options), script)


def run_search(options: SearchOptions, script: Script = script_of) -> int:
    """Look for the best recipe until as many trials as asked for have ended; return the exit status."""
    definition = search_definition(options, load_dataset(options.dataset, options.data_dir))
    status = work_on(definition, options, command_of("search", options), script, options.trials, options.seconds)
    if status != 130:
        print(_summary(options))
    return status


def runs_of(options: GridOptions | SearchOptions) -> list[Path]:
    """Return the folders of the runs that the experiment has made on this machine."""
    return find_runs(options.folder / "runs")


def work_on(
    definition: Definition, options: Work, command: str, script: Script, trials: int = 0, seconds: float = 0
) -> int:
    """Work on the study with others until its end, and say how it ended; return the exit status.

    command: what repeats it; trials: how many a search is to make; seconds: after which it begins no further one.
    """
    name, logs = options.experiment, options.folder / "logs"
    with open_study(options, definition, command, trials) as study:
        wanted = study.wanted.trials
        if wanted < trials:
            print(f"the space has {wanted} possible combinations; each is tried once.", file=sys.stderr)

        def ended(trial: FrozenTrial) -> None:
            if definition.kind == "search" and (best := best_of(definition, [*study.counting().values()])):
                write_best(options, definition, best)

        complete = Worker(study, Workplace(definition, options, script), ended).work(seconds)
        states = [trial.state for trial in study.counting().values() if trial is not None]
    failed = states.count(TrialState.FAIL)
    done = f"{sum(state.is_finished() for state in states) - failed} of {wanted} trials of '{name}' are done"
    if not complete:
        print(f"stopped: {done}; the same command continues.", file=sys.stderr)
        return 130
    print(f"{done}; 'python run_experiment.py show {name}' shows them.")
    if failed:
        print(
            f"error: {failed} of {wanted} trials failed; on the machine that ran them, '{logs}' has what their "
            "trainings said. The same command tries them again.",
            file=sys.stderr,
        )
    return 1 if failed else 0


def best_of(definition: Definition, trials: Iterable[FrozenTrial | None]) -> FrozenTrial | None:
    """Return the complete trial with the best objective; of equal ones, the first."""
    sign = 1 if definition.objective == "loss" else -1
    complete = [trial for trial in trials if trial is not None and trial.state == TrialState.COMPLETE]
    return min(complete, key=lambda trial: (sign * (trial.value or 0.0), trial.number), default=None)


def write_best(options: Work, definition: Definition, trial: FrozenTrial) -> None:
    """Write best.json, unless it has this trial already."""
    content: dict[str, Any] = {
        "recipe": recipe_record(recipe_of(definition, values_of(definition, trial.params))),
        "experiment": options.experiment,
        "trial": trial.number,
        "objective": f"validation {definition.objective}",
        "value": trial.value,
        "dataset": definition.dataset,
        "framework": definition.frameworks[0],
        "trainings": trial.user_attrs[TRAININGS],
    }
    text, path = json.dumps(content, indent=2) + "\n", options.folder / BEST
    if not path.is_file() or path.read_text(encoding="utf-8", errors="replace") != text:
        write_whole(path, text)


def export_best(runs: Path, trial: FrozenTrial) -> None:
    """Give the runs of a trial model.onnx, as far as they are on this machine: trials are trained without."""
    for result in trial.user_attrs[TRAININGS]:
        path = runs / result["run"]
        if path.is_dir() and not (path / "model.onnx").exists():
            command = [sys.executable, "-m", "mnist_twice.experiments.export", str(path.resolve())]
            done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
            if done.returncode:
                print(
                    f"note: '{path}' has no model.onnx: {done.stderr.strip().rpartition(chr(10))[2]}", file=sys.stderr
                )


def _summary(options: SearchOptions) -> str:
    """Return what was found, and what pruning has saved, in sentences."""
    from mnist_twice.experiments.results import pruning_text, read_experiment  # pandas takes a while to import

    experiment = read_experiment(options.experiment, options.output_dir, options.storage)
    definition = experiment.definition
    best = best_of(definition, experiment.frozen)
    if best is None:
        return "No trial was completed, so that there is no best recipe."
    results, path = best.user_attrs[TRAININGS], options.folder / BEST
    write_best(options, definition, best)
    export_best(options.folder / "runs", best)
    loss, accuracy = (fmean(result["score"][key] for result in results) for key in ("loss", "accuracy"))
    seeds = f", means of {len(results)} seeds" if len(results) > 1 else ""
    values = {name: values_of(definition, best.params)[name] for name in definition.space}
    sentences = [
        f"The best of {count(len(experiment.frozen), 'trial')} is number {best.number}: {values_text(values)}.",
        f"Its validation loss is {loss:.4f}, its validation accuracy {percent(accuracy)}{seeds}.",
        pruning_text(experiment),
        f"'{path}' has its recipe; the training scripts take that with --recipe.",
    ]
    return " ".join(filter(None, sentences))
