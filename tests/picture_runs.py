"""Made-up runs on the real sample, whose images figures can show."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from make_runs import make_run

from mnist_twice.data.datasets import load_dataset
from mnist_twice.runs.run import Run, read_run


def add_info(path: Path, **fields: Any) -> Run:
    """Add to the run's run.json, which no hash covers, and return the run."""
    file = path / "run.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **fields}))
    return read_run(path)


def make_sample_run(
    outputs: Path, data_dir: Path, framework: str = "pytorch", seed: int = 0, error_rate: float = 0.08, **options: Any
) -> Run:
    """Write a run on mnist-sample, which must be in data_dir, and return it."""
    sample = load_dataset("mnist-sample", data_dir)
    labels = sample.test_labels.astype(np.int64)
    path = make_run(outputs, "mnist-sample", framework, seed=seed, error_rate=error_rate, labels=labels, **options)
    return add_info(path, dataset_fingerprint=sample.fingerprint)
