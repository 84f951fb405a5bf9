"""Grids and searches from their options to their end."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from optuna.trial import TrialState

from digits.data import Dataset, load_dataset
from digits.experiments.best import BEST, best_of, summary, write_best
from digits.experiments.define import grid_definition, search_definition
from digits.experiments.display import Display
from digits.experiments.job import Workplace, script_of
from digits.experiments.liveness import Watch
from digits.experiments.options import ConfirmOptions, GridOptions, SearchOptions
from digits.experiments.queue import Queue
from digits.experiments.sampling import Sampling, default_params, pruner_of
from digits.experiments.study import FOLDER, OpenStudy, open_study, read_experiment
from digits.experiments.worker import Claim, Pace, Worker, claim_waiting
from digits.runs import find_runs

Script = Callable[[str], Path]
USUAL = Pace()


def run_grid(options: GridOptions, script: Script = script_of, pace: Pace = USUAL) -> int:
    """Train every combination that has not been trained; return the exit status.

    script: gives the training script of a framework.
    """
    dataset = load_dataset(options.dataset, options.data_dir)
    definition, left_out = grid_definition(options, dataset.fingerprint)
    for sentence in left_out:
        print(f"left out: {sentence}", file=sys.stderr)
    opened = open_study(options.experiment, folder_of(options), options.storage, definition)
    queue = Queue(opened.study, opened.wanted, Watch(pace.grace), opened.new)
    return work_on(opened, queue, claim_waiting(queue), options, dataset, script, pace)


def run_search(options: SearchOptions, script: Script = script_of, pace: Pace = USUAL) -> int:
    """Look for the best recipe until as many trials as asked for have ended; return the exit status."""
    dataset = load_dataset(options.dataset, options.data_dir)
    definition = search_definition(options, dataset)
    opened = open_study(options.experiment, folder_of(options), options.storage, definition, options.trials)
    opened.study.pruner = pruner_of(definition)
    queue = Queue(opened.study, opened.wanted, Watch(pace.grace), opened.new)
    sampling = Sampling(definition, queue, options.seed)
    if sampling.most is not None and sampling.most < options.trials:
        print(f"the space has {sampling.most} possible combinations; each is tried once.", file=sys.stderr)
        queue.limit(sampling.most)
    if opened.new and (first := default_params(definition)) is not None:
        queue.enqueue_first(first)

    def write() -> None:
        if (best := best_of(definition, queue.counting().values())) is not None:
            write_best(opened, best)

    status = work_on(opened, queue, sampling.claim, options, dataset, script, pace, options.seconds or None, write)
    if status != 130:
        write()
        experiment = read_experiment(options.experiment, options.output_dir, options.storage)
        print(summary(experiment, opened.folder / BEST))
    return status


def folder_of(options: GridOptions | SearchOptions) -> Path:
    return options.output_dir / FOLDER / options.experiment


def runs_of(options: GridOptions | SearchOptions) -> list[Path]:
    """Return the folders of the runs that the experiment has made on this machine."""
    return find_runs(folder_of(options) / "runs")


def work_on(
    opened: OpenStudy,
    queue: Queue,
    claim: Claim,
    options: GridOptions | SearchOptions | ConfirmOptions,
    dataset: Dataset,
    script: Script = script_of,
    pace: Pace = USUAL,
    seconds: float | None = None,
    ended: Callable[[], None] = lambda: None,
) -> int:
    """Work on the study with others until its end, and say how it ended; return the exit status.

    ended: is called after each trial that has ended here.
    """
    place = Workplace(opened.folder, dataset, options.data_dir, options.device, options.jobs, script)
    display = Display(opened.definition.differing, opened.definition.objective)
    complete = Worker(opened, queue, claim, place, display, pace, seconds, ended).work()
    states = [trial.state for trial in queue.counting().values() if trial is not None]
    done, failed = sum(state.is_finished() for state in states), states.count(TrialState.FAIL)
    name, logs = opened.study.study_name, opened.folder / "logs"
    of_all = f"{queue.total} trials of '{name}' are done"
    if not complete:
        print(f"stopped: {done - failed} of {of_all}; the same command continues.", file=sys.stderr)
        return 130
    print(f"{done - failed} of {of_all}; 'python run_experiment.py show {name}' shows them.")
    if failed:
        print(
            f"error: {failed} of {queue.total} trials failed; on the machine that ran them, '{logs}' has what their "
            "trainings said. The same command tries them again.",
            file=sys.stderr,
        )
    return 1 if failed else 0
