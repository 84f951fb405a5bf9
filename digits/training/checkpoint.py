"""Checkpoints: a training as it stands after an epoch, so that a killed one can continue with --resume.

One file beside the run's folder, `.<run>.checkpoint`: a line of JSON, then the framework's own bytes. It is replaced
whole after every epoch and deleted when the run is written.
"""

import dataclasses
import hashlib
import json
import math
import os
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from digits.data import Dataset
from digits.errors import UserError
from digits.files import write_whole
from digits.recipes.options import Options
from digits.training.batches import epoch_length, split_dataset
from digits.training.event_log import EventLog
from digits.training.progress import Progress
from digits.training.workers import ALONE, Workers

# Options that a resumed training may give otherwise: they change where files lie, and nothing of what is computed.
FREE = {"resume", "data_dir", "output_dir", "log_dir", "name", "recipe_file"}
COLUMNS = {"epoch", "learning_rate", "train_loss", "train_accuracy", "seconds", "images_per_second"}
VALIDATION_COLUMNS = {"validation_loss", "validation_accuracy"}


class Checkpoint:
    """The checkpoint file of one training."""

    log: EventLog | None = None  # is told of every epoch whose checkpoint is written

    def __init__(
        self,
        run: Path,
        options: Options,
        dataset: Dataset,
        versions: dict[str, str],
        workers: Workers = ALONE,
    ) -> None:
        """UserError where something that is no file is in its place. Of several workers, only the first touches it."""
        self.path = checkpoint_path(run)
        self.resume, self.recipe, self.dataset = options.resume or bool(workers.restarts), options.recipe, dataset
        self.workers = workers
        self.seconds = 0.0  # of training that an earlier process has done
        self._epochs = 0  # of this training that the file is known to hold
        if os.path.lexists(self.path) and not os.path.isfile(self.path):
            raise UserError(
                f"'{self.path}' is in the way: the training's checkpoint goes there; move or delete it, then run again."
            )
        asked = {name: value for name, value in dataclasses.asdict(options).items() if name not in FREE}
        recipe = asked.pop("recipe")
        recipe |= recipe.pop("augmentation")
        facts = {**asked, **recipe, "dataset_fingerprint": dataset.fingerprint, "versions": versions}
        self.about: dict[str, Any] = json.loads(json.dumps(facts, default=str))  # as it will be read back

    def restore(self, load: Callable[[bytes], None]) -> Progress | None:
        """Return what the last finished epoch left, or None where the training starts afresh.

        `load` is given the framework's own bytes. UserError where the file is damaged, which `load` may say by any
        exception, or is that of a training with other options; also where workers differ in options, data or versions.
        """
        self.workers.agree(self.about)
        if (earlier := self.workers.from_first(self.read)) is None:
            return None
        progress, state = earlier
        try:
            load(state)
        except Exception as error:  # frameworks raise a dozen kinds
            raise self._damaged() from error
        self.seconds = sum(row["seconds"] for row in progress.history)
        self._epochs = len(progress.history)
        return progress

    def read(self) -> tuple[Progress, bytes] | None:
        """Return the progress and the framework's bytes, or None, as `restore` does."""
        if not self.resume:
            if self.workers.restarts is not None:
                self.delete()  # or what restarts this training when it dies would continue that one
            return None
        try:
            line, _, state = self.path.read_bytes().partition(b"\n")
        except FileNotFoundError:
            return None
        except OSError as error:
            raise UserError(f"cannot read '{self.path}' ({error.strerror}); fix that, or leave --resume out.") from None
        try:
            facts = json.loads(line)
            del facts["sha256"]
            if line != _first_line(facts, state):  # byte by byte: two texts may be one number
                raise ValueError
            progress = Progress(facts.pop("history"), facts.pop("losses"))
            about = facts.pop("about")
            differing = sorted(name for name in {*self.about, *about} if self.about.get(name) != about.get(name))
            if facts or not (differing or self._is_sound(progress)):
                raise ValueError
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            raise self._damaged() from None
        if differing:
            name = differing[0]
            theirs = " ".join(str(about.get(name)).split())[:200]
            raise UserError(
                f"--resume: '{self.path}' was made with {name[:40]} {theirs}, not {self.about.get(name)}; "
                "give the same options, or leave --resume out to start afresh."
            )
        return progress, state

    def _is_sound(self, progress: Progress) -> bool:
        """Return whether this training can have made such progress."""
        history, losses, recipe = progress.history, progress.losses, self.recipe
        rows, held_out = split_dataset(self.dataset, recipe)
        steps = math.ceil(epoch_length(len(rows), recipe.batch_size) / recipe.batch_size)
        columns = COLUMNS | VALIDATION_COLUMNS if len(held_out) else COLUMNS
        numbers = [*losses, *(value for row in history for value in row.values())]
        return (
            all(row.keys() == columns for row in history)
            and all(type(number) in (int, float) and 0 <= number <= sys.float_info.max for number in numbers)
            and [row["epoch"] for row in history] == list(range(1, len(history) + 1))
            and 1 <= len(history) <= recipe.epochs
            and len(losses) == len(history) * steps
        )

    def _damaged(self) -> UserError:
        return UserError(f"'{self.path}' is damaged; delete it, or leave --resume out to start afresh.")

    def write(self, progress: Progress, state: bytes) -> None:
        """Replace the earlier checkpoint by the training as it stands; UserError where that fails."""
        if self.workers.rank:
            return
        facts = {"about": self.about, **dataclasses.asdict(progress)}
        try:
            write_whole(self.path, _first_line(facts, state) + b"\n" + state)
        except OSError as error:
            whole = self._epochs and self.path.is_file()
            kept = f"; that of epoch {self._epochs} is whole, --resume continues from it" if whole else ""
            raise UserError(
                f"cannot write the checkpoint '{self.path}' ({error.strerror}){kept}; make room or fix the permissions."
            ) from None
        self._epochs = len(progress.history)
        if self.log:
            self.log.write(progress)

    def when_interrupted(self) -> str | None:
        """Return what Ctrl-C is to say: how to continue, if there is a checkpoint of this training."""
        if not (self._epochs and self.path.is_file()):
            return None
        return f"Stopped after epoch {self._epochs} of {self.recipe.epochs}. Add --resume to continue."

    def why_not_resumed(self) -> str:
        """Return that there is no checkpoint, or which one beside its place is of a training with one other option."""
        for path in sorted(self.path.parent.glob(".*.checkpoint")):
            about = _read_line(path).get("about")
            if isinstance(about, dict):
                differing = [name for name in {*self.about, *about} if self.about.get(name) != about.get(name)]
                if len(differing) == 1 and differing[0] != "versions":
                    (name,) = differing
                    theirs = " ".join(str(about.get(name)).split())[:200]
                    return f"the checkpoint '{path}' has {name[:40]} {theirs}, not {self.about.get(name)}"
        return f"there is no checkpoint of this training in '{self.path.parent}'"

    def delete(self) -> None:
        """Delete the file: the run is written."""
        with suppress(OSError):
            self.path.unlink()


