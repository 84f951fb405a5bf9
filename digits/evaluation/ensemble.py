"""An ensemble: the mean of several runs' probabilities, written as a run that readers treat like any other."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from digits.errors import UserError
from digits.machine import hardware, versions
from digits.names import command_text
from digits.recipes import name_problem, run_name
from digits.runs import ENSEMBLE, FORMAT, Run, RunInfo, read_run, score_of, write_run_files, writing_run


def write_ensemble(runs: Sequence[Run], outputs: Path, name: str | None = None) -> Path:
    """Average the runs' probabilities, write the result as a run into `outputs` and return its folder.

    name: the folder's; '<dataset>-<model>-ensemble' where None, the model being 'mixed' if the members' differ. An
    earlier ensemble of that name is replaced. The members are listed under 'members' in run.json; its seed and recipe
    are null and its history is empty, since nothing was trained. Parameters and seconds are the members' sums.

    Raises UserError: fewer than two runs, one named twice, runs that were not evaluated on the same images and classes,
    a run of another kind in its place.
    """
    _check_members(runs)
    name = name or _default_name(runs)
    if problem := name_problem(name):
        raise UserError(f"'{name}' cannot be an ensemble's name: it {problem}.")
    path = outputs / name
    _check_target(path, runs)
    stacked = np.stack([run.probabilities for run in runs])
    probabilities: NDArray[np.float32] = stacked.mean(axis=0, dtype=np.float64).astype(np.float32)
    with writing_run(path) as folder:
        info = _info(runs, path, probabilities)
        try:
            write_run_files(
                folder,
                probabilities=probabilities,
                labels=runs[0].labels,
                history=[],
                info=info,
                writers=_writers(runs),
            )
        except ValueError as error:  # such as members whose parameters add up to more than a run may have
            raise UserError(f"these runs make no ensemble that could be read again: {error}.") from error
    return path


def _check_members(runs: Sequence[Run]) -> None:
    if len(runs) < 2:
        raise UserError(f"an ensemble needs two runs or more, not {len(runs)}; name them after --ensemble.")
    first = runs[0]
    seen: set[Path] = set()
    for run in runs:
        if run.path.resolve() in seen:
            raise UserError(f"'{run.name}' is named twice; an ensemble takes each run once.")
        seen.add(run.path.resolve())
        if not run.fingerprint:
            raise UserError(f"'{run.name}' does not record the fingerprint of its dataset; train it again.")
        if (run.fingerprint, run.held_out) != (first.fingerprint, first.held_out) or not np.array_equal(
            run.labels, first.labels
        ):
            raise UserError(
                f"'{first.name}' and '{run.name}' were not evaluated on the same images ({_images(first)} and "
                f"{_images(run)}); choose runs on the same ones."
            )
        if run.class_names != first.class_names:
            raise UserError(f"'{first.name}' and '{run.name}' name their classes differently; train one of them again.")


def _check_target(path: Path, runs: Sequence[Run]) -> None:
    """Refuse to replace a member, or any run but an ensemble. (writing_run refuses folders that are no runs.)"""
    if any(run.path.resolve() == path.resolve() for run in runs):
        raise UserError(f"'{path}' is a member and would be replaced by its ensemble; choose another --ensemble-name.")
    try:
        framework = read_run(path).framework
    except UserError:
        return  # nothing is there, or nothing that could be used
    if framework != ENSEMBLE:
        raise UserError(f"'{path}' is a trained run and would be replaced; choose another --ensemble-name.")


def _info(runs: Sequence[Run], path: Path, probabilities: NDArray[np.float32]) -> RunInfo:
    """Return what run.json holds; its keys are those of a trained run, and 'members'."""
    first, score = runs[0], score_of(runs[0].labels, probabilities, _writers(runs))
    info: RunInfo = {
        "format": FORMAT,
        "name": path.name,
        "dataset": first.dataset,
        "dataset_fingerprint": first.info["dataset_fingerprint"],
        "class_names": first.class_names,
        "model": _model(runs),
        "framework": ENSEMBLE,
        "seed": None,
        "recipe": None,
        "members": [
            {"name": run.name, "model": run.model, "framework": run.framework, "seed": run.seed} for run in runs
        ],
        "command": _command(runs, path),
        "versions": versions(["numpy"]),
        "hardware": hardware("cpu"),
        "evaluated_on": first.evaluated_on,
        "held_out": first.held_out,
        "validation": score if first.held_out else None,
        "test": None if first.held_out else score,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    # Only where every member records them: a sum that leaves some out would be too small.
    counts = [run.info.get("parameters") for run in runs]
    if None not in counts:
        keys = ("trainable", "non_trainable")
        info["parameters"] = {key: sum(count.get(key, 0) for count in counts if count) for key in keys}
    seconds = [run.training_seconds for run in runs]
    if None not in seconds:
        info["seconds"] = {"training": round(sum(filter(None, seconds)), 3)}
    return info


def _writers(runs: Sequence[Run]) -> NDArray[np.int32] | None:
    """Return who wrote the images that all runs were tested on, where one of them records it."""
    return next((run.writers for run in runs if run.writers is not None), None)


def _command(runs: Sequence[Run], path: Path) -> str:
    """Return the command that makes the ensemble at `path` again."""
    outputs = path.parent
    inside = [run.path.resolve().parent == outputs.resolve() for run in runs]
    words = ["python", "visualize_results.py", "--ensemble"]
    words += [run.name if here else str(run.path) for run, here in zip(runs, inside, strict=True)]
    if path.name != _default_name(runs):
        words += ["--ensemble-name", path.name]
    if outputs != Path("outputs"):
        words += ["--output-dir", str(outputs)]
    return command_text(words)


def _images(run: Run) -> str:
    """Return which images a run was evaluated on, in words."""
    words = f"{run.evaluated_on} images of {run.dataset} with the fingerprint {str(run.fingerprint)[:8]}"
    return ", ".join([words, *(f"{name.replace('_', ' ')} {value}" for name, value in (run.held_out or {}).items())])


def _default_name(runs: Sequence[Run]) -> str:
    on = {"evaluate_on": "validation"} if runs[0].held_out else {}
    return run_name(runs[0].dataset, _model(runs), ENSEMBLE, differences=on)


def _model(runs: Sequence[Run]) -> str:
    models = {run.model for run in runs}
    return models.pop() if len(models) == 1 else "mixed"
