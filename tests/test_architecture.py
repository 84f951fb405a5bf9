"""What is imported where starting must be quick: scripts answer --help in the time that NumPy and pydantic take."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from paths import ROOT

SLOW = {"sklearn", "matplotlib", "pandas", "seaborn", "requests", "mlxtend", "onnx", "onnxruntime", "scipy"}
LIGHT = "digits.data.datasets, digits.runs, digits.recipes, digits.training.saving"


@pytest.mark.slow
def test_what_the_training_scripts_import_brings_nothing_heavy() -> None:
    probe = f"import {LIGHT}, json, sys\nprint(json.dumps([name.partition('.')[0] for name in sys.modules]))"
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", probe], env=environment, capture_output=True, text=True, check=True)
    assert SLOW.isdisjoint(json.loads(done.stdout))
