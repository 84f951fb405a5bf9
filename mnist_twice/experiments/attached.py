"""Run a training script as a process that ends with the worker that started it, however that worker ends.

    python -m mnist_twice.experiments.attached mnist_pytorch.py --model cnn

The worker holds the other end of standard input. When it closes, by the worker or by the system after a SIGKILL, so
does this process: no training is left behind that another worker would begin again.
"""

import os
import runpy
import sys
import threading


def main() -> None:
    threading.Thread(target=_end_with_worker, daemon=True).start()
    del sys.argv[0]
    sys.path[0] = os.path.dirname(os.path.abspath(sys.argv[0]))
    runpy.run_path(sys.argv[0], run_name="__main__")


def _end_with_worker() -> None:
    while os.read(0, 1024):  # not by sys.stdin, whose lock this thread would hold when Python ends
        pass
    os._exit(143)  # the shell's status for SIGTERM


if __name__ == "__main__":
    main()
