"""The event files that TensorBoard shows, by TensorFlow's writer. models/pytorch/events.py is the twin.

Not by Keras's callback: the losses it knows are means over the epoch so far, not those of the steps.
"""

from pathlib import Path

import tensorflow as tf

from digits.training import Progress
from digits.training.event_log import scalars_of_last_epoch


class EventLog:
    """The event files of one training."""

    def __init__(self, folder: Path) -> None:
        self.writer = tf.summary.create_file_writer(str(folder))

    def write(self, progress: Progress) -> None:
        """Write the numbers of the last epoch."""
        with self.writer.as_default():
            for tag, value, step in scalars_of_last_epoch(progress):
                tf.summary.scalar(tag, value, step)
        self.writer.flush()