def history_so_far(run: Path) -> list[dict[str, float]]:
    """Return a row of history.csv for each finished epoch of a training that is to write the run, while it runs; none
    where there is no checkpoint."""
    history = _read_line(checkpoint_path(run)).get("history")
    return history if isinstance(history, list) else []


def checkpoint_path(run: Path) -> Path:
    """Return where the checkpoint of the training that writes this run is."""
    return run.with_name(f".{run.name}.checkpoint")


def _read_line(path: Path) -> dict[str, Any]:
    """Return what stands before the framework's bytes; nothing where that cannot be read."""
    try:
        with path.open("rb") as file:
            facts = json.loads(file.readline())
    except (OSError, ValueError, RecursionError):
        return {}
    return facts if isinstance(facts, dict) else {}


def _first_line(facts: dict[str, Any], state: bytes) -> bytes:
    """Return what stands before the framework's bytes: the facts as JSON, with the digest of them and of the state."""
    digest = hashlib.sha256(json.dumps(facts).encode() + state).hexdigest()
    return json.dumps({"sha256": digest, **facts}).encode()


def check_form(found: Any, expected: Any) -> None:
    """Raise ValueError where the arrays or tensors found differ from the expected in names, shapes or dtypes.

    They may lie in dicts and sequences. What else lies there must be equal, except for floats.
    """
    if _form(found) != _form(expected):
        raise ValueError("it is the state of another training")


def _form(value: Any) -> Any:
    """Return what check_form compares; ValueError where a number is not finite."""
    if isinstance(value, Mapping):
        return {name: _form(part) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_form(part) for part in value]
    is_array = hasattr(value, "shape")
    if is_array or isinstance(value, float):
        finite = abs(value) < math.inf
        if not (finite.all() if is_array else finite):
            raise ValueError("it holds numbers that are not finite")
        return (tuple(value.shape), str(value.dtype)) if is_array else float
    return value
