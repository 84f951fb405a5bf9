"""Checkpoints: a training as it stands after an epoch, so that a killed one can continue with --resume.

One file beside the run's folder, `.<run>.checkpoint`: the SHA-256 of what follows, a line of JSON, then the framework's
own bytes. It is replaced whole after every epoch and deleted when the run is written.
"""

import dataclasses
import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from mnist_twice.errors import UserError
from mnist_twice.files import write_whole
from mnist_twice.recipes import Options
from mnist_twice.training.progress import EventLog, Progress
from mnist_twice.training.workers import ALONE, Workers

# Options that a resumed training may give otherwise: they change where files lie, and nothing of what is computed.
FREE = {"resume", "data_dir", "output_dir", "log_dir", "name", "recipe_file"}


class Checkpoint:
    """The checkpoint file of one training. Of several workers, only the first touches it."""

    log: EventLog | None = None  # is told of every epoch whose checkpoint is written

    def __init__(self, run: Path, options: Options, facts: Mapping[str, Any], workers: Workers = ALONE) -> None:
        """facts: what must be equal when the training is resumed, besides the options."""
        self.path = checkpoint_path(run)
        self.resume = options.resume or bool(workers.restarts)
        self.epochs, self.workers = options.recipe.epochs, workers
        self.seconds = 0.0  # of training that an earlier process has done
        self._finished = 0  # epochs of this training that the file is known to hold
        asked = {name: value for name, value in dataclasses.asdict(options).items() if name not in FREE}
        recipe = asked.pop("recipe")
        recipe |= recipe.pop("augmentation")
        self.about: dict[str, Any] = json.loads(json.dumps({**asked, **recipe, **facts}, default=str))  # as read back

    def restore(self, load: Callable[[bytes], None]) -> Progress:
        """Return what the finished epochs left, which is nothing if the training starts afresh.

        `load` is given the framework's own bytes. Raises UserError if the file is damaged or is that of a training with
        other options; also if workers differ in options, data or versions.
        """
        self.workers.agree(self.about)
        if (earlier := self.workers.from_first(self.read)) is None:
            return Progress([], [])
        progress, state = earlier
        load(state)
        self.seconds = sum(row["seconds"] for row in progress.history)
        self._finished = len(progress.history)
        return progress

    def read(self) -> tuple[Progress, bytes] | None:
        """Return the progress and the framework's bytes, or None, as `restore` does."""
        if not self.resume and self.workers.restarts is not None:
            self.delete()  # or what restarts this training when it dies would continue that one
        if not (self.resume and self.path.exists()):
            return None
        digest, _, content = self.path.read_bytes().partition(b"\n")
        if digest != _digest(content):
            raise UserError(
                f"'{self.path}' is damaged, or from another version of this project; delete it, or leave --resume out "
                "to start at epoch 1."
            )
        line, _, state = content.partition(b"\n")
        facts = json.loads(line)
        for name in sorted({*self.about, *facts["about"]}):
            ours, theirs = self.about.get(name), facts["about"].get(name)
            if ours != theirs:
                raise UserError(
                    f"--resume: '{self.path}' was made with {name} {theirs}, not {ours}; give the same options, or "
                    "leave --resume out to start at epoch 1."
                )
        return Progress(facts["history"], facts["losses"]), state

    def write(self, progress: Progress, state: bytes) -> None:
        """Replace the earlier checkpoint by the training as it stands; raises UserError if that fails."""
        if self.workers.rank:
            return
        content = json.dumps({"about": self.about, **dataclasses.asdict(progress)}).encode() + b"\n" + state
        try:
            write_whole(self.path, _digest(content) + b"\n" + content)
        except OSError as error:
            kept = f"; that of epoch {self._finished} is intact, --resume continues from it" if self._finished else ""
            raise UserError(
                f"cannot write the checkpoint '{self.path}' ({error.strerror}){kept}; make room or fix the permissions."
            ) from None
        self._finished = len(progress.history)
        if self.log:
            self.log.write(progress)

    def when_interrupted(self) -> str | None:
        """Return what Ctrl-C is to say: how to continue, if there is a checkpoint of this training."""
        if not (self._finished and self.path.is_file()):
            return None
        return f"Stopped after epoch {self._finished} of {self.epochs}. Add --resume to continue."

    def delete(self) -> None:
        """Delete the file: the run is written."""
        self.path.unlink(missing_ok=True)


def checkpoint_path(run: Path) -> Path:
    """Return where the checkpoint of the training that writes this run is."""
    return run.with_name(f".{run.name}.checkpoint")


def history_so_far(run: Path) -> list[dict[str, float]]:
    """Return a row of history.csv for each finished epoch of a training that is to write the run, while it runs; none
    where there is no checkpoint."""
    try:
        with checkpoint_path(run).open("rb") as file:
            file.readline()
            history: list[dict[str, float]] = json.loads(file.readline())["history"]
            return history
    except (OSError, ValueError, LookupError):
        return []


def _digest(content: bytes) -> bytes:
    return hashlib.sha256(content).hexdigest().encode()
