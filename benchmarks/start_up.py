"""From starting a training script to its first finished batch: how long, and where it goes.

    python benchmarks/start_up.py            # 5 starts of each framework

Each start is a process of its own that imports the script and calls its functions as main does, on a training set cut
to one batch. Needs the dataset in --data-dir (the sample will do: --dataset mnist-sample).
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import tyro

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from digits.data import DATA_DIR, load_dataset
from digits.errors import UserError, run_script
from digits.machine import hardware

# Runs in a process of its own: argv are script name, moment of the start, dataset and data folder.
PROBE = """
import sys, time
marks = [("interpreter", time.time() - float(sys.argv[2]))]
def mark(name, since):
    marks.append((name, time.perf_counter() - since))
    return time.perf_counter()
now = time.perf_counter()
import digits.training.options
now = mark("options", now)
import importlib
story = importlib.import_module(sys.argv[1])
now = mark("imports", now)
import contextlib, dataclasses, io, json, pathlib
dataset = story.load_dataset(sys.argv[3], pathlib.Path(sys.argv[4]))
now = mark("dataset", now)
recipe = digits.training.options.Recipe(epochs=1, validation_fraction=0)
device = story.set_up("cpu", 0)
model = story.make_model(digits.training.options.Options(recipe), 10)
now = mark("model", now)
one = slice(recipe.batch_size)
batch = dataclasses.replace(dataset, train_images=dataset.train_images[one], train_labels=dataset.train_labels[one])
with contextlib.redirect_stdout(io.StringIO()):
    story.train(model, batch, recipe, device)
mark("first batch", now)
print(json.dumps(dict(marks)))
"""


@dataclass(frozen=True)
class Options:
    starts: int = 5
    """starts of each framework, taking turns"""
    dataset: str = "mnist"
    """the dataset to load"""
    data_dir: Path = DATA_DIR
    """where download_mnist.py keeps it"""


def main() -> None:
    options = tyro.cli(Options, description=__doc__.split("\n\n")[0])
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
    arguments = [script, repr(time.time()), options.dataset, str(options.data_dir.resolve())]
    done = subprocess.run(
        [sys.executable, "-c", PROBE, *arguments], capture_output=True, text=True, check=False, cwd=ROOT
    )
    if done.returncode:
        raise UserError(f"starting {script} failed: {done.stderr.strip().splitlines()[-1:]}; run the script by itself.")
    return json.loads(done.stdout.splitlines()[-1])


if __name__ == "__main__":
    sys.exit(run_script(main))
