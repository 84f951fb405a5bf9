"""From starting a training script to its first finished batch: how long, and where it goes.

    python benchmarks/start_up.py            # 5 starts of each framework

Each start is a process of its own (start_up_probe.py) that imports the script and calls its functions as main does, on
a training set cut to one batch. Needs the dataset in --data-dir (the sample will do: --dataset mnist-sample).
"""

import json
import statistics
import sys
import time
from pathlib import Path

from benchmarks.processes import run_python
from digits.command_line import options_dataclass, parse
from digits.data import DATA_DIR, load_dataset
from digits.errors import run_script
from digits.machine import hardware


@options_dataclass
class Options:
    starts: int = 5
    """starts of each framework, taking turns"""
    dataset: str = "mnist"
    """the dataset to load"""
    data_dir: Path = DATA_DIR
    """where download_mnist.py keeps it"""


def main() -> None:
    options = parse(Options(), __doc__)
    load_dataset(options.dataset, options.data_dir)
    scripts = ("mnist_pytorch", "mnist_tensorflow")
    starts: dict[str, list[dict[str, float]]] = {script: [] for script in scripts}
    for _ in range(options.starts):
        for script in scripts:
            starts[script].append(time_start(script, options))
    machine = hardware("cpu")
    print(f"{machine['processor']}, {machine['cores']} cores; median seconds of n = {options.starts} starts (min-max)")
    phases = list(starts[scripts[0]][0])
    print(f"{'':18}{''.join(f'{phase:>13}' for phase in phases)}{'in all':>9}")
    for script in scripts:
        totals = [sum(start.values()) for start in starts[script]]
        middles = [statistics.median(start[phase] for start in starts[script]) for phase in phases]
        columns = "".join(f"{middle:13.2f}" for middle in middles)
        print(f"{script:18}{columns}{statistics.median(totals):9.2f}  ({min(totals):.2f}-{max(totals):.2f})")


def time_start(script: str, options: Options) -> dict[str, float]:
    """Return the seconds that each phase of one start takes."""
    what = [repr(time.time()), options.dataset, str(options.data_dir.resolve())]
    output = run_python(["-m", "benchmarks.start_up_probe", script, *what])
    seconds: dict[str, float] = json.loads(output.splitlines()[-1])
    return seconds


if __name__ == "__main__":
    sys.exit(run_script(main))
