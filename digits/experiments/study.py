"""An experiment's study: opened by a worker that joins it, or read for its tables."""

from __future__ import annotations

import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import BaseStorage, JournalStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from digits.errors import UserError
from digits.experiments.definition import Definition, combinations, defaults_of, read_definition, refuse_other
from digits.experiments.journal import Journal
from digits.experiments.liveness import WORKER
from digits.experiments.queue import ERROR, TRAININGS, VALUES, Wanted, counting
from digits.experiments.records import Experiment, State, Training, Trial
from digits.experiments.values import Range, text_of
from digits.files import check_place, naming

FOLDER = "experiments"
"""Where the experiments are in the folder of runs."""
JOURNAL = "journal.log"
DEFINITION, TRIALS = "definition", "trials"
"""What the study holds: its definition, and how many trials of a search were asked for."""
STATES: dict[TrialState, State] = {
    TrialState.WAITING: "waiting",
    TrialState.RUNNING: "running",
    TrialState.COMPLETE: "complete",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
}


@dataclass(frozen=True)
class OpenStudy:
    """A study that this process takes part in."""

    study: optuna.Study
    definition: Definition
    wanted: Wanted
    folder: Path  # outputs/experiments/NAME
    new: bool  # whether this process has made it


@dataclass(frozen=True)
class StoredStudy:
    """A study as it stood when it was read."""

    definition: Definition
    experiment: Experiment
    trials: list[FrozenTrial]  # those that count

    @property
    def is_complete(self) -> bool:
        """Whether every trial that was asked for is complete."""
        done = [trial for trial in self.experiment.trials if trial.state == "complete"]
        return len(done) >= self.experiment.wanted


def open_study(name: str, folder: Path, storage: str, definition: Definition, trials: int = 0) -> OpenStudy:
    """Make the study, or join the one of this name; `folder` is made.

    trials: how many a search is to make; a later call may ask for more. UserError where the storage cannot be used,
    the folder cannot be written, or the study of this name is another one.
    """
    check_place(folder / "runs")
    wanted = Wanted(combinations(definition)[0] if definition.kind != "search" else (), trials)
    where = _storage(folder, storage)
    direction = StudyDirection.MINIMIZE if definition.objective == "loss" else StudyDirection.MAXIMIZE
    try:
        study, new = optuna.create_study(storage=where, study_name=name, direction=direction), True
    except optuna.exceptions.DuplicatedStudyError:
        study, new = optuna.load_study(study_name=name, storage=where), False
    if new:
        study.set_user_attr(DEFINITION, definition.record())
    else:
        _wait_for_definition(study, definition)
        refuse_other(name, study.user_attrs[DEFINITION], definition)
    if trials > study.user_attrs.get(TRIALS, 0):
        study.set_user_attr(TRIALS, trials)
    return OpenStudy(study, definition, wanted, folder, new)


def read_experiment(name: str, output_dir: Path = Path("outputs"), storage: str = "") -> Experiment:
    """Return the experiment as it stands; UserError where there is none of this name."""
    return read_study(name, output_dir, storage).experiment


def read_study(name: str, output_dir: Path = Path("outputs"), storage: str = "") -> StoredStudy:
    """Return the study of an experiment as it stands, without taking part in it.

    UserError where there is none of this name, which names those that there are.
    """
    known = experiments_in(output_dir, storage)
    if name not in known:
        where = "the storage" if storage else f"'{output_dir / FOLDER}'"
        more = " and more" if len(known) > 20 else ""
        others = f"there are {', '.join(known[:20])}{more}" if known else "there is none"
        hint = "" if storage else "; one of a database needs its --storage"
        raise UserError(f"there is no experiment '{name}' in {where}: {others}{hint}.")
    study = optuna.load_study(study_name=name, storage=_storage(output_dir / FOLDER / name, storage))
    if DEFINITION not in study.user_attrs:
        raise UserError(f"the experiment '{name}' is just being made; try again in a moment.")
    definition = read_definition(study.user_attrs[DEFINITION])
    wanted = Wanted(combinations(definition)[0] if definition.kind != "search" else (), study.user_attrs.get(TRIALS, 0))
    trials = [trial for trial in counting(study.get_trials(deepcopy=False), wanted).values() if trial is not None]
    return StoredStudy(definition, _experiment(name, definition, wanted, [_trial(trial) for trial in trials]), trials)


