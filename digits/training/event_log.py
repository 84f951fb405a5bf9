"""What TensorBoard is to show of a training, in both frameworks alike."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

from digits.recipes.options import Options
from digits.training.progress import Progress


def event_folder(options: Options, run: Path, resume: bool) -> Path | None:
    """Return the folder of this run's event files, below --log-dir; None without that option.

    Event files of an earlier training of that name are deleted, unless this one is to resume it: TensorBoard would show
    both as one. Raises ModuleNotFoundError where TensorBoard is not installed, and OSError.
    """
    if options.log_dir is None:
        return None
    if find_spec("tensorboard") is None:
        raise ModuleNotFoundError(name="tensorboard")
    folder = options.log_dir / run.name
    folder.mkdir(parents=True, exist_ok=True)
    for file in [] if resume else list(folder.glob("events.out.tfevents.*")):
        file.unlink()
    return folder


class EventLog:
    """The event files of one training, written by TensorBoard's own writer."""

    def __init__(self, folder: Path) -> None:
        # Or TensorBoard would import TensorFlow where that is installed, which crashes beside PyTorch.
        sys.modules.setdefault("tensorboard.compat.notf", ModuleType("tensorboard.compat.notf"))
        from tensorboard.summary import Writer  # only where it is asked for

        self.writer = Writer(str(folder))

    def write(self, progress: Progress) -> None:
        """Write the numbers of the last epoch."""
        for tag, value, step in scalars_of_last_epoch(progress):
            self.writer.add_scalar(tag, value, step)
        self.writer.flush()


def scalars_of_last_epoch(progress: Progress) -> Iterator[tuple[str, float, int]]:
    """Yield tag, value and step: of each column of history.csv with its epoch, and the loss of each step with its
    number, from 1."""
    row = progress.history[-1]
    for tag, value in row.items():
        if tag != "epoch":
            yield tag, value, int(row["epoch"])
    steps = len(progress.losses) // len(progress.history)
    first = len(progress.losses) - steps
    for number, loss in enumerate(progress.losses[first:], first + 1):
        yield "step_loss", loss, number
