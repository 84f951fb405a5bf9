"""One worker of a training of few images, started by tests/networks/test_parallel.py:

    python one_worker.py pytorch MOMENT OPTIONS...

MOMENT is when it kills itself: 'epoch 1', after that checkpoint; 'writing', while it writes the run; or 'never'.
"""

from __future__ import annotations

import os
import signal
import sys
from dataclasses import replace
from importlib import import_module
from typing import Any

IMAGES = 95
"""84 of them are trained on: in batches of 25 and 9, which two workers cannot share evenly."""


def main(framework: str, moment: str, *words: str) -> int:
    """Train on the sample's first images; return the exit status."""
    script = import_module(f"mnist_{framework}")
    from mnist_twice.errors import run_script
    from mnist_twice.recipes import parse_options
    from mnist_twice.training import Checkpoint

    def few(*arguments: Any) -> Any:
        sample = load(*arguments)
        return replace(sample, train_images=sample.train_images[:IMAGES], train_labels=sample.train_labels[:IMAGES])

    def write_and_die(self: Any, progress: Any, state: bytes) -> None:
        write(self, progress, state)
        die_at(f"epoch {len(progress.history)}")

    def die_at(now: str) -> None:
        if moment == now:
            os.kill(os.getpid(), signal.SIGKILL)

    load, write = script.load_dataset, Checkpoint.write
    script.load_dataset, Checkpoint.write = few, write_and_die  # type: ignore[method-assign]
    files: Any = import_module(f"mnist_twice.{framework}.files")
    files.export_onnx = lambda *_: die_at("writing")  # it takes longer than such a training
    options = parse_options(script.__doc__, words)
    return run_script(lambda: script.main(options))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
