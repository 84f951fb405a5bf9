"""What a training prints while it runs: a live line on stderr, and a table row for each epoch on stdout."""

import math
import os
import sys
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Self

from tqdm import tqdm

from digits.errors import UserError

HEADER = "epoch  loss     accuracy  val. loss  val. accuracy  seconds  images/s"


def say_nothing() -> None:
    """Have this process print nothing but errors: another one prints the same."""
    sys.stdout = open(os.devnull, "w")  # noqa: SIM115 (for as long as the process lives)
    EpochProgress.hidden = True


class EpochProgress:
    """One epoch: shows how many images are done, and at the end prints the epoch's row and returns it for history.csv.

    The live line is only shown where stderr is a terminal.
    """

    hidden: bool | None = None  # None: where stderr is no terminal

    def __init__(self, epoch: int, epochs: int, num_images: int) -> None:
        self.epoch, self.epochs, self.num_images = epoch, epochs, num_images
        self._seconds: float | None = None
        self._started = self._drawn = time.perf_counter()
        self._bar = tqdm(
            total=num_images,
            desc=f"epoch {epoch + 1}/{epochs}",
            unit=" images",
            leave=False,
            disable=self.hidden,
            dynamic_ncols=True,
            mininterval=0,  # needs_update says when; by its own rules tqdm would skip every second update, or more
            miniters=1,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.close()

    def needs_update(self) -> bool:
        """Return whether to draw the live line again: it is shown at all, and was not drawn in the last 0.1 s."""
        return not self._bar.disable and time.perf_counter() - self._drawn > 0.1

    def show(self, images_done: int, loss: float, accuracy: float) -> None:
        """Update the live line: how many of the epoch's images are done, and the means over those."""
        self._bar.set_postfix_str(f"loss {loss:.4f}, accuracy {accuracy:.2%}", refresh=False)
        self._bar.update(images_done - self._bar.n)
        self._drawn = time.perf_counter()

    def finish_training(self) -> float:
        """Stop the clock, unless it was stopped: the epoch's seconds count its training steps, not its validation."""
        if self._seconds is None:
            self._seconds = time.perf_counter() - self._started
        return self._seconds

    def finish(
        self, loss: float, accuracy: float, validation: Mapping[str, float], learning_rate: float
    ) -> dict[str, float]:
        """Print the epoch's line and return its row of history.csv.

        Losses are cross-entropies, accuracies fractions; `validation` has the keys loss and accuracy, or none.
        UserError where the loss is not finite.
        """
        self._bar.close()
        if not math.isfinite(loss):
            raise UserError(
                f"the training diverged: the loss became {loss} in epoch {self.epoch + 1}; lower --learning-rate "
                f"(it was {learning_rate:g})."
            )
        seconds = self.finish_training()
        row = {
            "epoch": self.epoch + 1,
            "learning_rate": learning_rate,
            "train_loss": loss,
            "train_accuracy": accuracy,
            **{f"validation_{name}": value for name, value in validation.items()},
            "seconds": round(seconds, 3),
            "images_per_second": round(self.num_images / seconds, 1),
        }
        held_out = (
            f"{validation['loss']:<9.4f}  {validation['accuracy']:<13.2%}" if validation else f"{'-':9}  {'-':13}"
        )
        print(
            f"{f'{self.epoch + 1}/{self.epochs}':5}  {loss:<7.4f}  {accuracy:<8.2%}  {held_out}  "
            f"{seconds:<7.1f}  {self.num_images / seconds:,.0f}",
            flush=True,
        )
        return row
