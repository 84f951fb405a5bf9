"""What a training has given so far, and how it is shown: a live line, a row for each epoch, and in TensorBoard."""

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import ClassVar, NoReturn

from tqdm import tqdm

from mnist_twice.errors import UserError


@dataclass
class Progress:
    """What training has given so far, in either framework."""

    history: list[dict[str, float]]  # rows of history.csv
    losses: list[float]  # of each step

    HEADING: ClassVar = "epoch  loss     accuracy  val. loss  val. accuracy  seconds  images/s"
    hidden: ClassVar[bool | None] = None  # whether there is no live line; None: where stderr is no terminal

    def live_line(self, epochs: int, num_images: int) -> "tqdm[NoReturn]":
        """Return the line that shows how many images of the coming epoch are done: update() it, and close it."""
        return tqdm(
            total=num_images,
            desc=f"epoch {len(self.history) + 1}/{epochs}",
            unit=" images",
            leave=False,
            disable=self.hidden,
            dynamic_ncols=True,
        )

    def add(self, row: dict[str, float], losses: Sequence[float], epochs: int) -> None:
        """Add an epoch, its row of history.csv and the losses of its steps, and print the row.

        Raises UserError if the training loss is not finite.
        """
        if not math.isfinite(row["train_loss"]):
            raise UserError(
                f"the training diverged: the loss became {row['train_loss']} in epoch {row['epoch']}; lower "
                f"--learning-rate (it was {row['learning_rate']:g})."
            )
        self.history.append(row)
        self.losses += losses
        number = f"{row['epoch']}/{epochs}"
        held_out = f"{'-':9}  {'-':13}"
        if "validation_loss" in row:
            held_out = f"{row['validation_loss']:<9.4f}  {row['validation_accuracy']:<13.2%}"
        print(
            f"{number:5}  {row['train_loss']:<7.4f}  {row['train_accuracy']:<8.2%}  {held_out}  "
            f"{row['seconds']:<7.1f}  {row['images_per_second']:,.0f}",
            flush=True,
        )


class EventLog:
    """The event files of one training, written by TensorBoard's own writer."""

    def __init__(self, folder: Path, resumed: bool) -> None:
        """Event files of an earlier training in the folder are deleted, unless this one resumes it: TensorBoard would
        show both as one. Raises ModuleNotFoundError if TensorBoard is not installed, and OSError."""
        # Or TensorBoard would import TensorFlow where that is installed, which crashes beside PyTorch.
        sys.modules.setdefault("tensorboard.compat.notf", ModuleType("tensorboard.compat.notf"))
        from tensorboard.summary import Writer  # only where it is asked for

        for file in [] if resumed else list(folder.glob("events.out.tfevents.*")):
            file.unlink()
        self.writer = Writer(str(folder))

    def write(self, progress: Progress) -> None:
        """Write the last epoch: each column of history.csv with its number, the loss of each step with that of the
        step, from 1."""
        row = progress.history[-1]
        for tag, value in row.items():
            if tag != "epoch":
                self.writer.add_scalar(tag, value, int(row["epoch"]))
        steps = len(progress.losses) // len(progress.history)
        first = len(progress.losses) - steps
        for step, loss in enumerate(progress.losses[first:], first + 1):
            self.writer.add_scalar("step_loss", loss, step)
        self.writer.flush()