def experiments_in(output_dir: Path, storage: str) -> list[str]:
    """Return the names of all experiments in the folder of outputs, or in the storage where one is given."""
    if storage:
        return sorted(optuna.get_all_study_names(_storage(output_dir, storage)))
    return sorted(path.parent.name for path in (output_dir / FOLDER).glob(f"*/{JOURNAL}"))


def trial_values(definition: Definition, params: dict[str, Any]) -> dict[str, Any]:
    """Return a search's values of a trial by what the sampler gave: texts stand for alternatives, and of numbers that
    are no integers four digits are enough."""
    values: dict[str, Any] = {"framework": definition.frameworks[0], definition.label: next(iter(definition.recipes))}
    for name, part in definition.space.items():
        if name in params:
            found = params[name]
            if not isinstance(part, Range):
                values[name] = {text_of(value): value for value in part}[found]
            else:
                values[name] = min(max(float(f"{found:.4g}"), part.low), part.high) if type(found) is float else found
    return values


def _storage(folder: Path, storage: str) -> BaseStorage:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
    if storage:
        from digits.experiments.server import Server  # SQLAlchemy takes a while to import

        return optuna.storages.get_storage(Server(storage))
    path = folder / JOURNAL
    with naming(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            return JournalStorage(Journal(path))
        except (ValueError, KeyError, AssertionError):
            raise UserError(f"'{path}' is no journal of an experiment, or is damaged; move it away.") from None


def _wait_for_definition(study: optuna.Study, definition: Definition) -> None:
    """Wait for what the maker of the study is about to write, or write it where that was killed before."""
    for _ in range(20):
        if DEFINITION in study.user_attrs:
            return
        time.sleep(0.1)
    study.set_user_attr(DEFINITION, definition.record())


def _experiment(name: str, definition: Definition, wanted: Wanted, trials: list[Trial]) -> Experiment:
    epochs = {recipe.epochs for recipe in definition.recipes.values()}
    fixed = len(epochs) == 1 and "epochs" not in {*definition.varied, *definition.space}
    return Experiment(
        name=name,
        kind=definition.kind,
        dataset=definition.dataset,
        frameworks=definition.frameworks,
        models=tuple(dict.fromkeys(recipe.model for recipe in definition.recipes.values())),
        evaluate_on=definition.evaluate_on,
        objective=definition.objective,
        varied=definition.differing,
        logarithmic=frozenset(key for key, part in definition.space.items() if isinstance(part, Range) and part.log),
        defaults=defaults_of(definition),
        wanted=max(wanted.trials, len(wanted.combinations)),
        epochs=epochs.pop() * (len(definition.seeds) if definition.kind == "search" else 1) if fixed else 0,
        trials=tuple(sorted(trials, key=lambda trial: trial.number)),
    )


def _trial(trial: FrozenTrial) -> Trial:
    held = trial.user_attrs
    worker = held.get(WORKER)
    values = {key: tuple(value) if isinstance(value, list) else value for key, value in held.get(VALUES, {}).items()}
    return Trial(
        number=trial.number,
        state=STATES[trial.state],
        values=values,
        objective=trial.value if trial.state == TrialState.COMPLETE else None,
        epochs=tuple(value for _, value in sorted(trial.intermediate_values.items())),
        trainings=tuple(
            Training(entry["seed"], entry["score"], entry["seconds"], entry["epochs"])
            for entry in held.get(TRAININGS, [])
        ),
        worker=f"{worker['host']}:{worker['pid']}" if worker else "",
        started=trial.datetime_start,
        finished=trial.datetime_complete,
        error=str(held.get(ERROR, "")),
    )
