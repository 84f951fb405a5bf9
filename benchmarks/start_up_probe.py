"""One start of a training script, phase by phase; benchmarks/start_up.py runs this in a process of its own.

    python -m benchmarks.start_up_probe SCRIPT MOMENT_OF_THE_START DATASET DATA_DIR

Prints JSON: the seconds of each phase.
"""

import sys
import time

marks = {"interpreter": time.time() - float(sys.argv[2])}
now = time.perf_counter()


def mark(phase: str) -> None:
    """Note the seconds since the last phase as those of this one."""
    global now
    now, since = time.perf_counter(), now
    marks[phase] = now - since


from mnist_twice.recipes import Recipe
from mnist_twice.training import model_config

mark("options")
import importlib

script = importlib.import_module(sys.argv[1])
mark("imports")
import contextlib
import dataclasses
import io
import json
from pathlib import Path

dataset = script.load_dataset(sys.argv[3], Path(sys.argv[4]))
mark("dataset")
recipe = Recipe(epochs=1, validation_fraction=0)
device = script.set_up("cpu", 0)
model = script.build_model(model_config(recipe, 10, sys.argv[1].removeprefix("mnist_")))
mark("model")
one = slice(recipe.batch_size)
batch = dataclasses.replace(dataset, train_images=dataset.train_images[one], train_labels=dataset.train_labels[one])
with contextlib.redirect_stdout(io.StringIO()):
    script.train(model, batch, recipe, device)
mark("first batch")
print(json.dumps(marks))
