"""What TensorBoard is to show of a training, in both frameworks alike."""

import sys
from pathlib import Path
from types import ModuleType

from digits.training.progress import Progress


class EventLog:
    """The event files of one training, written by TensorBoard's own writer."""

    def __init__(self, folder: Path, resumed: bool) -> None:
        """Event files of an earlier training in the folder are deleted, unless this one resumes it: TensorBoard would
        show both as one. Raises ModuleNotFoundError where TensorBoard is not installed, and OSError."""
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
