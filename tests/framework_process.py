"""The training scripts in processes of their own: nothing may import both frameworks, pytest's process neither.

Imported by tests, this module starts such processes. Started as `python tests/framework_process.py FRAMEWORK QUESTION
ARGUMENTS`, with the arguments and the answer as JSON, it is one: the question names a function in tests/probes/, which
is given the framework's script, with the other framework blocked as if it were not installed.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from paths import ROOT

PACKAGES = {"pytorch": ("torch", "torchvision"), "tensorflow": ("tensorflow", "keras")}
OTHER = {"pytorch": "tensorflow", "tensorflow": "pytorch"}

# Runs a script as `python SCRIPT ...` would, but finds the packages named first not installed.
_RUN_WITHOUT = """
import runpy, sys
from framework_process import block
block(sys.argv[1].split())
sys.argv = sys.argv[2:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


class _Without:
    """A finder of sys.meta_path that does not find these packages. (None in sys.modules would look like a package.)"""

    def __init__(self, finder: Any, packages: Sequence[str]) -> None:
        self.finder, self.packages = finder, packages

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        return None if name.partition(".")[0] in self.packages else self.finder.find_spec(name, path, target)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.finder, name)


def block(packages: Sequence[str]) -> None:
    """Have this process find the packages not installed."""
    sys.meta_path[:] = [_Without(finder, packages) for finder in sys.meta_path]


def script_command(framework: str, *options: str, blocked: Sequence[str] | None = None) -> list[str]:
    """Return the command that runs the framework's script, by default with the other framework blocked."""
    blocked = PACKAGES[OTHER[framework]] if blocked is None else blocked
    return [sys.executable, "-c", _RUN_WITHOUT, " ".join(blocked), str(ROOT / f"mnist_{framework}.py"), *options]


def environment() -> dict[str, str]:
    """Return the environment of the processes: they find the project from any folder, and no GPU.

    PyTorch's threads wait for each other without spinning: on a busy machine that would stall them to a twentieth.
    """
    path = f"{ROOT}{os.pathsep}{ROOT / 'tests'}"
    return {**os.environ, "PYTHONPATH": path, "CUDA_VISIBLE_DEVICES": "-1", "OMP_WAIT_POLICY": "passive"}


def run_training(framework: str, *options: str, cwd: Path, **more: Any) -> subprocess.CompletedProcess[str]:
    """Run the framework's script in the folder `cwd` to its end."""
    command = script_command(framework, *options, **more)
    return subprocess.run(command, cwd=cwd, env=environment(), capture_output=True, text=True, timeout=300)


def start_training(framework: str, *options: str, cwd: Path, **more: Any) -> subprocess.Popen[str]:
    """Start the framework's script as the leader of a process group of its own, its outputs in pipes."""
    return subprocess.Popen(
        script_command(framework, *options),
        cwd=cwd,
        env=environment(),
        start_new_session=True,
        **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, **more},
    )


def ask(framework: str, question: str, *arguments: Any) -> Any:
    """Return what the function `question` of tests/probes/, as in 'trainings.train_runs', returns in a new process."""
    done = subprocess.run(
        [sys.executable, __file__, framework, question, json.dumps(arguments)],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def answer() -> None:
    """Print the answer to what `ask` passed to this process, with the other framework blocked."""
    framework, question, arguments = sys.argv[1:]
    block(PACKAGES[OTHER[framework]])
    probe, function = question.split(".")
    script = import_module(f"mnist_{framework}")
    print(json.dumps(getattr(import_module(f"probes.{probe}"), function)(script, *json.loads(arguments))))


if __name__ == "__main__":
    answer()
