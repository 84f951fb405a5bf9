"""Checkpoints: a training as it stands after an epoch, so that a killed one can go on with --resume.

One file beside the run's folder, `.<run>.checkpoint`: a line of JSON, then the framework's own bytes. It is replaced
whole after every epoch and deleted when the run is written.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from digits.datasets import Dataset
from digits.errors import UserError
from digits.hidden_folder import flush, hidden_folder
from digits.options import Options
from digits.writing import write_file

# Options that a resumed training may give otherwise: they change where files lie, and nothing of what is computed.
FREE = {"resume", "data_dir", "output_dir"}


@dataclasses.dataclass
class Progress:
    """What training has given so far, in either framework."""

    history: list[dict[str, float]]  # rows of history.csv
    losses: list[float]  # of each step


class Checkpoint:
    """The checkpoint file of one training."""

    def __init__(self, run: Path, options: Options, dataset: Dataset, versions: dict[str, str]) -> None:
        """UserError where something that is no file is in its place."""
        self.path = run.with_name(f".{run.name}.checkpoint")
        self.resume = options.resume
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

    def read(self) -> tuple[Progress, bytes] | None:
        """Return what the last finished epoch left, or None where training is to begin at the beginning.

        UserError where the file is damaged, or is that of a training with other options.
        """
        if not self.resume:
            return None
        try:
            line, _, state = self.path.read_bytes().partition(b"\n")
        except FileNotFoundError:
            return None
        except OSError as error:
            raise UserError(
                f"cannot read '{self.path}' ({error.strerror}); mend that, or leave --resume out."
            ) from None
        try:
            facts = json.loads(line)
            if facts.pop("sha256") != _digest(facts, state):
                raise ValueError
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            raise UserError(f"'{self.path}' is damaged; delete it, or leave --resume out to train anew.") from None
        for name in sorted({*self.about, *facts["about"]}):
            ours, theirs = self.about.get(name), facts["about"].get(name)
            if ours != theirs:
                raise UserError(
                    f"--resume: '{self.path}' was made with {name} {theirs}, not {ours}; give the same options, "
                    "or leave --resume out to train anew."
                )
        self.seconds = sum(row["seconds"] for row in facts["history"])
        self._epochs = len(facts["history"])
        return Progress(facts["history"], facts["losses"]), state

    def write(self, progress: Progress, state: bytes) -> None:
        """Put the training as it stands in the place of the earlier checkpoint; UserError where that fails."""
        facts = {"about": self.about, **dataclasses.asdict(progress)}
        head = {"sha256": _digest(facts, state), **facts}
        try:
            with hidden_folder(self.path) as folder:
                fresh = folder / "checkpoint"
                write_file(fresh, json.dumps(head).encode() + b"\n" + state)
                flush(fresh)
                os.replace(fresh, self.path)
        except OSError as error:
            whole = self._epochs and self.path.is_file()
            kept = f"; that of epoch {self._epochs} is whole, --resume goes on from it" if whole else ""
            raise UserError(
                f"cannot write the checkpoint '{self.path}' ({error.strerror}){kept}; make room or fix permissions."
            ) from None
        self._epochs = len(progress.history)

    def delete(self) -> None:
        """Delete the file: the run is written."""
        with suppress(OSError):
            self.path.unlink()


def _digest(facts: dict[str, Any], state: bytes) -> str:
    return hashlib.sha256(json.dumps(facts).encode() + state).hexdigest()
