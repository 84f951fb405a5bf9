"""An ensemble: the mean of several runs' probabilities, written as a run that readers treat like any other."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mnist_twice.errors import UserError
from mnist_twice.evaluation.compare import SAME_IMAGES, compare_runs, why_not_compared
from mnist_twice.machine import hardware, versions
from mnist_twice.names import command_text
from mnist_twice.recipes import name_problem, run_name
from mnist_twice.runs import ENSEMBLE, FORMAT, Run, read_run, score_of, write_run_files, writing_run


def write_ensemble(runs: Sequence[Run], outputs: Path, name: str | None = None) -> Path:
    """Average the runs' probabilities, write the result as a run into `outputs` and return its folder.

    name: the folder's; '<dataset>-<model>-ensemble' where None, the model being 'mixed' if the members' differ. An
    earlier ensemble of that name is replaced. The members are listed under 'members' in run.json; its seed and recipe
    are null and its history is empty, since nothing was trained. Parameters and seconds are the members' sums.

    Raises UserError if there are fewer than two runs, if they were not evaluated on the same images and classes, or if
    a run of another kind is in its place.
    """
    if len(runs) < 2:
        raise UserError(f"an ensemble needs two runs or more, not {len(runs)}; name them after --ensemble.")
    if reasons := why_not_compared(compare_runs(runs)):
        raise UserError(f"these runs make no ensemble; {SAME_IMAGES}: {'; '.join(reasons)}.")
    first = runs[0]
    model = first.model if len({run.model for run in runs}) == 1 else "mixed"
    on = {"evaluate_on": "validation"} if first.held_out else {}
    usual = run_name(first.dataset, model, ENSEMBLE, differences=on)
    name = name or usual
    if problem := name_problem(name):
        raise UserError(f"'{name}' cannot be an ensemble's name: it {problem}.")
    path = outputs / name
    _check_target(path, runs)
    stacked = np.stack([run.probabilities for run in runs])
    probabilities: NDArray[np.float32] = stacked.mean(axis=0, dtype=np.float64).astype(np.float32)
    writers = next((run.writers for run in runs if run.writers is not None), None)
    command = ["python", "visualize_results.py", "--ensemble"]
    command += [run.name if run.path.resolve().parent == outputs.resolve() else str(run.path) for run in runs]
    command += ["--ensemble-name", name] if name != usual else []
    command += ["--output-dir", str(outputs)] if outputs != Path("outputs") else []
    info: dict[str, Any] = {
        "format": FORMAT,
        "name": name,
        "dataset": first.dataset,
        "dataset_fingerprint": first.fingerprint,
        "class_names": first.class_names,
        "model": model,
        "framework": ENSEMBLE,
        "seed": None,
        "recipe": None,
        "members": [{key: getattr(run, key) for key in ("name", "model", "framework", "seed")} for run in runs],
        "command": command_text(command),
        "versions": versions(["numpy"]),
        "hardware": hardware(),
        "evaluated_on": first.evaluated_on,
        "held_out": first.held_out,
        "validation": None,
        "test": None,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    info[first.evaluated_on] = score_of(first.labels, probabilities, writers)
    # Only where every member records them: a sum that leaves some out would be too small.
    if all("parameters" in run.info for run in runs):
        kinds = ("trainable", "non_trainable")
        info["parameters"] = {kind: sum(run.info["parameters"].get(kind, 0) for run in runs) for kind in kinds}
    if all("seconds" in run.info for run in runs):
        info["seconds"] = {"training": round(sum(run.info["seconds"]["training"] for run in runs), 3)}
    with writing_run(path) as folder:
        labels = first.labels
        write_run_files(folder, probabilities=probabilities, labels=labels, history=[], info=info, writers=writers)
    return path


def _check_target(path: Path, runs: Sequence[Run]) -> None:
    """Refuse to replace a member, or any run but an ensemble. (writing_run refuses folders that are no runs.)"""
    try:
        framework = read_run(path).framework
    except UserError:
        return  # nothing is there, or nothing that could be used
    what = "a trained run" if framework != ENSEMBLE else "a member"
    if framework != ENSEMBLE or path.resolve() in [run.path.resolve() for run in runs]:
        raise UserError(f"'{path}' is {what} and would be replaced; choose another --ensemble-name.")
