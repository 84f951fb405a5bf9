"""From starting a training script to its first finished batch: how long, and where it goes.

    python benchmarks/start_up.py            # 5 starts of each framework

Each start is a process of its own (start_up_probe.py) that imports the script and calls its functions as main does, on
a training set cut to one batch. Needs the dataset in --data-dir (the sample will do: --dataset mnist-sample).
"""

import json
import sys
import time
from pathlib import Path

import pandas as pd  # type: ignore[import-untyped]

from benchmarks.processes import machine_line, run_python
from mnist_twice.command_line import options_dataclass, parse
from mnist_twice.data import DATA_DIR, load_dataset
from mnist_twice.errors import run_script


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
    rows = []
    for script in ("mnist_pytorch", "mnist_tensorflow") * options.starts:
        what = [repr(time.time()), options.dataset, str(options.data_dir.resolve())]
        output = run_python(["-m", "benchmarks.start_up_probe", script, *what])
        rows.append({"script": script, **json.loads(output.splitlines()[-1])})
    seconds = pd.DataFrame(rows).set_index("script")
    seconds["total"] = seconds.sum(axis=1)
    starts = seconds.groupby("script")
    medians = starts.median().assign(min=starts["total"].min(), max=starts["total"].max())
    print(f"{machine_line()}; median seconds of n = {options.starts} starts, smallest and largest total")
    print(medians.to_string(float_format="{:.2f}".format))


if __name__ == "__main__":
    sys.exit(run_script(main))
