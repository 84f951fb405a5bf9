"""What a training has given so far, and how it is shown: a live line on stderr, a row for each epoch on stdout."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, NoReturn

from tqdm import tqdm

from digits.errors import UserError


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

        UserError where the training loss is not finite.
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
