"""The event files that TensorBoard shows, by PyTorch's writer. models/tensorflow/events.py is the twin."""

import sys
from pathlib import Path
from types import ModuleType

from digits.training import Progress
from digits.training.event_log import scalars_of_last_epoch


class EventLog:
    """The event files of one training."""

    def __init__(self, folder: Path) -> None:
        # Or TensorBoard would import TensorFlow where that is installed, which crashes beside PyTorch.
        sys.modules.setdefault("tensorboard.compat.notf", ModuleType("tensorboard.compat.notf"))
        from torch.utils.tensorboard import SummaryWriter  # only where it is asked for

        self.writer = SummaryWriter(str(folder))

    def write(self, progress: Progress) -> None:
        """Write the numbers of the last epoch."""
        for tag, value, step in scalars_of_last_epoch(progress):
            self.writer.add_scalar(tag, value, step, new_style=True)
        self.writer.flush()
